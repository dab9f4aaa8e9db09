"""The baseline ``.secrets.baseline`` of detect-secrets: known secrets and settings of its scan.

The baseline is read as data only. detect-secrets itself would load code that a baseline names, skip
detectors and files, and call network services. Here instead:

1. A detector or filter that is not part of detect-secrets, or that has a path, is refused.
2. All detectors run. A finding of a detector that the baseline omits is silenced, not dropped.
3. The same applies to lines, files and secrets that a pattern of the baseline excludes.
4. An entry that is labelled as a real secret silences nothing.
5. For some kinds, detect-secrets records only a part that many secrets share (``ghp``, the first
   line of a key). Such an entry silences its line only, so another key in the file is new.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from security.content.document import parse_json
from security.gates.secrets.detectors import PLUGINS, Hit

_FILTERS = "detect_secrets.filters."
_COMMENTS = f"{_FILTERS}allowlist.is_line_allowlisted"
_OURS_INSTEAD = frozenset(
    {
        _COMMENTS,
        f"{_FILTERS}common.is_baseline_file",
        f"{_FILTERS}common.is_ignored_due_to_verification_policies",
        f"{_FILTERS}common.is_invalid_file",
        *(
            f"{_FILTERS}heuristic.{name}"
            for name in (
                "is_indirect_reference",
                "is_likely_id_string",
                "is_lock_file",
                "is_non_text_file",
                "is_not_alphanumeric_string",
                "is_potential_uuid",
                "is_prefixed_with_dollar_sign",
                "is_sequential_string",
                "is_swagger_file",
                "is_templated_secret",
            )
        ),
    }
)
_EXCLUSIONS = {
    f"{_FILTERS}regex.should_exclude_{what}": what for what in ("file", "line", "secret")
}
_OPTIONS = frozenset({"name", "limit", "keyword_exclude"})
_SHARED = frozenset({"GitHub Token", "GitLab Token", "Private Key"})
_HASH = re.compile(r"[0-9a-f]{40}")
_HASH_LINE = re.compile(r"\s*\"hashed_secret\": \"[0-9a-f]{40}\",?\s*")


@dataclass(frozen=True, slots=True)
class Baseline:
    """The content of a baseline; empty without one.

    Attributes:
        entries: lines of the known secrets, by path, type and hash.
        plugins: names of the detectors in use; None stands for all.
        limits: entropy limits, by detector.
        excluded_names: pattern of names that the keyword detector ignores.
        exclusions: patterns, by the part that they match: ``file``, ``line`` or ``secret``.
        comments: whether comments silence findings.
    """

    entries: Mapping[tuple[str, str, str], frozenset[int]] = field(default_factory=dict)
    plugins: frozenset[str] | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    excluded_names: re.Pattern[str] | None = None
    exclusions: Mapping[str, tuple[re.Pattern[str], ...]] = field(default_factory=dict)
    comments: bool = True

    def knows(self, path: str, hit: Hit, number: int) -> bool:
        """Say whether an entry matches a hit."""
        lines = self.entries.get((path, hit.type, hit.secret_hash))
        return lines is not None and (hit.type not in _SHARED or number in lines)  # 5

    def leaves_out(self, path: str, hit: Hit, line: str) -> bool:
        """Say whether the settings of the baseline exclude a hit."""  # 2, 3
        if self.plugins is not None and hit.detector in PLUGINS - self.plugins:
            return True
        if hit.entropy is not None and hit.entropy <= self.limits.get(hit.detector, 0.0):
            return True
        names = self.excluded_names
        if names is not None and hit.detector == "KeywordDetector" and names.search(line):
            return True
        texts = {"file": path, "line": line, "secret": hit.secret}
        return any(
            pattern.search(texts[what])
            for what, patterns in self.exclusions.items()
            for pattern in patterns
        )


def parse_baseline(data: bytes) -> Baseline:
    """Parse a baseline.

    Raises:
        ValueError: the content is not a baseline, or needs an unsupported detector or filter.
    """
    document = parse_json(data)
    if not isinstance(document, dict) or not str(document.get("version", "")).startswith("1."):
        raise ValueError("not of version 1")
    plugins = _objects(document, "plugins_used")
    filters = _objects(document, "filters_used")
    for plugin in plugins:
        _check_plugin(plugin)
    for one in filters:
        if one.get("path") not in _OURS_INSTEAD and one.get("path") not in _EXCLUSIONS:  # 1
            raise ValueError(f"unsupported filter: {one.get('path')}")
    excluded = next((one["keyword_exclude"] for one in plugins if one.get("keyword_exclude")), None)
    return Baseline(
        entries=_parse_entries(document.get("results", {})),
        plugins=frozenset(one["name"] for one in plugins) if "plugins_used" in document else None,
        limits={one["name"]: float(one["limit"]) for one in plugins if "limit" in one},
        excluded_names=None if excluded is None else _compile(excluded, re.IGNORECASE),
        exclusions={
            _EXCLUSIONS[one["path"]]: _patterns(one) for one in filters if "pattern" in one
        },
        comments="filters_used" not in document or any(one["path"] == _COMMENTS for one in filters),
    )


def drop_hashes(lines: list[str]) -> list[str]:
    """Return the lines of a baseline without its hashes, which detectors take for secrets."""
    return ["" if _HASH_LINE.fullmatch(line) else line for line in lines]


def _objects(document: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = document.get(key, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError(f"{key}: not a list of objects")
    return found


def _check_plugin(plugin: Mapping[str, Any]) -> None:
    name, limit = plugin.get("name"), plugin.get("limit", 0)
    if name not in PLUGINS:  # 1
        raise ValueError(f"unknown detector: {name}")
    if not plugin.keys() <= _OPTIONS:  # 1
        unknown = ", ".join(sorted(plugin.keys() - _OPTIONS))
        raise ValueError(f"unsupported option of {name}: {unknown}")
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 <= limit <= 8:
        raise ValueError(f"limit of {name}: not a number from 0 to 8")


def _patterns(one: Mapping[str, Any]) -> tuple[re.Pattern[str], ...]:
    found = one["pattern"] if isinstance(one["pattern"], list) else [one["pattern"]]
    return tuple(_compile(pattern) for pattern in found)


def _compile(pattern: object, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    if not isinstance(pattern, str):
        raise ValueError("pattern: not a string")
    try:
        return re.compile(pattern, flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"pattern: {error}") from error


def _parse_entries(results: object) -> dict[tuple[str, str, str], frozenset[int]]:
    if not isinstance(results, dict):
        raise ValueError("results: not an object")
    entries: dict[tuple[str, str, str], frozenset[int]] = {}
    for path in results:
        for entry in _objects(results, path):
            kind, digest = entry.get("type"), entry.get("hashed_secret")
            number, label = entry.get("line_number", 0), entry.get("is_secret")
            if not isinstance(kind, str) or not _HASH.fullmatch(str(digest)):
                raise ValueError(f"results: {path}: entry without type or hashed_secret")
            if type(number) is not int or label not in (None, True, False):
                raise ValueError(f"results: {path}: invalid line_number or is_secret")
            if label is not True:  # 4
                key = (path, kind, str(digest))
                entries[key] = entries.get(key, frozenset()) | {number}
    return entries
