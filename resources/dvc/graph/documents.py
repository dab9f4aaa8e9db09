"""Documents: YAML, JSON, TOML and Python files as DVC parses them, remembered by digest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from resources.errors import ConfigurationError
from resources.files import write_atomically

#: What parsers raise of themselves, without calling it a mistake in the text.
_REFUSALS = (ValueError, TypeError, LookupError, AttributeError, RecursionError, MemoryError)


class Documents:
    """Parses files, each content once; what was parsed is kept as JSON under ``directory``.

    DVC's parsers cost a tenth of a second to import, which a run with nothing to do must not pay.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen: dict[str, Any] = {}

    def parse(self, file: Path) -> Any:
        """Parse a file by its suffix; an empty one is an empty mapping.

        Raises:
            FileNotFoundError: there is no such file.
            ConfigurationError: it cannot be parsed.
        """
        return self.parse_content(file.read_bytes(), file)

    def parse_content(self, content: bytes, file: Path) -> Any:
        """Parse what a file holds, or held at some commit.

        Args:
            file: its name, for its suffix and for messages.

        Raises:
            ConfigurationError: it cannot be parsed.
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
        # Dates, tuples and keys that are no strings do not survive JSON: parse those each time.
        if json.loads(text) == value:
            write_atomically(remembered, text.encode())


def _parse(content: bytes, file: Path) -> Any:
    from dvc.utils.serialize import PARSERS, ParseError

    try:
        return PARSERS[file.suffix.lower()](content.decode("utf-8"), str(file))
    except (ParseError, *_REFUSALS) as error:
        detail = " ".join(str(error.__cause__ or error).split()) or type(error).__name__
        raise ConfigurationError(f"cannot parse: {file}: {detail}", f"mend it: {file}") from error
