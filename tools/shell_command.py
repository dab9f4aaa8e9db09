"""The commands in blocks of the documentation, parsed and never run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from tools.markdown_text import Block

CONSOLE_LANGUAGES = ("console", "shell-session")
SHELL_LANGUAGES = ("sh", "shell", "bash")
_SEPARATORS = {"|", "||", "&&", ";", "&", "(", ")"}


@dataclass(frozen=True)
class Command:
    """One simple command: its words, and its first line."""

    line: int
    words: tuple[str, ...]


class Untrue(Exception):
    """A command of the documentation is wrong."""


def read_commands(block: Block) -> Iterator[Command]:
    """Yield the simple commands of one block.

    In a console block, lines that begin with `$ ` are commands. In an sh block without such lines,
    all lines are commands. A trailing backslash continues a command.

    Raises:
        Untrue: a command's quotes are not closed.
    """
    prompted = [line for line in block.lines if line.text.lstrip().startswith("$ ")]
    bare = block.language in SHELL_LANGUAGES and not prompted
    pending, first = "", 0
    for line in block.lines:
        text = line.text.strip()
        starts = bare or text.startswith("$ ")
        if not pending and not starts:
            continue
        first = first if pending else line.number
        pending += text.removeprefix("$ ") if not pending else text.removeprefix("> ")
        if pending.endswith("\\"):
            pending = pending[:-1] + " "
            continue
        yield from split_commands(pending, first)
        pending = ""
    if pending:
        raise Untrue(f"continues after the end of the block: {pending.strip()}")


def split_commands(text: str, line: int) -> Iterator[Command]:
    """Split a command line into simple commands, without assignments and redirections.

    Raises:
        Untrue: the quotes are not closed.
    """
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        tokens = list(lexer)
    except ValueError as error:
        raise Untrue(f"{str(error).lower()}: {text}") from error
    words: list[str] = []
    redirected = False
    for token in [*tokens, ";"]:
        if token in _SEPARATORS:
            if words:
                yield Command(line, tuple(words))
            words = []
        elif set(token) <= {">", "<", "&"}:
            redirected = True
            if words and words[-1] == "2":
                words.pop()
        elif redirected:
            redirected = False
        elif words or not re.match(r"^\w+=", token):
            words.append(token)
