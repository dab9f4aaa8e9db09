"""The update: merges the records of sources into those of the new database, or refuses.

An update is refused if

1. a source has no record of a known ecosystem;
2. a record cannot be read, not even its packages;
3. more than one percent of the records cannot be read;
4. an ecosystem would lose more than a fifth of its records;
5. the latest record of an ecosystem would be older than the present latest one.

``--allow-loss`` permits 4 and 5 for one update.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from resources.advisory_feed.errors import FeedError, UpdateRefusedError
from resources.advisory_feed.index import Records
from security.advisories.database import AdvisoryDatabase, AdvisorySource
from security.advisories.database_schema import StoredRecord

_MOST_UNREADABLE = 0.01
_LEAST_KEPT = 0.8
_FORCE = "if this is intended: ml-assets advisories update --allow-loss"


class Mode(Enum):
    """The treatment of the present records.

    REPLACE: remove the records of ecosystems that the new records cover; keep the others.
    ADD: keep all; replace a record only by a later one with the same identifier.
    """

    REPLACE = "replace"
    ADD = "add"


@dataclass(frozen=True, slots=True)
class Fetched:
    """The records of one source, with its entry in the database."""

    source: AdvisorySource
    records: Records


def merge(
    previous: Mapping[str, StoredRecord], fetched: Iterable[Fetched], mode: Mode
) -> dict[str, StoredRecord]:
    """Merge the present and new records into those of the new database.

    Raises:
        UpdateRefusedError: rules 2 and 3.
        FeedError: rule 1.
    """
    merged = Records()
    for one in fetched:
        _verify_readable(one)
        for record in one.records.by_id.values():
            merged.add(record)
    covered = {_base(name) for one in merged.by_id.values() for name in one.ecosystems}
    for record in previous.values():
        if mode is Mode.ADD or not {_base(name) for name in record.ecosystems} <= covered:
            other = merged.by_id.get(record.id)
            if other is None or (mode is Mode.ADD and _is_newer(record, other)):
                merged.by_id[record.id] = record
    return merged.by_id


def _verify_readable(fetched: Fetched) -> None:
    records, address = fetched.records, fetched.source.address
    hint = "keep the present database, and report the source to its publisher"
    if records.lost:  # 2
        first = records.lost[0]
        raise UpdateRefusedError(
            f"{len(records.lost)} records of {address} cannot be read, the first: {first.message}",
            hint,
        )
    unreadable = [one for one in records.by_id.values() if one.document is None]
    if len(unreadable) > _MOST_UNREADABLE * len(records.by_id):  # 3
        raise UpdateRefusedError(
            f"{len(unreadable)} of {len(records.by_id)} records of {address} are malformed,"
            f" the first: {unreadable[0].fault}",
            hint,
        )
    if not records.by_id:  # 1
        raise FeedError(
            f"no advisory for PyPI or Debian: {address}",
            "name another source: ml-assets advisories update --from PATH_OR_URL",
        )


def _is_newer(one: StoredRecord, other: StoredRecord) -> bool:
    """Whether a record was modified after another; false if either record is unreadable."""
    if one.modified is None or other.modified is None:
        return False
    return one.modified > other.modified


def _base(ecosystem: str) -> str:
    return ecosystem.partition(":")[0]


def verify_no_loss(database: AdvisoryDatabase, records: Mapping[str, StoredRecord]) -> None:
    """Compare the present database with the records of the new one.

    Raises:
        UpdateRefusedError: rules 4 and 5.
    """
    for known in database.status.ecosystems:
        kept = [
            one
            for one in records.values()
            if one.modified is not None and known.name in one.ecosystems
        ]
        if len(kept) < _LEAST_KEPT * known.count:  # 4
            raise UpdateRefusedError(
                f"the update has {len(kept)} advisories for {known.name}, the database has"
                f" {known.count}",
                _FORCE,
            )
        newest = max(one.modified for one in kept if one.modified is not None)
        if newest < known.newest:  # 5
            raise UpdateRefusedError(
                f"the update is older than the database for {known.name}:"
                f" {newest:%Y-%m-%d %H:%M} against {known.newest:%Y-%m-%d %H:%M}",
                _FORCE,
            )
