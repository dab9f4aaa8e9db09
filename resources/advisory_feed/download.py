"""Downloads over HTTP, with resumption and verified checksums.

1. The address is one that `http_request` allows.
2. A part file keeps the received bytes with their ETag. The next attempt requests the rest
   (`Range`) if the file is unchanged (`If-Range`, RFC 9110 section 13.1.5), else the whole file.
3. The length matches the announced length.
4. The sha256 matches the requested one, and the digests that the server announces
   (`Repr-Digest`, RFC 9530, and `x-goog-hash`).
5. Total time and size are limited, so that a slow server cannot hold the download open.
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
_AGAIN = "run again, the download resumes: ml-assets advisories update"


@dataclass(frozen=True, slots=True)
class Download:
    """A file to download, with limits.

    Attributes:
        sha256: the required sha256; empty if unknown.
        known_etag: the ETag of the indexed file, so that the server can answer "not modified".
        attempts: attempts in one call, each of which resumes the transfer.
        silence: seconds without a byte until a connection counts as dead.
        deadline: seconds for the whole download.
        largest: maximum size in bytes.
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
    """A complete file with verified checksums."""

    path: Path
    sha256: str
    etag: str


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The server answered that the file of `known_etag` is not modified."""

    etag: str


@dataclass(frozen=True, slots=True)
class _Part:
    """A part file with the ETag of its bytes."""

    path: Path

    @property
    def _note(self) -> Path:
        return self.path.with_suffix(".etag")

    def read(self) -> tuple[int, str]:
        """Return the size and ETag of the part file; zero and empty if unknown."""
        try:
            note = json.loads(self._note.read_bytes())
            return self.path.stat().st_size, str(note["etag"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0, ""

    def start(self, etag: str) -> None:
        """Start a new part file. Only a strong ETag allows resumption."""
        self.forget()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if etag.startswith('"'):
            write_atomically(self._note, json.dumps({"etag": etag}).encode())

    def forget(self) -> None:
        """Remove the part file."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


class _Stopped(Exception):
    """A transfer stopped early; the received bytes are kept."""


def fetch(
    wanted: Download, directory: Path, *, clock: Callable[[], float] = time.monotonic
) -> Downloaded | Unchanged:
    """Download a file into a directory, unless the server says that it is not modified.

    The caller removes the file. The part file of a stopped transfer stays for the next call.

    Raises:
        ConfigurationError: the URL is not allowed.
        ChecksumError: the bytes do not match a checksum; they are removed.
        FeedError: the server does not answer, or each transfer stopped.
        UnavailableError: the file cannot be written.
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
        except urllib.error.HTTPError as error:  # only a refused redirect
            raise HostileFeedError(f"refused redirect: {error.reason}: {wanted.url}") from error
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
            reason = f"incomplete after {wanted.deadline:g} s"
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
            raise _Stopped("the part file belongs to another version of the file")
        if status >= 500:
            raise _Stopped(f"status {status}")
        if status not in (200, 206):
            raise FeedError(
                f"cannot download {wanted.url}: status {status}",
                f"check the address: curl -I {wanted.url}",
            )
        served = response.headers.get("ETag", "")
        total = _place(response, have if status == 206 else 0, etag if status == 206 else served)
        if status == 200:
            part.start(served)
        _receive(response, part.path, total, wanted, end, clock)  # 3, 5
        promised = _promised(response.headers)
    return _finish(wanted, part, served or etag, promised)


def _place(response: http.client.HTTPResponse, have: int, etag: str) -> int | None:
    """Return the length of the whole file, and verify that the answer is the requested part."""
    if response.status == 206:
        place = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        served = response.headers.get("ETag", etag)
        if place is None or int(place[1]) != have or served != etag:
            raise FeedError(
                "the server sent another part than requested", "report it to its operator"
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
                    raise _Stopped(f"incomplete after {wanted.deadline:g} s")
        except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
            raise _Stopped(f"stopped after {size} of {total} bytes: {error}") from error
    if total is not None and size < total:
        raise _Stopped(f"stopped after {size} of {total} bytes")
    if total is not None and size > total:
        path.unlink()
        raise _Stopped(f"{size} bytes instead of {total}")


def _finish(wanted: Download, part: _Part, etag: str, promised: dict[str, str]) -> Downloaded:
    """Verify each checksum (4), and rename the complete part file."""
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
        wrong.append("the requested sha256")
    if wrong:
        part.forget()
        raise ChecksumError(
            f"wrong checksum ({', '.join(wrong)}): {wanted.url}",
            "run again, or use another source: ml-assets advisories update --from URL",
        )
    complete = part.path.with_name(part.path.stem + _suffix(wanted.url))
    part.path.replace(complete)
    part.forget()
    return Downloaded(complete, sha256.hexdigest(), etag)


def _promised(headers: Message) -> dict[str, str]:
    """Return the checksums that the server announces for the whole file."""
    values = [*headers.get_all("Repr-Digest", []), *headers.get_all("x-goog-hash", [])]
    return {kind: value for text in values for kind, value in _DIGEST.findall(text)}


def _suffix(url: str) -> str:
    """Return the suffix of the file name, which determines the format."""
    name = urlsplit(url).path.rsplit("/", 1)[-1].lower()
    endings = (".tar.gz", ".tgz", ".tar", ".zip", ".json", ".yaml", ".yml")
    return next((ending for ending in endings if name.endswith(ending)), ".zip")
