"""``ml-assets metrics diff``: compare the metrics of the working tree with those of a commit."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from ml_assets.project.project import find_project
from ml_assets.reporting.comparison_base import open_base
from ml_assets.reporting.console import write_notice, write_table
from ml_assets.reporting.value_comparison import (
    ABSENT,
    ValueComparison,
    compare_values,
    list_metrics_files,
)
from resources.dvc.checkout.checkout import Checkout
from security.content.printable import printable

_EPILOG = """\
examples:
  ml-assets metrics diff
  ml-assets metrics diff main
  ml-assets metrics diff HEAD~3 --all
  ml-assets metrics diff --json
"""
ListFiles = Callable[[Checkout], list[str]]
"""Returns the files to compare, relative to the DVC root."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the action and its options."""
    add_diff(parser, "metrics", _EPILOG)


def execute(arguments: argparse.Namespace) -> int:
    """Print the comparison."""
    return print_diff(arguments, list_metrics_files)


def add_diff(parser: argparse.ArgumentParser, values: str, epilog: str) -> None:
    """Add the action ``diff``.

    Args:
        values: the noun for the compared values.
    """
    parser.epilog = epilog
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    summary = f"compare the {values} of the working tree with those of a commit"
    action = actions.add_parser(
        "diff",
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    action.add_argument(
        "revision", nargs="?", default="HEAD", metavar="REV", help="the commit (default: HEAD)"
    )
    action.add_argument("--all", action="store_true", help="show unchanged values, too")
    for option in ("--json", "--debug"):  # they may stand before the action as well
        action.add_argument(
            option, action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )


def print_diff(arguments: argparse.Namespace, list_files: ListFiles) -> int:
    """Print how the values of some files differ from those of a commit; return the exit code.

    Args:
        list_files: the files, of the working tree and of the commit.
    """
    project = find_project(arguments.project)
    checkout, base = project.open_checkout(), open_base(project, arguments.revision)
    files = list_files(checkout) + (list_files(base.view) if base.view is not None else [])
    values, unreadable = compare_values(checkout, base, files)
    shown = [one for one in values if arguments.all or one.is_changed]
    if arguments.json:
        commit = base.branch.commit if base.branch else None
        print(json.dumps(_document(commit, shown, unreadable)))
        return 0
    for file in unreadable:
        write_notice(f"missing or unreadable: {file}")
    if shown:
        header = ("file", "name", arguments.revision, "working tree", "change")
        write_table([_row(one) for one in shown], header, sys.stdout)
    changed = sum(one.is_changed for one in values)
    print(f"{changed} of {len(values)} values differ from {arguments.revision}")
    return 0


def _document(
    commit: str | None, values: list[ValueComparison], unreadable: list[str]
) -> dict[str, Any]:
    """Return the comparison as a JSON document; a value that does not exist has no key."""
    return {
        "commit": commit,
        "values": [
            {
                "file": one.file,
                "name": one.name,
                **{
                    key: _plain(value)
                    for key, value in (("before", one.before), ("now", one.now))
                    if value is not ABSENT
                },
                **({} if one.change is None else {"change": _plain(one.change)}),
            }
            for one in values
        ],
        "unreadable": unreadable,
    }


def _row(one: ValueComparison) -> tuple[str, ...]:
    change = "–" if one.change is None else f"{one.change:+.6g}"
    return one.file, one.name, _show(one.before), _show(one.now), change


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold: dates, NaN and infinite numbers become texts."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return str(value)
    return value


def _show(value: Any) -> str:
    if value is ABSENT:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    plain = _plain(value)
    return printable(plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False))
