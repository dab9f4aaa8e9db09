"""The trust files: the project's list of trusted keys, read and edited.

An edit keeps the rest of the list, comments included: a new key goes to the end, and a retired or
revoked key changes in one line. An edit is written only if the result parses.
"""

from __future__ import annotations

import datetime
import re
from pathlib import Path

from resources.errors import ConfigurationError
from resources.files import write_atomically
from security.errors import SecurityError
from security.signing.public_key import PublicKey
from security.signing.trust import FILE, Trust, parse_trust

_HEAD = """\
# Keys whose signatures this project trusts. Read from the protected branch: commit it there.
# See docs/how-to/keys.md of ml-assets.

version = 1
"""
_HEADER = re.compile(r"^\s*\[")


class TrustFiles:
    """The list of trusted keys in the working tree of a project.

    Args:
        directory: ``.ml-assets/trust``.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def read(self) -> Trust:
        """Read the list; without a list no key is trusted.

        Raises:
            PolicyError: the list cannot be parsed.
        """
        return parse_trust(self._files(), str(self.directory))

    def add(self, key: PublicKey, name: str, since: datetime.datetime) -> bool:
        """Add a key to the end of the list; return False if it is listed already.

        Raises:
            ConfigurationError: the list cannot be read or written.
        """
        files = self._files()
        if FILE in files and key.id in parse_trust(files, str(self.directory)).keys:
            return False
        text = files.get(FILE, _HEAD.encode()).decode("utf-8").rstrip("\n")
        pem = f"{key.id[:16]}.pem"
        entry = f'[[keys]]\nfile = "{pem}"\nname = "{_plain(name)}"\nfrom = {_write(since)}\n'
        self._write(f"{text}\n\n{entry}", {**files, pem: key.pem})
        return True

    def retire(self, key_id: str, until: datetime.datetime) -> bool:
        """Set the end of a key's validity; return False if the key is not listed.

        The list has whole seconds, so the time is rounded up.
        """
        return self._set(key_id, "until", until + datetime.timedelta(microseconds=999_999))

    def revoke(self, key_id: str, since: datetime.datetime) -> bool:
        """Mark a key as revoked, so that none of its signatures count; False if not listed."""
        return self._set(key_id, "revoked", since)

    def _set(self, key_id: str, name: str, value: datetime.datetime) -> bool:
        files = self._files()
        trust = parse_trust(files, str(self.directory))
        if key_id not in trust.keys:
            return False
        pems = [file for file, text in files.items() if text == trust.keys[key_id].key_pem]
        lines = files[FILE].decode("utf-8").splitlines()
        start = next(i for i, line in enumerate(lines) if _names(line, pems))
        first = max(i for i in range(start) if _HEADER.match(lines[i])) + 1
        last = next((i for i in range(first, len(lines)) if _HEADER.match(lines[i])), len(lines))
        entry = [one for one in lines[first:last] if not re.match(rf"\s*{name}\s*=", one)]
        while entry and not entry[-1].strip():
            entry.pop()
        rest = ["", *lines[last:]] if last < len(lines) else []
        changed = [*lines[:first], *entry, f"{name} = {_write(value)}", *rest]
        self._write("\n".join(changed) + "\n", files)
        return True

    def _files(self) -> dict[str, bytes]:
        if not self.directory.is_dir():
            return {}
        return {one.name: one.read_bytes() for one in self.directory.iterdir() if one.is_file()}

    def _write(self, text: str, files: dict[str, bytes]) -> None:
        """Write the changed files, the list last, if the result parses."""
        changed = {**files, FILE: text.encode("utf-8")}
        try:
            parse_trust(changed, str(self.directory))
        except SecurityError as error:
            raise ConfigurationError(
                error.message, f"correct it: {self.directory / FILE}"
            ) from error
        for name, content in changed.items():
            if name != FILE and not (self.directory / name).exists():
                write_atomically(self.directory / name, content)
        write_atomically(self.directory / FILE, changed[FILE])


def _names(line: str, pems: list[str]) -> bool:
    found = re.match(r"""\s*file\s*=\s*["'](?P<name>[^"']+)["']""", line)
    return found is not None and found["name"] in pems


def _plain(name: str) -> str:
    return "".join(one for one in name if one.isprintable() and one not in '"\\')[:100] or "a key"


def _write(at: datetime.datetime) -> str:
    return at.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
