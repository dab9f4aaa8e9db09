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
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, Protocol

from ml_assets.reporting.interruption import keep_out_of_logs
from ml_assets.reporting.job_log import JobLog, open_job_log
from ml_assets.signer.access import is_separate, separate_signer
from ml_assets.signer.broker import Places
from ml_assets.signer.user_directories import find_dvc_root, find_start, find_watches
from resources.errors import (
    ConfigurationError,
    ResourceError,
    UnavailableError,
    wrap_os_error,
)
from resources.git.own_output import remember_readers
from security.errors import SecurityError

_COMMANDS = {
    "advisories": "update or show the offline database of known vulnerabilities",
    "check": "run the gates and apply the policy",
    "drill": "attack a temporary copy of the project and report undetected attacks",
    "evidence": "export the statements, results and policy about one artifact",
    "impact": "list everything made from a file, commit, package or vulnerability",
    "init": "write the policy, JSON schemas, a Dagster workspace and a CI workflow",
    "keys": "generate, show, rotate or revoke the signing key",
    "lock": "copy the lock files of a branch's last run into the working tree",
    "metrics": "compare metrics with those of a commit",
    "params": "compare parameters with those of a commit",
    "plan": "show what a run would do and why",
    "run": "run stale stages in parallel, check gates and sign the results",
    "sbom": "print the bill of materials of the environment or a model",
    "sign": "sign a model that passes the policy of an environment",
    "trace": "list the commits and data that an artifact was made from",
    "ui": "serve the Dagster UI on 127.0.0.1 and run new commits of watched branches",
    "verify": "verify an artifact's bytes, signature, provenance and gate results offline",
}

#: Commands that start processes which use their signer, too.
_SHARED = ("drill", "ui")
#: Commands that read the source tree.
_JUDGING = ("check", "run", "sign")
_is_entered = False  # by the console script: this process is ours alone

_INTERRUPTED = {
    "kind": "interrupted",
    "message": "interrupted; finished stages are recorded",
    "hint": "continue: ml-assets run",
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


def _find_places(arguments: argparse.Namespace) -> Places:
    watches = find_watches() if arguments.command == "ui" else None
    return Places(find_dvc_root(find_start(arguments.project)), watches)


class CommandModule(Protocol):
    """The interface of each module in ``ml_assets.commands``."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's options to its parser, and its examples as the epilog."""

    def execute(self, arguments: argparse.Namespace) -> int:
        """Execute the command and return its exit code."""


class _Parser(argparse.ArgumentParser):
    """A parser that raises our own errors and accepts no abbreviated options."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(message, f"see: {self.prog} --help")


def build_parser(words: Collection[str] | None = None) -> argparse.ArgumentParser:
    """Build the parser of all commands.

    Args:
        words: the words of a command line. Only commands among them are imported and get their
            options; None gives all commands their options.
    """
    parser = _Parser(
        prog="ml-assets",
        description="Run any Git + DVC repository as a gated, signed Dagster asset graph.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--project",
        type=Path,
        metavar="PATH",
        help="path of the repository (default: the current directory)",
    )
    parser.add_argument("--debug", action="store_true", help="print the traceback of an error")
    parser.set_defaults(log=JobLog())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in _COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_argument(
            "--json", action="store_true", help="print one JSON document to standard output"
        )
        command.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
        if words is None or name in words:
            _load(name).configure(command)
    return parser


def _load(name: str) -> CommandModule:
    module: CommandModule = importlib.import_module(f"ml_assets.commands.{name}")
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
        if _is_entered and not is_separate():
            if arguments.command in _JUDGING:
                remember_readers()
            in_use = [Path.cwd(), *([arguments.project] if arguments.project else [])]
            # A rebuild runs a stage with a command of its own.
            shared = arguments.command in _SHARED or getattr(arguments, "rebuild", False)
            separate_signer(in_use, _find_places(arguments), shared=shared)
        return _load(arguments.command).execute(arguments)
    except (ResourceError, SecurityError) as error:
        return _report(error, as_json, debug)
    except KeyboardInterrupt:
        if as_json:
            print(json.dumps({"error": _INTERRUPTED}))
        sys.stderr.write(f"{_INTERRUPTED['message']}\nhint: {_INTERRUPTED['hint']}\n")
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        return _report(wrap_os_error(error), as_json, debug)
    except Exception as error:  # noqa: BLE001  # the last resort, never a success
        unexpected = UnavailableError(
            f"unexpected error: {type(error).__name__}: {error}",
            "report it with the output of --debug",
        )
        return _report(unexpected, as_json, debug)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Treat SIGTERM and SIGHUP, from a CI job or a service manager, like Ctrl-C."""
    raise KeyboardInterrupt


def _interrupt_again(unraisable: Any) -> None:
    """Repeat an interruption that hit a finalizer, where Python swallows it."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        main_thread = threading.main_thread().ident or 0
        threading.Timer(0.05, signal.pthread_kill, (main_thread, signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(unraisable)


def _ignore_interrupts() -> None:
    """Let the end of the process, which takes milliseconds, not be interrupted."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def enter() -> NoReturn:
    """Run one command as the console script.

    Exit without tearing down the interpreter: with dagster's modules that takes longer than many
    runs. Functions registered with ``atexit`` are called.
    """
    # A graph of thousands of stages is a million small objects and no garbage: look less often.
    global _is_entered
    gc.set_threshold(200_000)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    sys.unraisablehook = _interrupt_again
    _is_entered = True
    keep_out_of_logs()
    code = 130
    with suppress(KeyboardInterrupt):  # outside of the command, which reports its interruption
        code = main()
        _ignore_interrupts()
    _ignore_interrupts()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (BrokenPipeError, ValueError):
        # The reader closed the output early; the exit code stands.
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
