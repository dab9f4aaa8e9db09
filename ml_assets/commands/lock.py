"""``ml-assets lock``: copy the lock files of a branch's runs into a checkout."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ml_assets.branches.lock_files import list_kept, write_kept
from ml_assets.branches.lock_records import LockRecords
from ml_assets.project.project import Project, find_project
from ml_assets.project.repository_pin import open_rules
from ml_assets.proof.trust import find_trust
from ml_assets.reporting.console import write_notice
from ml_assets.signer.access import find_git_network
from resources.errors import ConfigurationError
from resources.git.mirror import Mirror
from resources.git.remote_repository import LOCKS
from resources.git.repository import list_changed, read_place, read_remote_address
from resources.git.repository_name import name_repository

_EPILOG = """\
examples:
  ml-assets lock pull
  ml-assets lock pull --branch develop --json
"""
_PULL = "write the lock files of a branch's last run into the working tree"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the action and its options."""
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    pull = actions.add_parser(
        "pull",
        help=_PULL,
        description=f"{_PULL[0].upper()}{_PULL[1:]}. Get the data with: dvc pull.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for option in ("--json", "--debug"):  # they may stand before the action as well
        pull.add_argument(
            option, action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
    pull.add_argument(
        "--branch", metavar="NAME", help="branch to copy from (default: the current branch)"
    )
    pull.add_argument("--force", action="store_true", help="overwrite uncommitted changes")


def execute(arguments: argparse.Namespace) -> int:
    """Fetch the lock files and write those that no later commit replaced."""
    project = find_project(arguments.project)
    branch = arguments.branch or project.head.branch
    commit = project.head.commit
    if branch is None or commit is None:
        raise ConfigurationError(
            "HEAD is not on a branch", "name a branch: ml-assets lock pull --branch main"
        )
    mirror = Mirror(project.root, network=find_git_network(project.root))
    mirror.fetch((), None)
    tip = mirror.read_ref(f"{LOCKS}/{branch}")
    if tip is None:
        raise ConfigurationError(
            f"no recorded run of branch: {branch}", "push the branch and wait for its run"
        )
    files = _find_files(project, mirror, branch, tip, commit)
    if not arguments.force:
        _refuse_changed(project, files)
    written = write_kept(project.root, project.load_manifest(), files)
    if arguments.json:
        print(json.dumps({"branch": branch, "written": written}))
    elif not written:
        print(f"already up to date with the last run of {branch}")
    else:
        for path in written:
            print(f"written: {path}")
        print("next: get the data with: dvc pull")
    return 0


def _find_files(
    project: Project, mirror: Mirror, branch: str, tip: str, commit: str
) -> dict[str, bytes]:
    """Find the recorded files of a branch that are newer than a commit's own.

    Raises:
        SecurityError: no record of the branch has the signature of a trusted signer.
    """
    trust = find_trust(open_rules(project))
    address = read_remote_address(project.root, "origin") or ""
    records = LockRecords(mirror, name_repository(address), lambda: trust)
    found = records.find(branch, lambda why: write_notice(f"record of lock files not used: {why}"))
    found = found or records.read(tip, branch)  # raises the reason
    return records.select(found, commit, read_place(project.root) or ".", write_notice)


def _refuse_changed(project: Project, files: dict[str, bytes]) -> None:
    kept = list_kept(project.load_manifest())
    changed = sorted(
        path
        for path in list_changed(project.root) & kept & set(files)
        if Path(project.root, path).is_file() and (project.root / path).read_bytes() != files[path]
    )
    if changed:
        raise ConfigurationError(
            f"uncommitted changes: {', '.join(changed)}",
            "commit them, or overwrite them: ml-assets lock pull --force",
        )
