"""The workbench: the repositories of the cases, their commands and their turns."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.correctness import check_success
from benchmarks.figures import Series
from benchmarks.measurement import Finished, Sample, measure
from benchmarks.programs import Program, Programs
from benchmarks.repositories import Repository, build_repository, copied


@dataclass(frozen=True)
class Options:
    """The numbers of runs.

    Attributes:
        runs: runs of each contender that is not slow; None takes the default of the case.
        slow_runs: runs of each contender that takes minutes.
        with_slow_peers: also run the peers that are left out by default.
    """

    runs: int | None = None
    slow_runs: int = 1
    with_slow_peers: bool = False


@dataclass(frozen=True)
class Contender:
    """A command that a case measures.

    Attributes:
        attempt: prepares, runs and checks once; the sample covers only the run.
        warm_ups: uncounted attempts before the first counted one.
    """

    name: str
    program: Program
    stages: int
    attempt: Callable[[], Sample]
    warm_ups: int = 0
    slow: bool = False


class Workbench:
    """A directory for repositories, and the commands that run in them.

    Args:
        directory: an empty directory; the caller removes it.
        say: prints one line of progress.
    """

    def __init__(
        self, directory: Path, programs: Programs, options: Options, say: Callable[[str], None]
    ) -> None:
        self.programs = programs
        self.options = options
        self._directory = directory
        self._say = say
        self._homes = 0

    @contextmanager
    def section(self) -> Iterator[Workbench]:
        """Give a case its own workbench, and remove all its repositories at the end."""
        directory = self._new_home()
        directory.mkdir()
        try:
            yield Workbench(directory, self.programs, self.options, self._say)
        finally:
            shutil.rmtree(directory)

    def without_paths(self, text: str) -> str:
        """Replace the paths of this machine in a text."""
        shown = text.replace(str(self._directory), "BENCH")
        return shown.replace(str(self.programs.python.parent), "BIN")

    def build(self, files: dict[str, bytes]) -> Repository:
        """Build a repository with these files, before its first run."""
        return build_repository(self._new_home(), files, self.programs)

    @contextmanager
    def copy(self, template: Repository) -> Iterator[Repository]:
        """Copy a repository before its first run, and remove the copy at the end."""
        with copied(template, self._new_home()) as repository:
            yield repository

    def execute(
        self,
        program: Program,
        repository: Repository,
        *,
        cores: int | None = None,
        variables: Mapping[str, str] | None = None,
        codes: Collection[int] = (0,),
    ) -> Finished:
        """Run a command in a repository and measure it.

        Args:
            cores: number of processors; None for all.
            variables: additional environment variables.
            codes: exit codes of success.

        Raises:
            WrongRun: it has another exit code.
        """
        finished = measure(
            program.command,
            repository.work,
            {**self.programs.environment(repository.home), **(variables or {})},
            repository.output,
            cores=cores,
        )
        check_success(finished, program.shown, codes)
        return finished

    def take_turns(self, contenders: Sequence[Contender], runs: int) -> tuple[Series, ...]:
        """Run the contenders in turn, round by round, after their warm-ups.

        Args:
            runs: runs of each that is not slow, unless the options set another number.
        """
        for contender in contenders:
            for _ in range(contender.warm_ups):
                self.say(f"{contender.program.shown}: {contender.stages} stages: warm-up")
                contender.attempt()
        counts = [self._count(contender, runs) for contender in contenders]
        samples: list[list[Sample]] = [[] for _ in contenders]
        for turn in range(max(counts, default=0)):
            for contender, count, taken in zip(contenders, counts, samples, strict=True):
                if turn < count:
                    taken.append(contender.attempt())
                    self.say(
                        f"{contender.program.shown}: {contender.stages} stages: "
                        f"run {turn + 1} of {count}: {taken[-1].seconds:.2f} s"
                    )
        return tuple(
            Series(one.name, one.program.shown, one.stages, tuple(taken), one.slow)
            for one, taken in zip(contenders, samples, strict=True)
        )

    def say(self, line: str) -> None:
        """Print a line of progress."""
        self._say(line)

    def _count(self, contender: Contender, runs: int) -> int:
        if contender.slow:
            return self.options.slow_runs
        return runs if self.options.runs is None else self.options.runs

    def _new_home(self) -> Path:
        self._homes += 1
        return self._directory / f"repository-{self._homes}"
