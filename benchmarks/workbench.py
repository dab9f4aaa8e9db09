"""The workbench: where cases put their repositories, run commands and take turns."""

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
    """How often a case is measured.

    Attributes:
        runs: of each contender that is not slow; None takes what each case has by default.
        slow_runs: of each contender whose run takes minutes.
        with_slow_peers: run also those peers that are otherwise left out.
    """

    runs: int | None = None
    slow_runs: int = 1
    with_slow_peers: bool = False


@dataclass(frozen=True)
class Contender:
    """Somebody who runs in a case.

    Attributes:
        attempt: prepares, runs and checks once; only the run itself is in the sample.
        warm_ups: attempts before the first that counts.
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
        directory: empty; whoever made it removes it.
        say: takes one line of progress.
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
        """Give a case a workbench of its own, and remove all its repositories at the end."""
        directory = self._new_home()
        directory.mkdir()
        try:
            yield Workbench(directory, self.programs, self.options, self._say)
        finally:
            shutil.rmtree(directory)

    def without_paths(self, text: str) -> str:
        """Return a text in which this machine's paths are left out."""
        shown = text.replace(str(self._directory), "BENCH")
        return shown.replace(str(self.programs.python.parent), "BIN")

    def build(self, files: dict[str, bytes]) -> Repository:
        """Build a repository with these files, in which nothing has run."""
        return build_repository(self._new_home(), files, self.programs)

    @contextmanager
    def copy(self, template: Repository) -> Iterator[Repository]:
        """Copy a repository in which nothing has run, and remove the copy at the end."""
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
            cores: processors it may use; None leaves all.
            variables: more of the environment.
            codes: exit codes of a run that did its work.

        Raises:
            WrongRun: its exit code is another.
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
        """Let contenders run one after the other, round by round, after their warm-ups.

        Args:
            runs: of each that is not slow, unless the options say otherwise.
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
        """Say how far it is."""
        self._say(line)

    def _count(self, contender: Contender, runs: int) -> int:
        if contender.slow:
            return self.options.slow_runs
        return runs if self.options.runs is None else self.options.runs

    def _new_home(self) -> Path:
        self._homes += 1
        return self._directory / f"repository-{self._homes}"
