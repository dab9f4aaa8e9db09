"""``ml-assets run``: run stale stages in parallel, check gates and sign the results.

A run with nothing to do imports neither dagster nor dvc and starts no stage.
"""

from __future__ import annotations

import argparse
import json
from contextlib import nullcontext

from ml_assets.commands.plan import add_missing
from ml_assets.project.commit_checkout import check_out
from ml_assets.project.project import find_project
from ml_assets.project.repository_pin import open_rules
from ml_assets.proof.signing_method import choose_signer
from ml_assets.reporting.console import write_notice
from ml_assets.reporting.job_report import add_outputs, announce, conclude
from ml_assets.runs.run import GraphRun, RunOptions
from ml_assets.signer.user_directories import find_place
from resources.dvc.reuse import Reuse
from resources.errors import ConfigurationError
from security.content.setting import LONGEST
from security.policy.policy import MATERIALIZE

_EPILOG = """\
examples:
  ml-assets run
  ml-assets run --select train --jobs 1
  ml-assets run --select +evaluate --keep-going
  ml-assets run --pull
  ml-assets run --commit HEAD~1
  ml-assets run --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "--select",
        action="append",
        default=[],
        metavar="SELECTION",
        help="stages, groups, outs, asset keys, files or directories; +NAME adds upstream, NAME+"
        " adds downstream, INPUT+ means its readers; can be repeated",
    )
    parser.add_argument("--commit", metavar="REV", help="run this commit in a separate worktree")
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="stages to run at once (default: the setting, or the number of cores)",
    )
    parser.add_argument(
        "--keep-going",
        action="store_true",
        help="after a failure, continue with independent stages",
    )
    parser.add_argument("--force", action="store_true", help="run fresh stages too")
    parser.add_argument(
        "--force-downstream",
        action="store_true",
        help="run the stages behind one that ran, even if they are fresh",
    )
    parser.add_argument(
        "--no-run-cache",
        action="store_true",
        help="run commands even if an earlier run had the same inputs",
    )
    add_missing(parser)
    parser.add_argument(
        "--wait",
        type=float,
        metavar="SECONDS",
        help="seconds to wait for another run in this checkout (default: 600)",
    )
    parser.add_argument(
        "--environment",
        metavar="NAME",
        help="also run all gates of this policy environment",
    )
    add_outputs(parser)
    parser.add_argument("--quiet", action="store_true", help="hide the output of stages")


def execute(arguments: argparse.Namespace) -> int:
    """Run, and print the report."""
    if arguments.jobs is not None and arguments.jobs < 1:
        raise ConfigurationError("--jobs must be 1 or more", "leave out --jobs to use all cores")
    if arguments.wait is not None and not 0 <= arguments.wait <= LONGEST:
        raise ConfigurationError(
            f"--wait must be from 0 to {LONGEST}", "leave out --wait to use the setting"
        )
    project = find_project(arguments.project)
    announce(project, write_notice)
    place = (
        nullcontext(project) if arguments.commit is None else check_out(project, arguments.commit)
    )
    here = find_place(arguments.project, project.root)
    with place as project:
        rules = open_rules(project)
        choose_signer(project, rules)
        run = GraphRun(project, rules, _read_options(arguments, here))
        report = run.execute()
        name = arguments.environment or MATERIALIZE
        conclude(project, rules, run.checkout, arguments, name, report.decisions, report.unused)
    if arguments.json:
        print(json.dumps(report.document()))
    else:
        report.write()
    return report.exit_code


def _read_options(arguments: argparse.Namespace, here: str) -> RunOptions:
    pull = arguments.pull or arguments.commit is not None or None
    return RunOptions(
        log=arguments.log,
        select=arguments.select,
        here=here,
        jobs=arguments.jobs,
        keep_going=arguments.keep_going,
        reuse=Reuse(
            force=arguments.force,
            force_downstream=arguments.force_downstream,
            run_cache=not arguments.no_run_cache,
        ),
        pull=False if arguments.allow_missing else pull,
        allow_missing=arguments.allow_missing,
        wait=arguments.wait,
        environment=arguments.environment,
        quiet=arguments.quiet,
    )
