"""The command line: ``ml-assets [--project PATH] COMMAND``.

Exit codes: 0 passed; 1 judged and failed; 2 usage or configuration; 3 could not judge. Where 1
and 3 both happened, 1 is returned. 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import importlib
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Collection, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, Protocol

from ml_assets.reporting.job_log import JobLog, open_job_log
from resources.errors import (
    ConfigurationError,
    ResourceError,
    UnavailableError,
    wrap_os_error,
)
from security.errors import SecurityError

_COMMANDS = {
    "advisories": "update the offline database of known vulnerabilities, or say how old it is",
    "check": "run the gates, and say what the policy makes of what they find",
    "drill": "attack a throw-away copy of the project, and say what nobody noticed",
    "evidence": "write down all that a reviewer needs about one artifact",
    "impact": "find everything that was made from something, or with a vulnerable package",
    "init": "write the built-in policy, a workspace and a CI file, to change them",
    "keys": "show, make, rotate or revoke the key that signs",
    "lock": "bring what runs of a branch have recorded into this working tree",
    "plan": "say what a run would do, and why",
    "run": "bring the graph up to date, in parallel",
    "sbom": "print a bill of materials: of the environment, or of a model",
    "sign": "sign a model that has passed what an environment asks for",
    "trace": "go back from something to the commits and data that it was made from",
    "ui": "open the Dagster UI of this project on 127.0.0.1",
    "verify": "check from proofs alone whether something may be used",
}

_INTERRUPTED = {
    "kind": "interrupted",
    "message": "interrupted: what had finished is recorded",
    "hint": "go on with: ml-assets run",
}

_EPILOG = """\
examples:
  ml-assets plan
  ml-assets run
  ml-assets --project ../other run --jobs 4
  ml-assets check
  ml-assets verify models/classifier.onnx
  ml-assets ui
"""


class Command(Protocol):
    """What each module of ``ml_assets.commands`` offers."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's options to its parser, and its examples as the epilog."""

    def execute(self, arguments: argparse.Namespace) -> int:
        """Do what the command says and return its exit code."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors look like all others, and whose options are written out."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(message, f"look: {self.prog} --help")


def build_parser(words: Collection[str] | None = None) -> argparse.ArgumentParser:
    """Build the parser of all commands.

    Args:
        words: of a command line: commands that are not among them get no options, and what they
            would import is not imported; None gives all their options.
    """
    parser = _Parser(
        prog="ml-assets",
        description="Run any Git + DVC repository as a Dagster asset graph.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--project", type=Path, metavar="PATH", help="the repository (default: here)"
    )
    parser.add_argument(
        "--debug", action="store_true", help="show the traceback of an error as well"
    )
    parser.set_defaults(log=JobLog())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in _COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_argument("--json", action="store_true", help="print one JSON document")
        command.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
        if words is None or name in words:
            _load(name).configure(command)
    return parser


def _load(name: str) -> Command:
    module: Command = importlib.import_module(f"ml_assets.commands.{name}")
    return module


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    with open_job_log(os.environ) as log:
        return _execute(words, log)


def _execute(words: list[str], log: JobLog) -> int:
    as_json = "--json" in words
    debug = "--debug" in words
    try:
        arguments = build_parser(words).parse_args(words)
        arguments.log = log
        return _load(arguments.command).execute(arguments)
    except (ResourceError, SecurityError) as error:
        return _report(error, as_json, debug)
    except KeyboardInterrupt:
        if as_json:
            print(json.dumps({"error": _INTERRUPTED}))
        sys.stderr.write(
            "interrupted: what had finished is recorded\nhint: go on with: ml-assets run\n"
        )
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        return _report(wrap_os_error(error), as_json, debug)
    except Exception as error:  # noqa: BLE001  # the last resort: an answer, and never a success
        unexpected = UnavailableError(
            f"unexpected: {type(error).__name__}: {error}", "see where: add --debug, and report it"
        )
        return _report(unexpected, as_json, debug)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Take a request to end, from a CI job or a service manager, for a Ctrl-C."""
    raise KeyboardInterrupt


def _interrupt_again(unraisable: Any) -> None:
    """Interrupt once more where the interruption hit a finalizer, which Python only mentions."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        main_thread = threading.main_thread().ident or 0
        threading.Timer(0.05, signal.pthread_kill, (main_thread, signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(unraisable)


def enter() -> NoReturn:
    """Run one command as a process of its own: the console script.

    The interpreter would take apart every module that dagster brought before it ends, which takes
    longer than many a run; what registered itself to be done at exit is done all the same.
    """
    # A graph of thousands of stages is a million small objects and no garbage: look less often.
    gc.set_threshold(200_000)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    sys.unraisablehook = _interrupt_again
    code = main()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (BrokenPipeError, ValueError):
        # Whoever read the output wanted no more of it, or it is closed; the exit code stands.
        pass
    os._exit(code)


def _report(error: ResourceError | SecurityError, as_json: bool, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    if as_json:
        body = {"kind": error.kind, "message": error.message, "hint": error.hint}
        print(json.dumps({"error": body}))
    else:
        sys.stderr.write(f"error: {error.message}\nhint: {error.hint}\n")
    return error.exit_code


if __name__ == "__main__":
    enter()
