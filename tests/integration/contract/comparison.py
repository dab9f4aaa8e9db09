"""One repository twice: `dvc repro` in one copy, `ml-assets run` in the other, no difference."""

from collections.abc import Callable
from dataclasses import dataclass

from .repository import Commands, Finished, Repository
from .snapshot import dvc_status, take_snapshot

NAMES = ("dvc repro", "ml-assets run")

Step = Callable[[Repository], object]


@dataclass(frozen=True)
class Feature:
    """One DVC feature: a repository that uses it, and changes to make between two runs."""

    name: str
    build: Step
    changes: tuple[Step, ...] = ()

    def __str__(self) -> str:
        """Return the name, for the identity of a test."""
        return self.name


@dataclass(frozen=True)
class Pair:
    """Two copies of one repository: the reference and the judged."""

    reference: Repository
    judged: Repository

    def change(self, step: Step) -> None:
        """Make the same change in both copies."""
        step(self.reference)
        step(self.judged)

    def run(self, when: str) -> Commands:
        """Run both; the same stage commands must run and the same repository come out."""
        expected = self.reference.repro()
        finished = self.judged.run()
        self._assert_ran(expected.ran, finished, when)
        self.assert_same(when)
        status = dvc_status(self.judged)
        if status:
            assert status == dvc_status(self.reference), f"{when}: other dvc status"
        return expected.ran

    def run_again(self, when: str) -> None:
        """Run with nothing changed: what `dvc repro` always runs may run, and nothing else."""
        expected = self.reference.repro()
        finished = self.judged.run()
        self._assert_ran(expected.ran, finished, f"{when}, run again")
        self.assert_same(f"{when}, run again")

    def dvc_repro_goes_on(self, when: str) -> None:
        """Run `dvc repro` in both: what ml-assets left must be up to date for it as well."""
        expected = self.reference.repro()
        following = self.judged.repro()
        assert following.ran == expected.ran, f"{when}: dvc repro after ml-assets run: {following}"
        self.assert_same(f"{when}, dvc repro after ml-assets run")

    def _assert_ran(self, expected: Commands, finished: Finished, when: str) -> None:
        assert finished.ran == expected, f"{when}: expected to run: {expected}, but: {finished}"
        assets = finished.document["assets"]
        reported = [asset["key"] for asset in assets if asset["action"] == "run"]
        assert expected or not reported, f"{when}: nothing ran, but reported: {reported}"

    def assert_same(self, when: str) -> None:
        """Compare everything that can be seen of both copies."""
        found = take_snapshot(self.reference).differences(take_snapshot(self.judged), NAMES)
        assert not found, f"{when}: {len(found)} differences\n" + "\n".join(found)


def assert_equals_dvc_repro(pair: Pair, changes: tuple[Step, ...] = ()) -> None:
    """Run the whole story: first run, run again, each change with its run, run again."""
    pair.run("first run")
    pair.run_again("first run")
    for number, step in enumerate(changes, start=1):
        when = f"after change {number} ({getattr(step, '__name__', step)})"
        pair.change(step)
        pair.run(when)
    pair.dvc_repro_goes_on("at the end")
    if changes:
        pair.run_again("at the end")
