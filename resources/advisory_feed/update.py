"""An update: sources in, the records that the next database shall hold out, or a refusal.

An update never makes the database worse in silence. It is refused where

1. a source holds no record that can be judged here;
2. records cannot be read and do not even say which packages they are about;
3. more than a hundredth of the records cannot be read;
4. an ecosystem would shrink by more than a fifth;
5. an ecosystem's newest record would be older than the one that is known already.

4 and 5 can be allowed for one update, by who knows why it is right.
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
_FORCE = "if that is right: ml-assets advisories update --allow-loss"


class Mode(Enum):
    """What becomes of the records that the database holds already.

    REPLACE: those of the ecosystems that the new records cover go; the others stay.
    ADD: all stay, and give way only to a record of the same identifier modified later.
    """

    REPLACE = "replace"
    ADD = "add"


@dataclass(frozen=True, slots=True)
class Fetched:
    """The records of one source with what the database says about it."""

    source: AdvisorySource
    records: Records


def merge(
    previous: Mapping[str, StoredRecord], fetched: Iterable[Fetched], mode: Mode
) -> dict[str, StoredRecord]:
    """Return the records of the next database.

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
    hint = "report it to the publisher, and keep the advisories there are until it is mended"
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
            f"no advisory for PyPI or Debian: {address}", "look whether it is the right source"
        )


def _is_newer(one: StoredRecord, other: StoredRecord) -> bool:
    """Say whether a record was modified after another; what cannot be read is never outdone so."""
    if one.modified is None or other.modified is None:
        return False
    return one.modified > other.modified


def _base(ecosystem: str) -> str:
    return ecosystem.partition(":")[0]


def verify_no_loss(database: AdvisoryDatabase, records: Mapping[str, StoredRecord]) -> None:
    """Compare what a database knows with what the next one would know.

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
