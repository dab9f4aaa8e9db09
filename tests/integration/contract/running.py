"""A run that is under way: start the console script, wait for what it does, signal it, look."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import psutil

from .repository import Finished, Repository

SECONDS = 60.0


def wait_for(condition: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
    """Wait until the condition holds.

    Raises:
        AssertionError: it does not hold after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for: {what}"
        time.sleep(0.02)


class Running:
    """A command line of ml-assets that is under way, in a session of its own."""

    def __init__(
        self, repository: Repository, *arguments: str, extra: Mapping[str, str] | None = None
    ) -> None:
        """Start the console script."""
        self.repository = repository
        self.stdout = repository.home / "running-stdout"
        self.stderr = repository.home / "running-stderr"
        repository.notes.unlink(missing_ok=True)
        with self.stdout.open("wb") as stdout, self.stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                repository.script(*arguments),
                cwd=repository.outside,
                env=repository.environment(extra),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )

    def wait_for_file(self, path: str) -> None:
        """Wait until a stage has written the file."""
        target = self.repository.project / path
        wait_for(lambda: target.exists() or self.process.poll() is not None, path)
        assert target.exists(), self.finish()

    def interrupt(self) -> None:
        """Press Ctrl-C: the terminal signals the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def finish(self, seconds: float = SECONDS) -> Finished:
        """Wait for the end and return what the command left behind."""
        code = self.process.wait(timeout=seconds)
        return Finished(
            code,
            self.stdout.read_text(encoding="utf-8", errors="replace"),
            self.stderr.read_text(encoding="utf-8", errors="replace"),
            self.repository.ran(),
        )


def processes_of(repository: Repository) -> list[psutil.Process]:
    """Return every process that was started for the repository, whoever its parent is now."""
    notes = str(repository.notes)
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("CONTRACT_NOTES") == notes:
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@contextmanager
def cleaned_up(repository: Repository) -> Iterator[None]:
    """Kill at the end what the repository's commands have left, so that no test hurts another."""
    try:
        yield
    finally:
        for process in processes_of(repository):
            process.kill()


def slow_pipeline(repository: Repository, command: str = "touch started; sleep 300") -> None:
    """A stage that ends, one that does not, and one after each."""
    repository.write("input.txt", "1\n")
    repository.stages(
        {
            "quick": {"cmd": "cp input.txt quick", "deps": ["input.txt"], "outs": ["quick"]},
            "slow": {
                "cmd": f"{command}; cp quick slow",
                "deps": ["quick"],
                "outs": ["slow"],
            },
            "after": {"cmd": "cp slow after", "deps": ["slow"], "outs": ["after"]},
        }
    )
    repository.commit()
