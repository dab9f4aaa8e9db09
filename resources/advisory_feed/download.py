"""Downloads over HTTP: resumed where they stopped, compared with every checksum that is promised.

1. The address is one that `http_request` allows.
2. What has come stays in a part file with the ETag it belongs to. The next attempt asks for the
   rest (`Range`) on condition that it is still the same (`If-Range`, RFC 9110 section 13.1.5); any
   other answer starts from zero.
3. The length has to be the announced one.
4. The sha256 has to be the one asked for, and `Repr-Digest` (RFC 9530) or `x-goog-hash` the one
   that the server promises.
5. A time for the whole and a size at most, however slowly the bytes drip.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from resources.advisory_feed.errors import ChecksumError, FeedError, HostileFeedError
from resources.advisory_feed.http_request import open_request, verify_address
from resources.errors import wrap_os_error
from resources.files import write_atomically
from security.content.digest import digest_bytes

_CHUNK = 1 << 16
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_DIGEST = re.compile(r"(?:^|[\s,])(sha-256=:|md5=)([A-Za-z0-9+/=]+)")
_AGAIN = "run it again: it goes on where it stopped"


@dataclass(frozen=True, slots=True)
class Download:
    """What to fetch and how long to wait.

    Attributes:
        sha256: what the bytes must have; empty if that is not known.
        known_etag: of what is already indexed; the server then may say that nothing has changed.
        attempts: how often a stopped transfer is resumed in one call.
        silence: seconds without a byte after which a connection counts as dead.
        deadline: seconds for the whole.
        largest: bytes at most.
    """

    url: str
    sha256: str = ""
    known_etag: str = ""
    attempts: int = 4
    silence: float = 30.0
    deadline: float = 1800.0
    largest: int = 2 << 30


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A complete file whose checksums were compared."""

    path: Path
    sha256: str
    etag: str


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The server still has what `known_etag` names."""

    etag: str


@dataclass(frozen=True, slots=True)
class _Part:
    """What a part file belongs to: an ETag that names its bytes exactly."""

    path: Path

    @property
    def _note(self) -> Path:
        return self.path.with_suffix(".etag")

    def read(self) -> tuple[int, str]:
        """Return how many bytes are there and of which ETag; nothing where that is not known."""
        try:
            note = json.loads(self._note.read_bytes())
            return self.path.stat().st_size, str(note["etag"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0, ""

    def start(self, etag: str) -> None:
        """Begin anew. Only a strong ETag names bytes; with another nothing can be resumed."""
        self.forget()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if etag.startswith('"'):
            write_atomically(self._note, json.dumps({"etag": etag}).encode())

    def forget(self) -> None:
        """Remove what is there."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


class _Stopped(Exception):
    """A transfer ended before its end; what has come is kept."""


def fetch(
    wanted: Download, directory: Path, *, clock: Callable[[], float] = time.monotonic
) -> Downloaded | Unchanged:
    """Download a file into a directory, or learn that it has not changed.

    The caller removes the file when it is done with it; what is left of a transfer that stopped
    stays for the next call.

    Raises:
        ConfigurationError: the URL is not one that may be used.
        ChecksumError: the bytes are not those promised; they are removed.
        FeedError: the server does not answer, or stops every time.
        UnavailableError: the disk refuses.
    """
    verify_address(wanted.url, wanted.sha256)  # 1
    name = digest_bytes(wanted.url.encode()).sha256[:32]
    part = _Part(directory / f"{name}.part")
    end = clock() + wanted.deadline
    reason = "no attempt was made"
    for _ in range(wanted.attempts):
        try:
            return _attempt(wanted, part, end, clock)
        except _Stopped as stopped:
            reason = str(stopped)
        except HostileFeedError:
            part.forget()
            raise
        except urllib.error.HTTPError as error:  # only a redirect that may not be followed
            raise HostileFeedError(f"redirected astray: {error.reason}: {wanted.url}") from error
        except (
            urllib.error.URLError,
            http.client.HTTPException,
            ConnectionError,
            TimeoutError,
        ) as error:
            reason = str(getattr(error, "reason", "") or error) or type(error).__name__
        except OSError as error:
            raise wrap_os_error(error) from error
        if clock() >= end:
            reason = f"not complete after {wanted.deadline:g} s"
            break
    raise FeedError(f"cannot download {wanted.url}: {reason}", _AGAIN)


