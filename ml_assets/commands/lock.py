"""``ml-assets lock``: the lock files that runs of a branch have written, for a checkout."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ml_assets.branches.lock_files import find_locks, list_kept, write_kept
from ml_assets.project.project import Project, find_project
from ml_assets.reporting.console import write_notice
from resources.errors import ConfigurationError
from resources.git.mirror import LOCKS, Mirror
from resources.git.repository import list_changed, read_place

_EPILOG = """\
examples:
  ml-assets lock pull
  ml-assets lock pull --branch develop --json
"""
_PULL = "write what the last run of a branch has recorded into this working tree"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the action and its options."""
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    pull = actions.add_parser(
        "pull",
        help=_PULL,
        description=f"{_PULL[0].upper()}{_PULL[1:]}. The data comes with: dvc pull.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for option in ("--json", "--debug"):  # they may stand before the action as well
        pull.add_argument(
            option, action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
    pull.add_argument("--branch", metavar="NAME", help="of this branch (default: the one here)")
    pull.add_argument("--force", action="store_true", help="overwrite what is not committed")


def execute(arguments: argparse.Namespace) -> int:
    """Fetch the record, and write of it what no commit since has replaced."""
    project = find_project(arguments.project)
    branch = arguments.branch or project.head.branch
    commit = project.head.commit
    if branch is None or commit is None:
        raise ConfigurationError("on no branch here", "name one: ml-assets lock pull --branch main")
    mirror = Mirror(project.root)
    mirror.fetch((), None)
    if mirror.read_ref(f"{LOCKS}/{branch}") is None:
        raise ConfigurationError(
            f"no run has recorded locks of {branch}", "push the branch, and let it be run"
        )
    files = find_locks(mirror, branch, commit, read_place(project.root) or ".", write_notice)
    if not arguments.force:
        _refuse_changed(project, files)
    written = write_kept(project.root, project.load_manifest(), files)
    if arguments.json:
        print(json.dumps({"branch": branch, "written": written}))
    elif not written:
        print(f"nothing to write: {branch} is as its last run has recorded it")
    else:
        for path in written:
            print(f"written: {path}")
        print("the data comes with: dvc pull")
    return 0


def _refuse_changed(project: Project, files: dict[str, bytes]) -> None:
    kept = list_kept(project.load_manifest())
    changed = sorted(
        path
        for path in list_changed(project.root) & kept & set(files)
        if Path(project.root, path).is_file() and (project.root / path).read_bytes() != files[path]
    )
    if changed:
        raise ConfigurationError(
            f"not committed here: {', '.join(changed)}",
            "commit it, or overwrite it: ml-assets lock pull --force",
        )
