"""The checks of commands in the documentation: would their program accept them? None runs.

`make` is checked against the Makefile, `ml-assets` by its own parser, `dagster` and `dvc` by their
`--help`.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path

from ml_assets.cli import build_parser
from tools.shell_command import Command, Untrue

# Common programs are accepted unchecked; any other program is a problem.
ORDINARY_COMMANDS = {
    *("cat", "cd", "chmod", "cp", "echo", "export", "git", "ls", "mkdir", "mv", "rm", "sed"),
    "touch",
}
# Checked by their own `--help`.
HELPFUL_COMMANDS = {"dagster", "dagster-webserver", "dvc"}
_OPTION = re.compile(r"^--?[A-Za-z]")


class Judge:
    """Checks commands as if typed in the repository's directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.parser = build_parser()

    def judge(self, command: Command, shown: Collection[str] = ()) -> None:
        """Check one command.

        Args:
            shown: names of scripts that the page itself shows.

        Raises:
            Untrue: its program would refuse it, or it cannot be checked.
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
            self._judge_script(arguments, shown)
        elif "/" in name:
            if not os.access(self.root / name, os.X_OK):
                raise Untrue(f"no such program: {name}")
        elif name not in ORDINARY_COMMANDS:
            raise Untrue(f"cannot check this command: {name}")

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
        except Exception as error:  # the parser's own error class, which is a refusal
            raise Untrue(f"ml-assets refuses it: {error}") from error

    def _judge_script(self, arguments: Sequence[str], shown: Collection[str]) -> None:
        script = next((word for word in arguments if word.endswith(".py")), None)
        if script not in (None, *shown) and not (self.root / str(script)).is_file():
            raise Untrue(f"no such script: {script}")


def judge_by_help(program: str, arguments: Sequence[str]) -> None:
    """Check subcommands and options against the program's `--help`.

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
    """Return the `--help` output of an installed program.

    Raises:
        Untrue: the program is not installed or the subcommand is unknown.
    """
    path = Path(sys.executable).parent / program
    command = [str(path), *words, "--help"]
    if not path.is_file():
        raise Untrue(f"not installed: {program}")
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise Untrue(f"no such command: {program} {' '.join(words)}")
    return answer.stdout
