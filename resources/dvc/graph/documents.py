"""Documents: YAML, JSON, TOML and Python files, parsed as DVC does and cached by digest."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from resources.errors import ConfigurationError
from resources.files import write_atomically

_CONFLICT = re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE)
#: Errors that parsers raise for malformed text besides their own.
_REFUSALS = (ValueError, TypeError, LookupError, AttributeError, RecursionError, MemoryError)


class Documents:
    """Parses each content once and caches the value as JSON below ``directory``.

    An import of DVC's parsers takes a tenth of a second, which a run without work must avoid.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen: dict[str, Any] = {}

    def parse(self, file: Path) -> Any:
        """Parse a file by its suffix; an empty file is an empty mapping.

        Raises:
            FileNotFoundError: the file does not exist.
            ConfigurationError: the file cannot be parsed.
        """
        return self.parse_content(file.read_bytes(), file)

    def parse_content(self, content: bytes, file: Path) -> Any:
        """Parse the content of a file, from disk or from a commit.

        Args:
            file: the name of the file, for its suffix and for messages.

        Raises:
            ConfigurationError: the content cannot be parsed.
        """
        identity = hashlib.sha256(file.suffix.lower().encode() + b"\0" + content).hexdigest()
        if identity not in self._seen:
            self._seen[identity] = self._recall(identity, content, file)
        return self._seen[identity]

    def _recall(self, identity: str, content: bytes, file: Path) -> Any:
        remembered = self._directory / f"{identity}.json"
        try:
            return json.loads(remembered.read_bytes())
        except (OSError, ValueError):
            pass
        value = _parse(content, file)
        self._keep(remembered, value)
        return value

    def _keep(self, remembered: Path, value: Any) -> None:
        try:
            text = json.dumps(value)
        except (TypeError, ValueError):
            return
        # JSON cannot represent dates, tuples and keys other than strings: parse those each time.
        if json.loads(text) == value:
            write_atomically(remembered, text.encode())


def refuse_conflict(text: str, file: str) -> None:
    """Refuse a text with the markers of a merge conflict.

    Raises:
        ConfigurationError: the text has such a marker.
    """
    marker = _CONFLICT.search(text)
    if marker is not None:
        line = text.count("\n", 0, marker.start()) + 1
        raise ConfigurationError(
            f"merge conflict in {file}, line {line}",
            f"resolve it, or take one side: git checkout --ours -- {file}; then: ml-assets plan",
        )


def _parse(content: bytes, file: Path) -> Any:
    from dvc.utils.serialize import PARSERS, ParseError

    try:
        return PARSERS[file.suffix.lower()](content.decode("utf-8"), str(file))
    except (ParseError, *_REFUSALS) as error:
        refuse_conflict(content.decode("utf-8", "replace"), str(file))
        detail = " ".join(str(error.__cause__ or error).split()) or type(error).__name__
        raise ConfigurationError(
            f"cannot parse: {file}: {detail}", f"correct it: {file}"
        ) from error