def _attempt(
    wanted: Download, part: _Part, end: float, clock: Callable[[], float]
) -> Downloaded | Unchanged:
    have, etag = part.read()
    request = urllib.request.Request(wanted.url, headers={"Accept-Encoding": "identity"})
    if have and etag:  # 2
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", etag)
    elif wanted.known_etag:
        request.add_header("If-None-Match", wanted.known_etag)
    with open_request(request, wanted.silence) as response:
        status = response.status
        if status == 304 and wanted.known_etag:
            return Unchanged(wanted.known_etag)
        if status == 416:
            part.forget()
            raise _Stopped("the part that was there does not belong to the file")
        if status >= 500:
            raise _Stopped(f"status {status}")
        if status not in (200, 206):
            raise FeedError(
                f"cannot download {wanted.url}: status {status}",
                "look whether the address is right",
            )
        served = response.headers.get("ETag", "")
        total = _place(response, have if status == 206 else 0, etag if status == 206 else served)
        if status == 200:
            part.start(served)
        _receive(response, part.path, total, wanted, end, clock)  # 3, 5
        promised = _promised(response.headers)
    return _finish(wanted, part, served or etag, promised)


def _place(response: http.client.HTTPResponse, have: int, etag: str) -> int | None:
    """Return the length of the whole file, having checked that the answer is the part asked for."""
    if response.status == 206:
        place = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        served = response.headers.get("ETag", etag)
        if place is None or int(place[1]) != have or served != etag:
            raise FeedError(
                "the server answered with another part than asked for", "report it to its operator"
            )
        return int(place[3])
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def _receive(
    response: IO[bytes],
    path: Path,
    total: int | None,
    wanted: Download,
    end: float,
    clock: Callable[[], float],
) -> None:
    if total is not None and total > wanted.largest:
        raise HostileFeedError(f"larger than {wanted.largest} bytes: {wanted.url}")
    with open(path, "ab") as file:
        size = file.tell()
        try:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                size += len(chunk)
                if size > wanted.largest:
                    raise HostileFeedError(f"larger than {wanted.largest} bytes: {wanted.url}")
                if clock() >= end:
                    raise _Stopped(f"not complete after {wanted.deadline:g} s")
        except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
            raise _Stopped(f"stopped after {size} of {total} bytes: {error}") from error
    if total is not None and size < total:
        raise _Stopped(f"stopped after {size} of {total} bytes")
    if total is not None and size > total:
        path.unlink()
        raise _Stopped(f"{size} bytes in place of {total}")


def _finish(wanted: Download, part: _Part, etag: str, promised: dict[str, str]) -> Downloaded:
    """Compare every checksum (4) and take the file out of the parts."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with open(part.path, "rb") as file:
        while chunk := file.read(1 << 20):
            sha256.update(chunk)
            md5.update(chunk)
    found = {"sha-256=:": sha256.digest(), "md5=": md5.digest()}
    wrong = [
        name.rstrip("=:")
        for name, value in promised.items()
        if base64.b64encode(found[name]).decode() != value
    ]
    if wanted.sha256 and sha256.hexdigest() != wanted.sha256.lower():
        wrong.append("the sha256 asked for")
    if wrong:
        part.forget()
        raise ChecksumError(
            f"wrong checksum ({', '.join(wrong)}): {wanted.url}",
            "fetch it again; if it stays wrong, do not use this source",
        )
    complete = part.path.with_name(part.path.stem + _suffix(wanted.url))
    part.path.replace(complete)
    part.forget()
    return Downloaded(complete, sha256.hexdigest(), etag)


def _promised(headers: Message) -> dict[str, str]:
    """Return the checksums of the whole file that the server states."""
    values = [*headers.get_all("Repr-Digest", []), *headers.get_all("x-goog-hash", [])]
    return {kind: value for text in values for kind, value in _DIGEST.findall(text)}


def _suffix(url: str) -> str:
    """Return the ending of the file's name, which says what it is."""
    name = urlsplit(url).path.rsplit("/", 1)[-1].lower()
    endings = (".tar.gz", ".tgz", ".tar", ".zip", ".json", ".yaml", ".yml")
    return next((ending for ending in endings if name.endswith(ending)), ".zip")
