"""The store of gate results: one sealed statement a file, named by the digest of what it is about.

A result is believed because this program has written it. Everything else on the machine can write
here, a judged checkout's tests among them, so each file carries a seal (HMAC-SHA256, RFC 2104)
under a secret that lies in the user's configuration directory, where no gate's process can read it
(``security.sandbox``). The seal covers the project and the name too: a result that was copied
from another project or renamed is none.

What cannot be believed is as if it were not there, and is judged again.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from resources.errors import UnavailableError, wrap_os_error
from resources.files import write_atomically
from security.errors import SecurityError
from security.statements.gate_result import (
    Binding,
    GateResult,
    ResultError,
    parse_result,
    write_result,
)

_KEY_BYTES = 32
_LARGEST = 256 << 20  # bytes of one result
_HINT = "judge it again: ml-assets check"
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class ResultStore:
    """Results of one project.

    Args:
        directory: where they lie.
        secret: of the user (``load_secret``).
        project: what tells this project from others; it goes into every seal.
        on_refusal: told of files that are not ours.
    """

    def __init__(
        self,
        directory: Path,
        secret: bytes,
        project: str,
        on_refusal: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.directory = directory
        self._secret = hmac.digest(secret, os.fsencode(project), "sha256")
        self._on_refusal = on_refusal

    def load(self, binding: Binding) -> GateResult | None:
        """Return the result of just this binding; None where there is none to believe.

        1. The seal is ours, for this project and this name.
        2. The statement is a gate's result.
        3. It is bound to what was asked for.
        """
        path = self._path(binding.key)
        try:
            result = self._verify(binding, _read(path))
            with suppress(OSError):
                os.utime(path)  # it is of use: what is not, goes one day
            return result
        except FileNotFoundError:
            return None
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
        except SecurityError as error:
            reason = error.message
        self._on_refusal(f"a stored result is not believed: {binding.gate}: {reason}")
        return None

    def _verify(self, binding: Binding, content: bytes) -> GateResult:
        seal, _, statement = content.partition(b"\n")
        if not hmac.compare_digest(seal, self._seal(binding.key, statement)):  # 1
            raise ResultError("its seal is not ours", _HINT)
        result = parse_result(statement)  # 2
        if result.binding.to_json() != binding.to_json():  # 3
            raise ResultError("it is about something else", _HINT)
        return result

    def keep(self, result: GateResult) -> None:
        """Keep a result, in place of a former one of the same binding.

        Raises:
            UnavailableError: it cannot be written.
        """
        statement = write_result(result)
        key = result.binding.key
        try:
            write_atomically(self._path(key), self._seal(key, statement) + b"\n" + statement)
        except OSError as error:
            raise wrap_os_error(error) from error

    def _path(self, key: str) -> Path:
        return self.directory / key[:2] / key[2:]

    def _seal(self, key: str, statement: bytes) -> bytes:
        digest = hashlib.sha256(statement).hexdigest()
        return hmac.digest(self._secret, f"{key} {digest}".encode("ascii"), "sha256").hex().encode()


def _read(path: Path) -> bytes:
    descriptor = os.open(path, _OPEN)
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
            raise OSError("not a file of ours")
        return stream.read(_LARGEST)


def load_secret(file: Path) -> bytes:
    """Load the secret that seals results; made on first use, readable by its owner only.

    Raises:
        UnavailableError: it cannot be made or read, or others can read it.
    """
    hint = f"remove it, then judge again: {file}"
    try:
        if not file.exists():
            _make_secret(file)
        with os.fdopen(os.open(file, _OPEN), "rb") as stream:
            status = os.fstat(stream.fileno())
            secret = stream.read(_KEY_BYTES + 1)
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        raise UnavailableError(f"no secret for results: {what}: {file}", hint) from error
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise UnavailableError(f"others can read the secret for results: {file}", hint)
    if len(secret) != _KEY_BYTES:
        raise UnavailableError(f"the secret for results is damaged: {file}", hint)
    return secret


def _make_secret(file: Path) -> None:
    """Make it beside its place and link it there: of two at once, one wins and both read it."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(secrets.token_bytes(_KEY_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(temporary, file)
        except FileExistsError:
            return
    finally:
        os.unlink(temporary)
