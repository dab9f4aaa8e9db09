"""``ml-assets plan``: show what a run would do with each asset, and why."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from ml_assets.graph.description import describe_assets
from ml_assets.graph.translator import Asset, group_by_stage
from ml_assets.project.project import find_project
from ml_assets.project.remotes import describe_ignored
from ml_assets.reporting.console import write_notice, write_table
from ml_assets.runs.selection import select_stages
from ml_assets.signer.user_directories import find_place
from resources.dvc.run.plan import PlannedStage, build_plan
from resources.dvc.run.stage_result import Action

_EPILOG = """\
examples:
  ml-assets plan
  ml-assets plan --select train+
  ml-assets plan --commit HEAD~1
  ml-assets plan --pull
  ml-assets plan --json
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
    add_missing(parser)
    parser.add_argument(
        "--commit", metavar="REV", help="plan for this commit (default: the working tree)"
    )


def add_missing(parser: argparse.ArgumentParser) -> None:
    """Add the options for data that is not in the working tree."""
    options = parser.add_mutually_exclusive_group()
    options.add_argument(
        "--pull",
        action="store_true",
        default=None,
        help="use data from DVC's cache or remote: a stage can be fresh without its data, and"
        " inputs are fetched when needed",
    )
    options.add_argument(
        "--allow-missing",
        action="store_true",
        help="a stage can be fresh without its data, as with --pull, but nothing is fetched",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Print the plan."""
    project = find_project(arguments.project)
    rev = arguments.commit
    for notice in describe_ignored(project.root, project.remotes) if rev is None else ():
        write_notice(notice)
    pulls = project.settings.pull if arguments.pull is None else arguments.pull
    if rev is None and pulls and not arguments.allow_missing:
        from ml_assets.project.repository_pin import open_rules

        open_rules(project)  # compares the repository before data is fetched
    checkout = (
        project.open_checkout(pull=arguments.pull, allow_missing=arguments.allow_missing)
        if rev is None
        else project.view_commit(rev)
    )
    assets = describe_assets(project, checkout)
    selected = select_stages(
        arguments.select, checkout.manifest, assets, find_place(arguments.project, project.root)
    )
    steps = build_plan(checkout, selected)
    checkout.store.save()
    if arguments.json:
        commit = project.head.commit if rev is None else checkout.commit
        dirty = project.dirty if rev is None else False
        print(json.dumps(plan_document(commit, dirty, steps, assets)))
    else:
        _print(steps, assets)
    return 0


def plan_document(
    commit: str | None, dirty: bool, steps: Sequence[PlannedStage], assets: Sequence[Asset]
) -> dict[str, object]:
    """Return the plan as a JSON document."""
    by_stage = group_by_stage(assets)
    return {
        "commit": commit,
        "dirty": dirty,
        "assets": [
            {
                "key": asset.name,
                "stage": step.stage.name,
                "action": step.action.value,
                "reasons": list(step.reasons),
            }
            for step in steps
            for asset in by_stage[step.stage.name]
        ],
    }


def _print(steps: Sequence[PlannedStage], assets: Sequence[Asset]) -> None:
    by_stage = group_by_stage(assets)
    rows = [
        (
            step.action.value,
            step.stage.name,
            ", ".join(asset.location or asset.name for asset in by_stage[step.stage.name]),
            "; ".join(step.reasons),
        )
        for step in steps
        if step.action is not Action.SKIP
    ]
    if rows:
        write_table(rows, ("action", "stage", "writes", "why"), sys.stdout)
    counts = {action: sum(step.action is action for step in steps) for action in Action}
    fresh = counts[Action.SKIP]
    print(f"{counts[Action.RUN]} to run, {counts[Action.RESTORE]} to restore, {fresh} fresh")
