"""The truth of the documentation: what README.md and `--help` tell people to type can be typed.

    python -m tools.check_docs [DIRECTORY]

1. Each command in a console or sh block of a Markdown file is judged without being run: `make`
   targets against the Makefile, `ml-assets` by its own parser, `dagster` and `dvc` by their
   `--help`. A command that cannot be judged is a problem, and so is a README.md without any.
2. The `--help` of each `ml-assets` command has examples, and they can be typed too.
3. Relative links and anchors in all Markdown files lead somewhere.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from ml_assets.cli import build_parser
from tools.markdown_text import Document, parse_document
from tools.shell_command import (
    CONSOLE_LANGUAGES,
    SHELL_LANGUAGES,
    Command,
    Untrue,
    read_commands,
    split_commands,
)

# Not ours to judge; they are here so that anything else is a problem and not a silent pass.
ORDINARY_COMMANDS = {"cat", "cd", "cp", "echo", "export", "git", "ls", "mkdir", "mv", "rm", "touch"}
# Judged by their own `--help`.
HELPFUL_COMMANDS = {"dagster", "dagster-webserver", "dvc"}
_SKIPPED_DIRECTORIES = {"build", "dist", "node_modules"}
_OPTION = re.compile(r"^--?[A-Za-z]")


@dataclass(frozen=True, order=True)
class Problem:
    """Something that is not true, and where it is said."""

    where: str
    line: int
    text: str


class Judge:
    """Judges commands as if they were typed in the repository's directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.parser = build_parser()

    def judge(self, command: Command) -> None:
        """Return where the command can be typed.

        Raises:
            Untrue: it cannot, or nobody can tell.
        """
        program, arguments = command.words[0], command.words[1:]
        name = program.removeprefix(".venv/bin/")
        if name == "make":
            self._judge_make(arguments)
        elif name == "ml-assets":
            self._judge_ml_assets(arguments)
        elif name in HELPFUL_COMMANDS:
            judge_by_help(name, arguments)
        elif name in ("python", "python3"):
            self._judge_script(arguments)
        elif "/" in name:
            if not os.access(self.root / name, os.X_OK):
                raise Untrue(f"no such program: {name}")
        elif name not in ORDINARY_COMMANDS:
            raise Untrue(f"cannot judge this command: {name}")

    def _judge_make(self, arguments: Sequence[str]) -> None:
        makefile = self.root / "Makefile"
        text = makefile.read_text() if makefile.is_file() else ""
        targets = set(re.findall(r"^([\w.-]+(?: [\w.-]+)*)\s*:(?![=:])", text, re.MULTILINE))
        known = {name for names in targets for name in names.split() if not name.startswith(".")}
        for word in arguments:
            if "=" not in word and not word.startswith("-") and word not in known:
                raise Untrue(f"no such target in the Makefile: {word}")

    def _judge_ml_assets(self, arguments: Sequence[str]) -> None:
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
                self.parser.parse_args(list(arguments))
        except SystemExit as stop:
            if stop.code not in (0, None):
                raise Untrue(f"ml-assets refuses it: {said.getvalue().strip()}") from stop
        except Exception as error:  # the parser's own error class: a refusal, whatever it is
            raise Untrue(f"ml-assets refuses it: {error}") from error

    def _judge_script(self, arguments: Sequence[str]) -> None:
        script = next((word for word in arguments if word.endswith(".py")), None)
        if script is not None and not (self.root / script).is_file():
            raise Untrue(f"no such script: {script}")


def judge_by_help(program: str, arguments: Sequence[str]) -> None:
    """Judge subcommands and options by what the program's `--help` says.

    Raises:
        Untrue: the subcommand does not exist, or its help does not name an option.
    """
    words: list[str] = []
    for word in arguments:
        if word.startswith("-"):
            break
        words.append(word)
    text = help_of(program, tuple(words))
    for option in (word.partition("=")[0] for word in arguments if _OPTION.match(word)):
        if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text):
            raise Untrue(f"{program} {' '.join(words)} has no option: {option}")


@cache
def help_of(program: str, words: tuple[str, ...]) -> str:
    """Return what the installed program prints for `--help`.

    Raises:
        Untrue: there is no such program or subcommand.
    """
    path = Path(sys.executable).parent / program
    command = [str(path), *words, "--help"]
    if not path.is_file():
        raise Untrue(f"not installed: {program}")
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise Untrue(f"no such command: {program} {' '.join(words)}")
    return answer.stdout


