"""Python in the commands of stages: the files that they name, and code in the command itself.

A command is a text for a shell, which is not interpreted here. Each word that may be a path counts
as one, in the stage's directory and in those that the command changes to. Words that are commands
themselves, as in ``bash -c "python train"``, are read like a command.
"""

from __future__ import annotations

import ast
import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_INTERPRETER = re.compile(r"(?:i?python|pythonw|pypy|py)[\d.]*t?(?:\.exe)?")
#: Options of the interpreter that take a value in the next word.
_WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")
_CODE = re.compile(r"-[bBdEhiIOqsSuvVx?]*c(.*)", re.DOTALL)
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)([A-Za-z_]\w*)\1[^\n]*\n(.*?)^\s*\2\s*$", re.DOTALL | re.M)
_LIKE_CODE = re.compile(r"\bimport\b|\b(?:exec|eval|__import__)\s*\(")
_BREAKS = frozenset(";&|()<>\n")
_DEEPEST = 4
_LONGEST = 200_000


@dataclass(frozen=True, slots=True)
class StageCommand:
    """One command of a stage.

    Attributes:
        file: the dvc.yaml of the stage, relative to the project's root.
        directory: the working directory, relative to the project's root.
    """

    stage: str
    file: str
    directory: str
    text: str


@dataclass(frozen=True, slots=True)
class InlineCode:
    """Python code in a command."""

    stage: str
    file: str
    code: str


@dataclass(slots=True)
class CommandCode:
    """The Python code of commands.

    Attributes:
        scripts: paths that an interpreter gets as its script, relative to the project's root.
        named: paths that a command names in another place.
    """

    scripts: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    inline: list[InlineCode] = field(default_factory=list)

    def add(self, more: CommandCode) -> None:
        """Add the code of more commands."""
        self.scripts |= more.scripts
        self.named |= more.named
        self.inline = list(dict.fromkeys((*self.inline, *more.inline)))


def find_code(commands: Sequence[StageCommand]) -> CommandCode:
    """Find the Python code of commands."""
    found = CommandCode()
    for command in commands:
        _Reader(command, found).read(command.text[:_LONGEST].replace("\\\n", " "), 0)
    found.inline = list(dict.fromkeys(found.inline))
    return found


class _Reader:
    """Reads one command, and the commands in it."""

    def __init__(self, command: StageCommand, found: CommandCode) -> None:
        self._command = command
        self._found = found
        self._places = [command.directory]

    def read(self, text: str, depth: int) -> None:
        """Read a command line or a script of several lines."""
        for heredoc in _HEREDOC.finditer(text):
            if "python" in text[: heredoc.start()].rpartition("\n")[2]:
                self._add_code(heredoc[3])
        for words in _split(text):
            self._read_words(words)
            for word in words:
                if depth < _DEEPEST and re.search(r"[\s;&|`(]", word):
                    self.read(word, depth + 1)
                if _LIKE_CODE.search(word) and "python" in self._command.text and _parses(word):
                    self._add_code(word)  # piped to an interpreter

    def _read_words(self, words: list[str]) -> None:
        if words[0] in ("cd", "pushd") and len(words) > 1:
            self._places += [posixpath.join(place, words[1]) for place in self._places[:8]]
        if words[0].rpartition("/")[2] in ("make", "gmake", "just"):
            names = ("Makefile", "makefile", "GNUmakefile", "justfile")
            self._found.named.update(path for name in names for path in self._paths(name))
        for number, word in enumerate(words):
            self._found.named.update(self._paths(word))
            if _INTERPRETER.fullmatch(word.lstrip("@-+").rpartition("/")[2]):
                self._read_interpreter(words[number + 1 :])

    def _read_interpreter(self, words: list[str]) -> None:
        """Read the arguments of an interpreter up to its script or its code."""
        skip = False
        for number, word in enumerate(words):
            code = _CODE.fullmatch(word)
            if skip:
                skip = False
            elif code is not None and not word.startswith("--"):
                self._add_code(code[1] or "".join(words[number + 1 : number + 2]))
                return
            elif word == "-m" or word == "-":
                return
            elif word.startswith("-"):
                skip = word in _WITH_VALUE
            else:
                self._found.scripts.update(self._paths(word))
                return

    def _add_code(self, code: str) -> None:
        self._found.inline.append(InlineCode(self._command.stage, self._command.file, code))

    def _paths(self, word: str) -> Iterator[str]:
        """Yield the paths that a word can stand for, relative to the project's root."""
        for part in {word, word.rpartition("=")[2]}:
            if part and "\0" not in part and not part.startswith(("/", "~")):
                for place in self._places:
                    yield posixpath.normpath(posixpath.join(place, part))


def _parses(text: str) -> bool:
    """Say whether a word is Python code."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _split(text: str) -> Iterator[list[str]]:
    """Split a command line into the words of each command, without its redirections."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|()<>`\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    try:
        for token in lexer:
            if set(token) <= _BREAKS | {"`"}:
                if words and "<" not in token and ">" not in token:
                    yield words
                    words = []
            else:
                words.append(token)
    except ValueError:  # an open quote: the rest is taken apart at blanks
        words += re.split(r"[\s'\"]+", text)
    if words:
        yield [word for word in words if word] or [""]
