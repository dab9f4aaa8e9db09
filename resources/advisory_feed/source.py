"""The records of one local source: a directory, one file, or an archive."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from resources.advisory_feed.archive import RawRecord, choose_records, is_archive, read_archive
from resources.advisory_feed.errors import FeedError, HostileFeedError
from resources.advisory_feed.limits import FeedLimits, Meter
from resources.advisory_feed.record_text import SUFFIXES
from resources.errors import ConfigurationError
from security.content.digest import digest_file

_HINT = "give a directory, an archive (.zip, .tar.gz, .tar) or a record (.json, .yaml)"


def read_source(path: Path, limits: FeedLimits) -> Iterator[RawRecord]:
    """Read the records of a directory of OSV files, a PyPA checkout, an archive, or one file.

    Raises:
        ConfigurationError: there is nothing of that kind at the path.
        HostileFeedError: it holds what no feed holds.
        FeedError: it cannot be read.
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
    """Return the sha256 of a file; of a directory none: the records themselves are digested."""
    return "" if path.is_dir() else digest_file(path).sha256


def _read_directory(root: Path, limits: FeedLimits) -> Iterator[RawRecord]:
    meter = Meter(limits, limits.total, str(root))
    names = sorted(_walk(root, meter))
    for name in sorted(choose_records(names)):
        yield RawRecord(name, _read_file(root / name, limits, meter))


def _walk(root: Path, meter: Meter) -> Iterator[str]:
    """Yield the files below a directory; links are not followed, nor is one taken for a record."""

    def refuse(error: OSError) -> None:
        raise FeedError(f"cannot be read: {error.filename}", "mend the permissions") from error

    for directory, directories, files in os.walk(root, onerror=refuse, followlinks=False):
        directories[:] = [one for one in directories if not one.startswith(".")]
        for name in [*directories, *files]:
            meter.count_member()
            path = Path(directory, name)
            if path.is_symlink() and (name in directories or name.lower().endswith(SUFFIXES)):
                raise HostileFeedError(f"a symbolic link among the records: {path}")
        for name in files:
            yield Path(directory, name).relative_to(root).as_posix()


def _read_file(path: Path, limits: FeedLimits, meter: Meter) -> bytes:
    """Read a record that is a regular file and stays below its limit even if it grows meanwhile."""
    try:
        if not path.is_file():
            raise HostileFeedError(f"not a regular file: {path}")
        with open(path, "rb") as stream:
            content = stream.read(limits.record + 1)
    except OSError as error:
        raise FeedError(f"cannot be read: {error}", "mend the permissions") from error
    if len(content) > limits.record:
        raise HostileFeedError(f"record of more than {limits.record} bytes: {path}")
    meter.count_bytes(len(content))
    return content
