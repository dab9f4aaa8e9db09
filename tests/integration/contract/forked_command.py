"""Real commands at the price of a fork: a process that has imported a tool runs it in children.

A `dvc` command costs about 1.5 s and an `ml-assets run` about 3 s, most of it imports, and the
contract tests need hundreds. A child calls the function that the console script calls, with the
arguments, environment and directory of the request. `test_console_script.py` holds the two
together; whatever is about signals, processes and start-up uses the console script itself.
"""

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

DVC = ("dvc", "dvc.cli")
ML_ASSETS = ("ml-assets", "ml_assets.cli")

DVC_PRELOADED = (
    "configobj",
    "dulwich.client",
    "dulwich.ignore",
    "dulwich.worktree",
    "dvc._debug",
    "dvc.analytics",
    "dvc.cachemgr",
    "dvc.cli",
    "dvc.cli.parser",
    "dvc.config",
    "dvc.data_cloud",
    "dvc.dependency",
    "dvc.dvcfile",
    "dvc.ignore",
    "dvc.output",
    "dvc.parsing",
    "dvc.parsing.interpolate",
    "dvc.repo",
    "dvc.repo.artifacts",
    "dvc.repo.data",
    "dvc.repo.datasets",
    "dvc.repo.graph",
    "dvc.repo.index",
    "dvc.repo.init",
    "dvc.repo.metrics",
    "dvc.repo.open_repo",
    "dvc.repo.params",
    "dvc.repo.plots",
    "dvc.repo.reproduce",
    "dvc.repo.stage",
    "dvc.repo.status",
    "dvc.repo.trie",
    "dvc.repo.worktree",
    "dvc.rwlock",
    "dvc.stage.cache",
    "dvc.stage.loader",
    "dvc.stage.run",
    "dvc.stage.serialize",
    "dvc.utils.serialize",
    "dvc.utils.strictyaml",
    "dvc_data.hashfile._progress",
    "dvc_data.hashfile.checkout",
    "dvc_data.hashfile.db.local",
    "dvc_data.hashfile.state",
    "dvc_data.hashfile.status",
    "dvc_data.index",
    "dvc_objects.fs.local",
    "dvc_render",
    "dvc_render.vega",
    "flatten_dict",
    "fsspec.implementations.memory",
    "networkx",
    "platformdirs.unix",
    "pygit2",
    "ruamel.yaml",
    "scmrepo.git.backend.dulwich",
    "scmrepo.git.backend.gitpython",
    "scmrepo.git.backend.pygit2",
    "sqlite3",
    "voluptuous",
)
ML_ASSETS_PRELOADED = (
    *DVC_PRELOADED,
    "alembic.context",
    "cyclonedx.validation.json",
    "cyclonedx.spdx",
    "dagster",
    "dagster._core.execution.execute_in_process",
    "dagster._core.instance.factory",
    "dagster._core.instance.runs.run_domain",
    "dagster._core.storage.legacy_storage",
    "dagster._core.storage.root",
    "dagster._core.storage.sqlite_storage",
    "ml_assets.cli",
    "ml_assets.commands.check",
    "ml_assets.commands.plan",
    "ml_assets.commands.run",
    "ml_assets.commands.verify",
    "ml_assets.orchestration.instance.event_log",
    "ml_assets.runs.execution",
    "packaging.licenses",
    "resources.dvc.graph.reader",
    "security.gates.data.gate",
    "security.gates.model.model_file",
    "security.gates.model.performance",
    "security.gates.tool.test_run.pytest_run",
    "upath.implementations.local",
)


class ForkedCommand:
    """A process that has imported a tool and forks one child for each command line."""

    def __init__(self, tool: tuple[str, str], preloaded: Sequence[str], log: Path) -> None:
        """Start the process for `tool` (name, module with `main`); its own errors go to `log`."""
        self._log = log.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, __file__, *tool, *preloaded],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def run(
        self,
        arguments: list[str],
        directory: Path,
        environment: dict[str, str],
        stdout: Path,
        stderr: Path,
    ) -> int:
        """Run one command to its end and return its exit code."""
        request = {
            "arguments": arguments,
            "directory": str(directory),
            "environment": environment,
            "stdout": str(stdout),
            "stderr": str(stderr),
        }
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None and answers is not None
        requests.write(json.dumps(request) + "\n")
        requests.flush()
        answer = answers.readline()
        if not answer:
            raise RuntimeError(f"the process that forks ended, see: {self._log.name}")
        return int(answer)

    def close(self) -> None:
        """End the process and wait for it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()
        self._log.close()


def _run_in_child(tool: str, module: str, request: dict[str, Any]) -> int:
    """Become the command of `request`; runs in the forked child and returns its exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(request[name], flags, 0o644), descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    sys.argv = [tool, *request["arguments"]]
    found = importlib.import_module(module)
    if hasattr(found, "enter"):  # of our console script, which starts the signer; it exits
        found.enter()
    return int(found.main(request["arguments"]) or 0)


def _serve(tool: str, module: str, requests: IO[str], answers: IO[str]) -> None:
    """Answer every request line with the exit code of the command it names."""
    for line in requests:
        child = os.fork()
        if child == 0:
            code = 70
            try:
                code = _run_in_child(tool, module, json.loads(line))
            except SystemExit as stop:
                code = stop.code if isinstance(stop.code, int) else 70
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


def _read_migration_scripts() -> None:
    """Let Dagster read the scripts of its databases, which each run in a new project needs."""
    from dagster import DagsterInstance

    from ml_assets.orchestration.instance.migration_scripts import keep_migration_scripts

    keep_migration_scripts()
    with tempfile.TemporaryDirectory() as directory:
        DagsterInstance.local_temp(directory).dispose()


if __name__ == "__main__":
    # What a script's directory puts on the path is not there for a console script.
    sys.path[:] = [entry for entry in sys.path if entry != str(Path(__file__).parent)]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for preloaded in sys.argv[3:]:
        importlib.import_module(preloaded)
    if "dagster" in sys.argv[3:]:
        _read_migration_scripts()
    gc.freeze()  # a collection in a child would copy the pages of all modules
    _serve(sys.argv[1], sys.argv[2], sys.stdin, sys.stdout)
    os._exit(0)  # nothing is left to save, and taking the modules apart takes a second
