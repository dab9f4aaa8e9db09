"""``ml-assets advisories``: the offline database of known vulnerabilities and its updates."""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ml_assets.gating.advisories import PUBLIC_SOURCES, open_store
from ml_assets.reporting.console import write_table
from resources.advisory_feed.store import AdvisoryStore, Update, UpdateSummary
from resources.advisory_feed.update import Mode
from security.advisories.database import DatabaseStatus
from security.content.printable import printable

_EPILOG = """\
examples:
  ml-assets advisories status
  ml-assets advisories update
  ml-assets advisories update --from ../advisory-database
  ml-assets advisories update --from one.json other.zip --add
"""
_INTERRUPTED = {
    "kind": "interrupted",
    "message": "interrupted; the advisories are unchanged",
    "hint": "continue: ml-assets advisories update",
}
_PROGRESS = 2.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the two actions and their options."""
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    update = _add_action(actions, "update", "replace the database with newer advisories")
    update.add_argument(
        "--from",
        dest="sources",
        nargs="+",
        action="extend",
        metavar="PATH_OR_URL",
        help="directory, archive or record, or its https address"
        " (default: OSV's archives of PyPI and Debian)",
    )
    update.add_argument(
        "--sha256",
        default="",
        metavar="DIGEST",
        help="expected digest of the download, with one address",
    )
    update.add_argument("--add", action="store_true", help="keep existing advisories")
    update.add_argument(
        "--allow-loss",
        action="store_true",
        help="accept fewer or older advisories than the database has",
    )
    _add_action(actions, "status", "show the number, age and sources of the advisories")


def _add_action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for option in ("--json", "--debug"):  # they may stand before the action as well
        parser.add_argument(
            option, action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
    return parser


def execute(arguments: argparse.Namespace) -> int:
    """Update the database, or print its status."""
    store, now = open_store(), datetime.now(UTC)
    if arguments.action == "status":
        with store.load_or_index(now=now) as database:
            status = database.status
        _print_status(store, status, now, arguments.json)
        return 0
    wanted = Update(
        sources=arguments.sources or PUBLIC_SOURCES,
        mode=Mode.ADD if arguments.add else Mode.REPLACE,
        sha256=arguments.sha256,
        allow_loss=arguments.allow_loss,
    )
    try:
        with _progress(store, wanted):
            outcome = store.update(wanted, now=now)
    except KeyboardInterrupt:
        if arguments.json:
            print(json.dumps({"error": _INTERRUPTED}))
        else:
            sys.stderr.write(f"{_INTERRUPTED['message']}\nhint: {_INTERRUPTED['hint']}\n")
        return 130
    _print_outcome(store, outcome, now, arguments.json)
    return 0


def status_document(
    store: AdvisoryStore, status: DatabaseStatus, at: datetime
) -> dict[str, object]:
    """Return the status as a JSON document; ages are whole days."""
    return {
        "path": str(store.path),
        "sha256": status.sha256,
        "built": f"{status.built:%Y-%m-%dT%H:%M:%SZ}",
        "advisories": status.advisories,
        "unreadable": list(status.unreadable),
        "ecosystems": [
            {
                "name": one.name,
                "advisories": one.count,
                "newest": f"{one.newest:%Y-%m-%dT%H:%M:%SZ}",
                "age_days": one.age(at).days,
            }
            for one in status.ecosystems
        ],
        "sources": [
            {"address": one.address, "sha256": one.sha256, "advisories": one.records}
            for one in status.sources
        ],
    }


def _print_status(
    store: AdvisoryStore, status: DatabaseStatus, at: datetime, as_json: bool
) -> None:
    if as_json:
        print(json.dumps(status_document(store, status, at)))
        return
    rows = [
        (printable(one.name), str(one.count), f"{one.newest:%Y-%m-%d}", _days(one.age(at).days))
        for one in status.ecosystems
    ]
    write_table(rows, ("ecosystem", "advisories", "newest", "age"), sys.stdout)
    print()
    for source in status.sources:
        print(f"from: {printable(source.address, 500)} ({source.records})")
    if status.unreadable:
        shown = ", ".join(map(printable, status.unreadable[:5]))
        more = f" and {len(status.unreadable) - 5} more" if len(status.unreadable) > 5 else ""
        print(f"unreadable records, treated as unknown: {len(status.unreadable)}: {shown}{more}")
    print(
        f"{status.advisories} advisories, indexed {status.built:%Y-%m-%d %H:%M} UTC: {store.path}"
    )


def _days(days: int) -> str:
    return "1 day" if days == 1 else f"{days} days"


def _print_outcome(
    store: AdvisoryStore, outcome: UpdateSummary, at: datetime, as_json: bool
) -> None:
    if as_json:
        status = status_document(store, outcome.status, at)
        print(json.dumps({"changed": outcome.changed, "elsewhere": outcome.elsewhere, **status}))
        return
    if outcome.elsewhere:
        print(f"skipped records of other ecosystems: {outcome.elsewhere}")
    if not outcome.changed:
        print("already up to date")
    _print_status(store, outcome.status, at, as_json)


@contextmanager
def _progress(store: AdvisoryStore, wanted: Update) -> Iterator[None]:
    """Print each source and the size of its download to standard error."""
    for source in wanted.sources:
        sys.stderr.write(f"reading: {printable(str(source), 500)}\n")
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(store.path.parent, done), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _watch(directory: Path, done: threading.Event) -> None:
    said = 0
    while not done.wait(_PROGRESS):
        size = 0
        for part in (directory / "downloads").glob("*"):
            try:
                size += part.stat().st_size
            except OSError:
                continue  # complete, and renamed meanwhile
        if size != said:
            said = size
            sys.stderr.write(f"downloaded: {size / 2**20:.1f} MiB\n")