def check_commands(judge: Judge, document: Document, where: str) -> tuple[int, list[Problem]]:
    """Judge the commands of one document; return how many there are, and what is not true."""
    problems: list[Problem] = []
    count = 0
    for block in document.blocks:
        start = block.lines[0].number if block.lines else 0
        if not block.closed:
            problems.append(Problem(where, start, "this block is never closed"))
        if block.language not in CONSOLE_LANGUAGES + SHELL_LANGUAGES:
            continue
        try:
            commands = list(read_commands(block))
        except Untrue as error:
            problems.append(Problem(where, start, str(error)))
            continue
        for command in commands:
            count += 1
            try:
                judge.judge(command)
            except Untrue as error:
                problems.append(Problem(where, command.line, str(error)))
    return count, problems


def subcommands(parser: argparse.ArgumentParser) -> list[str]:
    """Return the names of a parser's subcommands."""
    found = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    return [name for action in found for name in action.choices]


def check_help(judge: Judge) -> tuple[int, list[Problem]]:
    """Check that the help of each `ml-assets` command has examples that can be typed."""
    problems: list[Problem] = []
    names = subcommands(judge.parser)
    for words in [(), *((name,) for name in names)]:
        where = " ".join(["ml-assets", *words, "--help"])
        try:
            examples = read_examples(help_of("ml-assets", words))
        except Untrue as error:
            problems.append(Problem(where, 0, str(error)))
            continue
        if not examples:
            problems.append(Problem(where, 0, "it has no examples"))
        for line, example in examples:
            try:
                for command in split_commands(example, line):
                    judge.judge(command)
            except Untrue as error:
                problems.append(Problem(where, line, str(error)))
    if not names:
        problems.append(Problem("ml-assets --help", 0, "it has no commands"))
    return len(names), problems


def read_examples(text: str) -> list[tuple[int, str]]:
    """Return the line number and text of each example in a help text."""
    examples: list[tuple[int, str]] = []
    inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        if re.match(r"^examples?:\s*$", line, re.IGNORECASE):
            inside = True
        elif inside and line.strip() and not line.startswith(" "):
            inside = False
        elif inside and line.strip() and not line.strip().startswith("#"):
            examples.append((number, line.strip().removeprefix("$ ")))
    return examples


def find_documents(root: Path) -> dict[Path, Document]:
    """Read all Markdown files below a directory, those of hidden directories left out."""
    found: dict[Path, Document] = {}
    for directory, names, files in os.walk(root):
        names[:] = [
            name for name in names if name not in _SKIPPED_DIRECTORIES and not name.startswith(".")
        ]
        for name in files:
            if name.endswith(".md"):
                path = Path(directory, name).resolve()
                found[path] = parse_document(path.read_text(encoding="utf-8"))
    return found


def check_links(root: Path, documents: dict[Path, Document]) -> tuple[int, list[Problem]]:
    """Check that relative links lead to a file, and to a heading where they name one."""
    problems: list[Problem] = []
    count = 0
    for path, document in documents.items():
        for line, target in document.links():
            if re.match(r"^[a-zA-Z][a-zA-Z0-9+.-]*:|^//", target):
                continue
            count += 1
            if not leads_somewhere(path, target, documents):
                where = str(path.relative_to(root.resolve()))
                problems.append(Problem(where, line, f"this link leads nowhere: {target}"))
    return count, problems


def leads_somewhere(path: Path, target: str, documents: dict[Path, Document]) -> bool:
    """Say whether a relative link of the document at `path` has something at its end."""
    name, _, anchor = unquote(target).partition("#")
    linked = (path.parent / name.partition("?")[0]).resolve() if name else path
    if not linked.exists():
        return False
    return not anchor or linked not in documents or anchor in documents[linked].anchors()


def check(root: Path) -> tuple[str, list[Problem]]:
    """Check everything; return a summary and the problems, sorted."""
    judge = Judge(root)
    documents = find_documents(root)
    commands, problems = 0, []
    for path, document in documents.items():
        where = str(path.relative_to(root.resolve()))
        count, untrue = check_commands(judge, document, where)
        if where == "README.md" and count == 0:
            untrue.append(Problem(where, 1, "it has no command that could be checked"))
        commands += count
        problems += untrue
    if (root / "README.md").resolve() not in documents:
        problems.append(Problem("README.md", 1, "there is none"))
    helps, unhelpful = check_help(judge)
    links, broken = check_links(root, documents)
    summary = f"{commands} commands, {helps} help texts, {links} links in {len(documents)} files"
    return summary, sorted([*problems, *unhelpful, *broken])


def main(arguments: Sequence[str]) -> int:
    """Check a directory, print what is not true and return the exit code."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    summary, problems = check(root)
    for problem in problems:
        print(f"{problem.where}:{problem.line}: {problem.text}")
    print(f"docs: {summary}: {len(problems)} not true" if problems else f"docs: {summary}: true")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
