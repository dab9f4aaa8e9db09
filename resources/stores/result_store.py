"""The store of gate results: one sealed statement a file, named by the digest of its binding.

Any process on the machine can write here, also the tests of a checkout under test. So each file
carries a seal (``seal.py``) over the project and the file name: a result that was renamed or copied
from another project is invalid.

An invalid result counts as missing, and its gate runs again.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from resources.errors import os_reason, wrap_os_error
from resources.files import read_regular, write_atomically
from resources.stores.seal import Seal
from security.errors import SecurityError
from security.statements.gate_result import (
    Binding,
    GateResult,
    ResultError,
    parse_result,
    write_result,
)

_LARGEST = 256 << 20  # bytes of one result
_HINT = "run the gate again: ml-assets check"


class ResultStore:
    """Gate results of one project.

    Args:
        directory: the directory of the results.
        seal: seals the results.
        project: identifies the project; part of every seal.
        on_refusal: called with a message for each invalid result.
    """

    def __init__(
        self,
        directory: Path,
        seal: Seal,
        project: str,
        on_refusal: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.directory = directory
        self._seal_message = seal
        self._purpose = f"results of {project}"
        self._on_refusal = on_refusal

    def load(self, binding: Binding) -> GateResult | None:
        """Load the result of a binding; None without a valid result.

        1. The seal is valid for this project and name: stops forged and moved files.
        2. The statement is a gate result.
        3. It has the requested binding.
        """
        path = self._path(binding.key)
        try:
            result = self._verify(binding, read_regular(path, _LARGEST))
            with suppress(OSError):
                os.utime(path)  # mark it as used: unused results are removed after a while
            return result
        except FileNotFoundError:
            return None
        except OSError as error:
            reason = os_reason(error)
        except SecurityError as error:
            reason = error.message
        self._on_refusal(f"stored result ignored: {binding.gate}: {reason}")
        return None

    def _verify(self, binding: Binding, content: bytes) -> GateResult:
        seal, _, statement = content.partition(b"\n")
        if not hmac.compare_digest(seal, self._seal(binding.key, statement)):  # 1
            raise ResultError("invalid seal", _HINT)
        result = parse_result(statement)  # 2
        if result.binding.to_json() != binding.to_json():  # 3
            raise ResultError("bound to other digests", _HINT)
        return result

    def keep(self, result: GateResult) -> None:
        """Store a result in place of a previous result of the same binding.

        Raises:
            UnavailableError: the result cannot be written.
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
        (seal,) = self._seal_message(self._purpose, [f"{key} {digest}".encode("ascii")])
        return seal.hex().encode()
