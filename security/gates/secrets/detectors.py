"""Detectors of secrets: the plugins of detect-secrets, and a few of ours.

A plugin analyses single lines, as in detect-secrets. To save time, its patterns first search the
whole text at once, and the plugin analyses only the lines that they match. No secret is lost: a
pattern that matches in a line matches there in the text too, because ``^`` and ``$`` stand for the
ends of a line in both, and no pattern requires a character that a line break could take away.

Plugins can ask a network service whether a secret works. This program never lets them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import BasePlugin, RegexBasedDetector
from detect_secrets.plugins.high_entropy_strings import HighEntropyStringsPlugin
from detect_secrets.plugins.keyword import DENYLIST, KeywordDetector
from detect_secrets.plugins.npm import NpmDetector

from security.gates.secrets.credential_files import DETECTORS, NAMES, applies
from security.gates.secrets.readable_text import View


class HuggingFaceTokenDetector(RegexBasedDetector):
    """Detect access tokens of the Hugging Face Hub."""

    @property
    def secret_type(self) -> str:
        """Return the kind of secret."""
        return "Hugging Face Token"

    denylist = (re.compile(r"\bhf_[A-Za-z0-9]{34}\b"),)


class GoogleApiKeyDetector(RegexBasedDetector):
    """Detect API keys of Google services."""

    @property
    def secret_type(self) -> str:
        """Return the kind of secret."""
        return "Google API Key"

    denylist = (re.compile(r"\bAIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])"),)


class DvcRemoteDetector(RegexBasedDetector):
    """Detect credentials of remotes in DVC's configuration."""

    @property
    def secret_type(self) -> str:
        """Return the kind of secret."""
        return "DVC Remote Credential"

    denylist = (
        re.compile(
            r"^[ \t]*(?:secret_access_key|session_token|sse_customer_key|password|token|sas_token|"
            r"connection_string|account_key|client_secret|oss_key_secret|gdrive_client_secret|"
            r"gdrive_service_account_json)[ \t]*=[ \t]*(\S.*)$"
        ),
    )


#: The plugin classes of detect-secrets. They are listed before any settings are read, so that no
#: custom plugin is among them.
_KINDS: list[type[BasePlugin]] = list(get_mapping_from_secret_type_to_class().values())
_CLASSES = {kind.__name__: kind for kind in _KINDS}
PLUGINS = frozenset(_CLASSES)
_OURS = (HuggingFaceTokenDetector, GoogleApiKeyDetector, DvcRemoteDetector, *DETECTORS)
_DVC_CONFIG = re.compile(r"(?:^|/)\.dvc/config(?:\.local)?$")
_PUBLIC_ADDRESS = "Public IP (ipv4)"


@dataclass(frozen=True, slots=True)
class Hit:
    """A possible secret that a detector found.

    Attributes:
        detector: class name of the plugin.
        type: kind of secret, by detect-secrets.
        text: the line, or the part of a line, with the secret.
        line: index of the line in its view.
        quoted: whether the secret is quoted in the file.
        entropy: bits per character, for detectors that measure it.
    """

    detector: str
    type: str
    secret: str
    secret_hash: str
    text: str
    line: int
    quoted: bool
    entropy: float | None = None


class Detectors:
    """The plugins of detect-secrets, and ours; no others.

    Args:
        limits: entropy limits, by class name of the plugin; one above the default has no effect.
    """

    def __init__(self, limits: Mapping[str, float]) -> None:
        classes: list[type[BasePlugin]] = [*_CLASSES.values(), *_OURS]
        plugins = [_make(one, limits) for one in classes]
        self._patterns = [(plugin, _first_patterns(plugin)) for plugin in plugins]

    def search(self, path: str, view: View) -> Iterator[Hit]:
        """Find possible secrets in one view of a file."""
        text = "\n".join(view.pieces)
        starts = [0, *accumulate(len(piece) + 1 for piece in view.pieces)]
        for plugin, patterns in self._patterns:
            if not _applies(plugin, path, view):
                continue
            for index in sorted(_candidates(patterns, text, starts)):
                yield from _analyse(plugin, path, view, index)


def _make(kind: type[BasePlugin], limits: Mapping[str, float]) -> BasePlugin:
    plugin = kind()
    if isinstance(plugin, HighEntropyStringsPlugin):
        plugin.entropy_limit = min(plugin.entropy_limit, limits.get(kind.__name__, 8.0))
    return plugin


def _applies(plugin: BasePlugin, path: str, view: View) -> bool:
    if isinstance(plugin, HighEntropyStringsPlugin):
        return view.entropy
    if isinstance(plugin, KeywordDetector):
        return view.words
    if isinstance(plugin, RegexBasedDetector) and type(plugin).__name__ in NAMES:
        return applies(plugin, path)
    if isinstance(plugin, DvcRemoteDetector):
        return _DVC_CONFIG.search(path) is not None
    return (
        view.entropy or plugin.secret_type != _PUBLIC_ADDRESS
    )  # version numbers look like addresses


def _first_patterns(plugin: BasePlugin) -> list[re.Pattern[str]]:
    """Return patterns that match wherever the plugin could find a secret."""
    if isinstance(plugin, NpmDetector):
        return [re.compile(":_authToken=")]  # its own pattern takes quadratic time
    if isinstance(plugin, RegexBasedDetector):
        return [re.compile(one.pattern, one.flags | re.MULTILINE) for one in plugin.denylist]
    if isinstance(plugin, KeywordDetector):
        return [re.compile("|".join(DENYLIST), re.IGNORECASE)]
    if isinstance(plugin, HighEntropyStringsPlugin):
        least = int(2**plugin.entropy_limit) + 1  # the entropy needs that many different characters
        characters = re.escape(plugin.charset)
        return [re.compile(f"['\"][{characters}]{{{least},}}['\"]")]
    raise TypeError(f"unsupported plugin: {type(plugin).__name__}")


def _candidates(patterns: list[re.Pattern[str]], text: str, starts: list[int]) -> set[int]:
    """Return the indices of the pieces that a pattern matches."""
    touched: set[int] = set()
    for pattern in patterns:
        for match in pattern.finditer(text):
            first = bisect_right(starts, match.start()) - 1
            last = bisect_right(starts, max(match.end() - 1, match.start())) - 1
            touched.update(range(first, last + 1))
    return touched


def _analyse(plugin: BasePlugin, path: str, view: View, index: int) -> Iterator[Hit]:
    text = view.pieces[index].rstrip()
    for found in plugin.analyze_line(filename=path, line=text, line_number=1):
        secret = found.secret_value
        if secret:
            name, line = type(plugin).__name__, view.sources[index]
            entropy = None
            if isinstance(plugin, HighEntropyStringsPlugin):
                entropy = plugin.calculate_shannon_entropy(secret)
            quoted = view.quoted and (f'"{secret}"' in text or f"'{secret}'" in text)
            yield Hit(name, found.type, secret, found.secret_hash, text, line, quoted, entropy)
