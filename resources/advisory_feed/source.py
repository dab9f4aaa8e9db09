"""The source: reads the records of a local directory, archive or file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from resources.advisory_feed.archive import RawRecord, choose_records, is_archive, read_archive
from resources.advisory_feed.errors import FeedError, HostileFeedError
from resources.advisory_feed.limits import FeedLimits, Meter
from resources.advisory_feed.record_text import SUFFIXES
from resources.errors import ConfigurationError, os_reason
from security.content.digest import digest_file

_HINT = "name a directory, an archive (.zip, .tar.gz, .tar) or a record (.json, .yaml)"


def read_source(path: Path, limits: FeedLimits) -> Iterator[RawRecord]:
    """Read the records of a directory of OSV files, a PyPA checkout, an archive, or one file.

    Raises:
        ConfigurationError: the path is not a source of advisories.
        HostileFeedError: the source exceeds its limits, or contains a link or device.
        FeedError: the source cannot be read.
    """
    if path.is_dir():
        yield from _read_directory(path, limits)
    elif not path.is_file():
        raise ConfigurationError(f"no source of advisories: {path}", _HINT)
    elif is_archive(path):
        yield from read_archive(path, limits)
    elif path.name.lower().endswith(SUFFIXES):
        meter = Meter(limits, path.stat().st_size, str(path))
        yield RawRecord(path.name, _read_file(path, limits, meter))
    else:
        raise ConfigurationError(f"not a source of advisories: {path}", _HINT)


def digest_source(path: Path) -> str:
    """Return the sha256 of a file; empty for a directory, whose records are digested instead."""
    return "" if path.is_dir() else digest_file(path).sha256


def _read_directory(root: Path, limits: FeedLimits) -> Iterator[RawRecord]:
    meter = Meter(limits, limits.total, str(root))
    names = sorted(_walk(root, meter))
    for name in sorted(choose_records(names)):
        yield RawRecord(name, _read_file(root / name, limits, meter))


def _walk(root: Path, meter: Meter) -> Iterator[str]:
    """Yield the files below a directory; refuse links among the records."""

    def refuse(error: OSError) -> None:
        raise FeedError(
            f"cannot read: {error.filename}: {os_reason(error)}",
            f"correct its permissions: ls -ld {error.filename}",
        ) from error

    for directory, directories, files in os.walk(root, onerror=refuse, followlinks=False):
        directories[:] = [one for one in directories if not one.startswith(".")]
        for name in [*directories, *files]:
            meter.count_member()
            path = Path(directory, name)
            if path.is_symlink() and (name in directories or name.lower().endswith(SUFFIXES)):
                raise HostileFeedError(f"symbolic link among the records: {path}")
        for name in files:
            yield Path(directory, name).relative_to(root).as_posix()


def _read_file(path: Path, limits: FeedLimits, meter: Meter) -> bytes:
    """Read a record; enforce its limit even if the file grows."""
    try:
        if not path.is_file():
            raise HostileFeedError(f"not a regular file: {path}")
        with open(path, "rb") as stream:
            content = stream.read(limits.record + 1)
    except OSError as error:
        raise FeedError(
            f"cannot read: {path}: {os_reason(error)}", f"correct its permissions: ls -ld {path}"
        ) from error
    if len(content) > limits.record:
        raise HostileFeedError(f"record larger than {limits.record} bytes: {path}")
    meter.count_bytes(len(content))
    return content
