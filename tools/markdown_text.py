"""Markdown for the documentation checks: fenced blocks, headings, links, and their lines.

Covers the part of CommonMark that this repository uses, and never fails: unknown syntax is prose,
and an unclosed fence ends with the file (CommonMark 4.5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"^ {0,8}(?P<fence>`{3,}|~{3,})\s*(?P<language>[\w+-]*)")
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(?P<title>.*?)\s*#*\s*$")
_CODE_SPAN = re.compile(r"(`+)(?:(?!\1).)+?\1")
_LINKS = (
    re.compile(r"\]\(\s*<?(?P<target>[^)\s>]+)>?(?:\s+[\"'][^)]*)?\)"),
    re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?(?P<target>[^\s>]+)>?"),
    re.compile(r"\b(?:href|src)\s*=\s*[\"'](?P<target>[^\"']+)[\"']"),
)


@dataclass(frozen=True)
class Line:
    """One line of a file; `number` counts from 1."""

    number: int
    text: str


@dataclass(frozen=True)
class Block:
    """One fenced block, without its fences."""

    language: str
    lines: tuple[Line, ...]
    closed: bool


@dataclass(frozen=True)
class Document:
    """One parsed Markdown file."""

    blocks: tuple[Block, ...]
    prose: tuple[Line, ...]
    """The lines outside of fenced blocks."""

    def links(self) -> Iterator[tuple[int, str]]:
        """Yield the line number and the target of each link and image."""
        for line in self.prose:
            text = _CODE_SPAN.sub("", line.text)
            for pattern in _LINKS:
                for match in pattern.finditer(text):
                    yield line.number, match["target"]

    def code_spans(self) -> set[str]:
        """Return the texts of all code spans."""
        return {
            match[0].strip("`") for line in self.prose for match in _CODE_SPAN.finditer(line.text)
        }

    def anchors(self) -> set[str]:
        """Return the anchors that GitHub gives the headings."""
        anchors: set[str] = set()
        for line in self.prose:
            if match := _HEADING.match(line.text):
                anchors.add(_first_free(slug(match["title"]), anchors))
        return anchors


def slug(title: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
    kept = re.sub(r"[^\w\- ]", "", plain.lower())
    return kept.replace(" ", "-")


def _first_free(anchor: str, taken: set[str]) -> str:
    candidates = (anchor if number == 0 else f"{anchor}-{number}" for number in range(10**6))
    return next(candidate for candidate in candidates if candidate not in taken)


def parse_document(text: str) -> Document:
    """Parse a Markdown text into fenced blocks and prose."""
    blocks: list[Block] = []
    prose: list[Line] = []
    opened: re.Match[str] | None = None
    inside: list[Line] = []
    for number, content in enumerate(text.splitlines(), start=1):
        match = _FENCE.match(content)
        if opened is None and match:
            opened, inside = match, []
        elif opened is None:
            prose.append(Line(number, content))
        elif content.strip() and _closes(content.strip(), opened["fence"]):
            blocks.append(Block(opened["language"], tuple(inside), closed=True))
            opened = None
        else:
            inside.append(Line(number, content))
    if opened is not None:
        blocks.append(Block(opened["language"], tuple(inside), closed=False))
    return Document(tuple(blocks), tuple(prose))


def _closes(text: str, fence: str) -> bool:
    return set(text) == {fence[0]} and len(text) >= len(fence)
