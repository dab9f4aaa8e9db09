"""The checks of the documentation: commands, help texts, links, paths, generated pages.

    python -m tools.check_docs [DIRECTORY]

1. Each command in a console or sh block of a Markdown file is accepted by its program. A command
   that cannot be checked is a problem, and so is a README.md without commands.
2. The `--help` of each `ml-assets` command has examples, which are checked the same way.
3. Relative links and anchors in all Markdown files have a target.
4. Each path in docs/architecture.md exists.
5. Generated pages are current (without DIRECTORY).
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from tools.command_check import Judge, help_of
from tools.generated_docs import ROOT, find_stale
from tools.markdown_text import Document, parse_document
from tools.shell_command import (
    CONSOLE_LANGUAGES,
    SHELL_LANGUAGES,
    Untrue,
    read_commands,
    split_commands,
)

_SKIPPED_DIRECTORIES = {"build", "dist", "node_modules"}
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*/?")


@dataclass(frozen=True, order=True)
class Problem:
    """A wrong statement in the documentation, and its place."""

    where: str
    line: int
    text: str


def check_commands(judge: Judge, document: Document, where: str) -> tuple[int, list[Problem]]:
    """Check the commands of one document; return their number and the problems."""
    problems: list[Problem] = []
    count, shown = 0, document.code_spans()
    for block in document.blocks:
        start = block.lines[0].number if block.lines else 0
        if not block.closed:
            problems.append(Problem(where, start, "unclosed block"))
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
                judge.judge(command, shown)
            except Untrue as error:
                problems.append(Problem(where, command.line, str(error)))
    return count, problems


def subcommands(parser: argparse.ArgumentParser) -> list[str]:
    """Return the names of a parser's subcommands."""
    found = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    return [name for action in found for name in action.choices]


def check_help(judge: Judge) -> tuple[int, list[Problem]]:
    """Check that the help of each `ml-assets` command has valid examples."""
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
            problems.append(Problem(where, 0, "no examples"))
        for line, example in examples:
            try:
                for command in split_commands(example, line):
                    judge.judge(command)
            except Untrue as error:
                problems.append(Problem(where, line, str(error)))
    if not names:
        problems.append(Problem("ml-assets --help", 0, "no commands"))
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
    """Read all Markdown files below a directory, except in hidden directories."""
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
    """Check that relative links lead to an existing file and heading."""
    problems: list[Problem] = []
    count = 0
    for path, document in documents.items():
        for line, target in document.links():
            if re.match(r"^[a-zA-Z][a-zA-Z0-9+.-]*:|^//", target):
                continue
            count += 1
            if not leads_somewhere(path, target, documents):
                where = str(path.relative_to(root.resolve()))
                problems.append(Problem(where, line, f"broken link: {target}"))
    return count, problems


def check_paths(root: Path, documents: dict[Path, Document]) -> list[Problem]:
    """Check that every path in the architecture page exists."""
    page = (root / "docs" / "architecture.md").resolve()
    if page not in documents:
        return []
    where = str(page.relative_to(root.resolve()))
    named = {path for path in documents[page].code_spans() if "/" in path and _PATH.fullmatch(path)}
    return [
        Problem(where, 1, f"no such path: {path}") for path in named if not (root / path).exists()
    ]


def leads_somewhere(path: Path, target: str, documents: dict[Path, Document]) -> bool:
    """Whether a relative link of the document at `path` has a target."""
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
            untrue.append(Problem(where, 1, "no command that can be checked"))
        commands += count
        problems += untrue
    if (root / "README.md").resolve() not in documents:
        problems.append(Problem("README.md", 1, "missing"))
    helps, unhelpful = check_help(judge)
    links, broken = check_links(root, documents)
    problems += check_paths(root, documents)
    summary = f"{commands} commands, {helps} help texts, {links} links in {len(documents)} files"
    return summary, sorted([*problems, *unhelpful, *broken])


def main(arguments: Sequence[str]) -> int:
    """Check a directory, print the problems and return the exit code."""
    root = Path(arguments[0]) if arguments else ROOT
    summary, problems = check(root)
    if not arguments:
        problems += [Problem(path, 1, "stale; run: make docs") for path in find_stale(ROOT)]
    for problem in problems:
        print(f"{problem.where}:{problem.line}: {problem.text}")
    print(
        f"docs: {summary}: {len(problems)} problems"
        if problems
        else f"docs: {summary}: no problems"
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
