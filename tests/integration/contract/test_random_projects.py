"""Random DVC projects, changed at random between runs: `ml-assets run` does what `dvc repro` does.

After each run both copies have the same lock files, ignore files, working tree, permissions, links
and cache objects, the same stages ran, and `ml-assets plan` said so before. `make test` compares a
few projects, always the same. ``RANDOM_PROJECTS=200`` compares so many, others each time.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
import yaml

from .comparison import NAMES
from .random_change import Change, changes
from .random_project import RandomProject, random_projects
from .repository import Finished, Repository
from .snapshot import take_snapshot

WANTED = int(os.environ.get("RANDOM_PROJECTS", "0"))
BOUNDED = 4

BEHIND = "upstream runs: "
KNOWN = ("missing out", "modified out", "new out", "out not in cache", "always changed")
"""Reasons of a stage whose inputs are those of its recorded run."""

Steps = list[list[Change]]


@dataclass
class Story:
    """Two copies of a project, and what has happened to them."""

    reference: Repository
    judged: Repository
    told: list[str] = field(default_factory=list)

    def run(self, when: str) -> bool:
        """Run both and compare; return False where both failed, so that the story ends."""
        self.told.append(when)
        planned = self.judged.ml_assets("plan", "--json")
        expected = self.reference.try_dvc("repro", "--all-pipelines")
        finished = self.judged.ml_assets("run", "--json")
        assert (expected.code == 0) == (finished.code == 0), self._tell(expected, finished)
        if expected.code != 0:
            event(f"both failed: {self.told[-1]}: {expected.stderr[-300:]}")
            return False
        assert finished.ran == expected.ran, self._tell(expected, finished)
        snapshots = [take_snapshot(one, mask=0o777) for one in (self.reference, self.judged)]
        found = snapshots[0].differences(snapshots[1], NAMES)
        assert not found, "\n".join([*found, self._tell(expected, finished)])
        assert planned.code == 0, self._tell(planned, finished)
        foreseen, done = _actions(planned), _actions(finished)
        wrong = {key for key, action in foreseen.items() if action != done.get(key)}
        assert wrong <= self._unsure(planned), self._tell(planned, finished)
        return True

    def _unsure(self, planned: Finished) -> set[str]:
        """Return the assets downstream of bytes that no plan can know.

        A stage with other inputs may write its old outs, and one with an out that persists adds to
        it. A stage downstream counts as one that runs; whether it does, shows the run.
        """
        reasons = {one["stage"]: one["reasons"] for one in planned.document["assets"]}
        unknown: set[str] = set()
        for stage, found in reasons.items():  # in the order of the graph
            behind = [one for one in found if one.startswith(BEHIND)]
            fed = any(one.removeprefix(BEHIND) in unknown for one in behind)
            if fed or not all(one.startswith((*KNOWN, BEHIND)) for one in found):
                unknown.add(stage)
            elif found and self._persists(stage):
                unknown.add(stage)
        return {
            one["key"]
            for one in planned.document["assets"]
            if any(reason.removeprefix(BEHIND) in unknown for reason in one["reasons"])
        }

    def _persists(self, stage: str) -> bool:
        file, _, name = stage.rpartition(":")
        text = (self.judged.project / (file or "dvc.yaml")).read_text(encoding="utf-8")
        whole = yaml.safe_load(text)["stages"] if not stage.endswith(".dvc") else {}
        return "persist" in str(whole.get(name.partition("@")[0], ""))

    def _tell(self, expected: Finished, finished: Finished) -> str:
        return f"{'; '.join(self.told)}\nexpected: {expected}\nbut: {finished}"


def _actions(finished: Finished) -> dict[str, str]:
    """Return the action of each asset, as planned or as done."""
    return {asset["key"]: asset["action"] for asset in finished.document["assets"]}


def compare(project: RandomProject, steps: Steps, empty: Repository, home: Path) -> None:
    """Build a project, run it in both copies, and again after each step of changes."""
    origin = Repository(empty.copy(home / "origin").home, empty.tools, project.below)
    if project.below != ".":
        (origin.root / ".dvc").rename(home / "dvc")
        origin.project.mkdir(parents=True, exist_ok=True)
        (home / "dvc").rename(origin.project / ".dvc")
        (origin.root / ".dvcignore").rename(origin.project / ".dvcignore")
    project.build(origin)
    story = Story(origin.copy(home / "dvc"), origin.copy(home / "ml-assets"))
    on = story.run("first run")
    for step in steps:
        if not on:
            return
        for change in step:
            change.make(project, story.reference)
            change.make(project, story.judged)
        on = story.run(f"after {', '.join(f'{one.kind} {one.number}' for one in step)}")


@settings(
    max_examples=WANTED or BOUNDED,
    derandomize=not WANTED,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(
    project=random_projects(),
    steps=st.lists(st.lists(changes, min_size=1, max_size=2), min_size=2, max_size=4),
)
def test_random_projects_come_out_as_after_dvc_repro(
    empty_repository: Repository, project: RandomProject, steps: Steps
) -> None:
    with TemporaryDirectory() as home:
        compare(project, steps, empty_repository, Path(home))
