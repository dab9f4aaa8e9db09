"""Detectors: what secrets look like, by the plugins of detect-secrets and a few of ours.

Each plugin is asked about single lines, as detect-secrets does. Which lines are worth asking about
is found first, by its own patterns over the whole text at once, which is many times faster. That
is not narrower: a pattern that matches in a line matches there in the text, because ``^`` and ``$``
stand for the line's ends in both, and a line break is neither a word nor any other character that
the patterns around a secret ask for.

Plugins can ask a service on the network whether a secret works. Nothing here asks them to.
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

from security.gates.secrets.readable_text import View


class HuggingFaceTokenDetector(RegexBasedDetector):
    """Finds access tokens of the Hugging Face Hub."""

    @property
    def secret_type(self) -> str:
        """Name what is found."""
        return "Hugging Face Token"

    denylist = (re.compile(r"\bhf_[A-Za-z0-9]{34}\b"),)


class GoogleApiKeyDetector(RegexBasedDetector):
    """Finds API keys of Google's services."""

    @property
    def secret_type(self) -> str:
        """Name what is found."""
        return "Google API Key"

    denylist = (re.compile(r"\bAIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])"),)


class DvcRemoteDetector(RegexBasedDetector):
    """Finds what DVC's configuration has to say to a remote that others must not know."""

    @property
    def secret_type(self) -> str:
        """Name what is found."""
        return "DVC Remote Credential"

    denylist = (
        re.compile(
            r"^[ \t]*(?:secret_access_key|session_token|sse_customer_key|password|token|sas_token|"
            r"connection_string|account_key|client_secret|oss_key_secret|gdrive_client_secret|"
            r"gdrive_service_account_json)[ \t]*=[ \t]*(\S.*)$"
        ),
    )


#: Names of the classes of detect-secrets. Taken before there are any settings, so that no custom
#: plugin is among them.
_KINDS: list[type[BasePlugin]] = list(get_mapping_from_secret_type_to_class().values())
_CLASSES = {kind.__name__: kind for kind in _KINDS}
PLUGINS = frozenset(_CLASSES)
_OURS = (HuggingFaceTokenDetector, GoogleApiKeyDetector, DvcRemoteDetector)
_DVC_CONFIG = re.compile(r"(?:^|/)\.dvc/config(?:\.local)?$")
_PUBLIC_ADDRESS = "Public IP (ipv4)"


@dataclass(frozen=True, slots=True)
class Hit:
    """A secret that a detector sees.

    Attributes:
        detector: the name of the plugin's class.
        type: as detect-secrets calls what it is.
        text: the line, or the part of it, that it was seen in.
        line: the index of the line in its view.
        quoted: whether the secret stands in quotes in the file.
        entropy: bits a character, where the detector goes by it.
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
    """All plugins that detect-secrets brings, and ours; none from anywhere else.

    Args:
        limits: of entropy, by the name of a plugin's class; they only take effect where they are
            lower than the usual ones.
    """

    def __init__(self, limits: Mapping[str, float]) -> None:
        classes: list[type[BasePlugin]] = [*_CLASSES.values(), *_OURS]
        plugins = [_make(one, limits) for one in classes]
        self._patterns = [(plugin, _first_patterns(plugin)) for plugin in plugins]

    def search(self, path: str, view: View) -> Iterator[Hit]:
        """Find what looks like a secret in one view of a file."""
        text = "\n".join(view.pieces)
        starts = [0, *accumulate(len(piece) + 1 for piece in view.pieces)]
        for plugin, patterns in self._patterns:
            if not _applies(plugin, path, view):
                continue
            for index in sorted(_candidates(patterns, text, starts)):
                yield from _ask(plugin, path, view, index)


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
    if isinstance(plugin, DvcRemoteDetector):
        return _DVC_CONFIG.search(path) is not None
    return view.entropy or plugin.secret_type != _PUBLIC_ADDRESS  # versions look like addresses


def _first_patterns(plugin: BasePlugin) -> list[re.Pattern[str]]:
    """Return what every text matches that the plugin could see a secret in."""
    if isinstance(plugin, NpmDetector):
        return [re.compile(":_authToken=")]  # its own takes time by the square of a line
    if isinstance(plugin, RegexBasedDetector):
        return [re.compile(one.pattern, one.flags | re.MULTILINE) for one in plugin.denylist]
    if isinstance(plugin, KeywordDetector):
        return [re.compile("|".join(DENYLIST), re.IGNORECASE)]
    if isinstance(plugin, HighEntropyStringsPlugin):
        least = int(2**plugin.entropy_limit) + 1  # so many different characters it takes
        characters = re.escape(plugin.charset)
        return [re.compile(f"['\"][{characters}]{{{least},}}['\"]")]
    raise TypeError(f"a plugin of another kind: {type(plugin).__name__}")


def _candidates(patterns: list[re.Pattern[str]], text: str, starts: list[int]) -> set[int]:
    """Return the indices of the pieces that a pattern touches."""
    touched: set[int] = set()
    for pattern in patterns:
        for match in pattern.finditer(text):
            first = bisect_right(starts, match.start()) - 1
            last = bisect_right(starts, max(match.end() - 1, match.start())) - 1
            touched.update(range(first, last + 1))
    return touched


def _ask(plugin: BasePlugin, path: str, view: View, index: int) -> Iterator[Hit]:
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
