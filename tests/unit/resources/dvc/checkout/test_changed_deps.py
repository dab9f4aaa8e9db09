"""The deps that changed while their stage ran: remembered for one lock entry only."""

from pathlib import Path

import pytest

from resources.dvc.checkout.changed_deps import ChangedDeps
from resources.dvc.graph.manifest import Stage
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process

ENTRY = {"cmd": "train", "outs": [{"path": "o", "md5": "1"}]}


@pytest.fixture(scope="module")
def stage(empty_project: DvcProject, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    project = empty_project.copy(tmp_path_factory.mktemp("changed") / "project")
    project.stages({"train": {"cmd": "train", "outs": ["o"]}})
    (stage,) = project.manifest().stages
    return stage


def test_change_counts_for_its_lock_entry(stage: Stage, tmp_path: Path) -> None:
    known = ChangedDeps(tmp_path / "state" / "changed.json")
    known.note(stage, ENTRY, ["in: 1 before, 2 after"])
    again = ChangedDeps(tmp_path / "state" / "changed.json")
    assert again.find(stage, dict(ENTRY)) == ("in: 1 before, 2 after",)
    assert again.find(stage, {**ENTRY, "cmd": "other"}) == ()
    assert again.find(stage, None) == ()


def test_run_without_a_change_is_forgotten(stage: Stage, tmp_path: Path) -> None:
    known = ChangedDeps(tmp_path / "changed.json")
    known.note(stage, ENTRY, ["in"])
    known.note(stage, ENTRY, [])
    assert known.find(stage, ENTRY) == ()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"dvc.lock:train": 1}', '{"dvc.lock:train": []}'])
def test_damaged_file_is_empty(stage: Stage, tmp_path: Path, text: str) -> None:
    (tmp_path / "changed.json").write_text(text)
    known = ChangedDeps(tmp_path / "changed.json")
    assert known.find(stage, ENTRY) == ()
    known.note(stage, ENTRY, ["in"])
    assert known.find(stage, ENTRY) == ("in",)
