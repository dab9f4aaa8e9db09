"""The plan: it says of each stage what ``dvc status`` says, for a checkout and for a commit."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ml_assets.project.project import Project
from resources.dvc.checkout.checkout import Checkout
from resources.dvc.run.plan import PlannedStage, build_plan
from resources.dvc.run.stage_result import Action
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process

Change = Callable[[DvcProject], object]
RUN, RESTORE, SKIP = Action.RUN, Action.RESTORE, Action.SKIP


@pytest.fixture(scope="module")
def template(empty_project: DvcProject, tmp_path_factory: pytest.TempPathFactory) -> DvcProject:
    """A chain of stages that DVC itself has run, twice with other parameters."""
    project = empty_project.copy(tmp_path_factory.mktemp("plan") / "project")
    project.write("raw/a.txt", "a\n")
    project.write("raw/tool.sh", "cat raw/a.txt\n", executable=True)
    project.write("data.csv", "1\n")
    project.add("data.csv")
    project.stages(
        {
            "one": {"cmd": "sh raw/tool.sh > one", "deps": ["raw"], "outs": ["one"]},
            "two": {
                "cmd": "cp one two; cat data.csv >> two",
                "deps": ["one", "data.csv"],
                "params": ["rate"],
                "outs": ["two"],
            },
            "three": {
                "cmd": "mkdir three; cp two three",
                "deps": ["two"],
                "outs": [{"three": {"cache": False}}],
            },
            "frozen": {"cmd": "cp one f", "deps": ["one"], "outs": ["f"]},
        }
    )
    for rate in ("0.9", "0.5"):
        project.write("params.yaml", f"rate: {rate}\n")
        project.reproduce()
    text = (project.root / "dvc.yaml").read_text()
    project.write("dvc.yaml", f"{text}    frozen: true\n")
    project.commit()
    return project


@pytest.fixture
def done(template: DvcProject, tmp_path: Path) -> DvcProject:
    return template.copy(tmp_path / "project")


def plan(project: DvcProject) -> dict[str, PlannedStage]:
    checkout = Checkout(project.root, project.root.parent / "state", project.manifest())
    return {step.stage.name: step for step in build_plan(checkout)}


def changed(project: DvcProject) -> set[str]:
    """Return the stages that DVC finds changed."""
    with project.dvc() as repo:
        return {os.path.basename(name).rpartition(":")[2] for name in repo.status()}


def remove(name: str) -> Change:
    return lambda project: (project.root / name).unlink()


def forget_objects(project: DvcProject) -> None:
    for path in (project.root / ".dvc" / "cache" / "files").rglob("*"):
        if path.is_file():
            path.unlink()


CHANGES: dict[str, tuple[Change, dict[str, Action], str]] = {
    "nothing": (lambda p: None, {}, ""),
    "file of a directory": (
        lambda p: p.write("raw/a.txt", "b\n"),
        {"one": RUN, "two": RUN, "three": RUN},
        "one: modified dependency: raw",
    ),
    "parameter to a value that ran before": (
        lambda p: p.write("params.yaml", "rate: 0.9\n"),
        {"two": RESTORE},
        "two: modified parameter: params.yaml:rate: 0.5 -> 0.9",
    ),
    "parameter to a new value": (
        lambda p: p.write("params.yaml", "rate: 0.1\n"),
        {"two": RUN, "three": RUN},
        "two: modified parameter: params.yaml:rate: 0.5 -> 0.1",
    ),
    "parameter removed": (
        lambda p: p.write("params.yaml", "other: 1\n"),
        {"two": RUN, "three": RUN},
        "two: deleted parameter: params.yaml:rate",
    ),
    "parameters file removed": (
        remove("params.yaml"),
        {"two": RUN, "three": RUN},
        "two: deleted parameters file: params.yaml",
    ),
    "out removed": (remove("one"), {"one": RESTORE}, "one: missing out: one"),
    "out changed": (
        lambda p: (remove("two")(p), p.write("two", "x")),
        {"two": RESTORE},
        "two: modified out: two",
    ),
    "lock removed": (
        remove("dvc.lock"),
        {"one": RESTORE, "two": RESTORE, "three": RUN, "frozen": RUN},
        "one: never run: not in dvc.lock",
    ),
    "cache lost": (
        forget_objects,
        {"data.csv.dvc": RUN, "one": RUN, "two": RUN, "frozen": RUN},
        "one: out not in cache: one",
    ),
}


@pytest.mark.parametrize(("change", "actions", "reason"), CHANGES.values(), ids=CHANGES)
def test_actions_and_reasons(
    done: DvcProject, change: Change, actions: dict[str, Action], reason: str
) -> None:
    change(done)

    steps = plan(done)

    assert {name: step.action for name, step in steps.items() if step.action is not SKIP} == actions
    reasons = [f"{name}: {text}" for name, step in steps.items() for text in step.reasons]
    assert (reason in reasons) if reason else not reasons
    directly = {
        name
        for name, step in steps.items()
        if any(not text.startswith("upstream runs") for text in step.reasons)
    }
    # DVC also names what reads an out that is only to be put back.
    assert directly <= changed(done)
    assert directly == changed(done) or RESTORE in actions.values()


def test_raw_data_that_is_only_to_be_put_back_makes_nothing_else_run(done: DvcProject) -> None:
    (done.root / "data.csv").unlink()

    steps = plan(done)

    assert steps["data.csv.dvc"].action is RESTORE
    assert [name for name, step in steps.items() if step.action is RUN] == []


@pytest.fixture
def trees(project: DvcProject) -> DvcProject:
    """Stages that read an executable source, and parts of directories; run with other rates."""
    project.write("tool.sh", "echo tool\n", executable=True)
    for name in ("a", "deep/b", "deep/er/c"):
        project.write(f"raw/{name}", name)
    for source in ("tool.sh", "raw"):
        project.add(source)
    project.stages(
        {
            "make": {
                "cmd": "sh tool.sh > made; mkdir out; cp -r raw/deep out",
                "deps": ["tool.sh", "raw/deep"],
                "params": ["rate"],
                "outs": ["made", "out"],
            },
            "file": {"cmd": "cp raw/a file", "deps": ["raw/a"], "outs": ["file"]},
            "inner": {"cmd": "cp out/deep/er/c i", "deps": ["out/deep/er"], "outs": ["i"]},
        }
    )
    for rate in ("1", "2"):
        project.write("params.yaml", f"rate: {rate}\n")
        project.reproduce()
    project.commit()
    return project


def remove_data(project: DvcProject) -> None:
    (project.root / "tool.sh").unlink()
    for directory in ("raw", "out"):
        shutil.rmtree(project.root / directory)


def test_parts_of_what_is_only_to_be_put_back_are_foreseen(trees: DvcProject) -> None:
    remove_data(trees)
    trees.write("params.yaml", "rate: 1\n")

    steps = plan(trees)

    assert {name: step.action for name, step in steps.items()} == {
        "tool.sh.dvc": RESTORE,
        "raw.dvc": RESTORE,
        "make": RESTORE,
        "file": SKIP,
        "inner": SKIP,
    }


def test_parts_of_recorded_outs_are_those_of_the_commit(trees: DvcProject) -> None:
    remove_data(trees)

    steps = build_plan(Project(trees.root).view_commit("HEAD"))

    assert [(step.stage.name, step.reasons) for step in steps if step.reasons] == []


def test_part_that_the_directory_will_not_hold_is_missed(trees: DvcProject) -> None:
    text = (trees.root / "dvc.yaml").read_text()
    trees.write("dvc.yaml", text.replace("deps:\n    - raw/a", "deps:\n    - raw/gone"))
    remove_data(trees)

    assert plan(trees)["file"].reasons[0] == "deleted dependency: raw/gone"


def test_stages_that_were_not_asked_about_are_left_out(done: DvcProject) -> None:
    done.write("raw/a.txt", "b\n")
    checkout = Checkout(done.root, done.root.parent / "state", done.manifest())

    steps = build_plan(checkout, {"three", "one"})

    assert [step.stage.name for step in steps] == ["one", "three"]


def test_commit_whose_outs_are_recorded_is_fresh_without_a_checkout(done: DvcProject) -> None:
    for name in ("one", "two", "data.csv"):
        (done.root / name).unlink()

    steps = build_plan(Project(done.root).view_commit("HEAD"))

    assert {step.stage.name: step.reasons for step in steps} == {
        name: () for name in ("data.csv.dvc", "one", "two", "three", "frozen")
    }


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.write("raw/a.txt", "b\n"),
        lambda p: (p.root / "raw" / "tool.sh").chmod(0o644),
        lambda p: p.write("raw/deep/new.txt", "n\n"),
        lambda p: p.write("params.yaml", "rate: 0.1\n"),
        lambda p: (p.root / "raw" / "tool.sh").unlink(),
    ],
    ids=["code", "mode", "new file", "parameter", "removed file"],
)
def test_commit_is_judged_as_its_checkout_is(done: DvcProject, change: Change) -> None:
    change(done)
    done.commit()
    expected = {name: step.reasons for name, step in plan(done).items()}
    done.write("raw/a.txt", "something else\n")

    steps = build_plan(Project(done.root).view_commit("HEAD"))

    judged = {step.stage.name: step.reasons for step in steps}
    # Whether raw data is there is no matter of the commit.
    assert {name for name, reasons in judged.items() if reasons} - {"data.csv.dvc"} == {
        name for name, reasons in expected.items() if reasons
    } - {"data.csv.dvc"}


def test_other_raw_data_of_a_commit_makes_its_readers_stale(done: DvcProject) -> None:
    text = (done.root / "data.csv.dvc").read_text()
    done.write("data.csv.dvc", text.replace("b", "a"))
    done.commit()

    steps = build_plan(Project(done.root).view_commit("HEAD"))

    assert {step.stage.name for step in steps if step.reasons} - {"data.csv.dvc"} == {
        "two",
        "three",
    }
    # In the working tree a run records the data that is there again, which the readers know.
    assert {name for name, step in plan(done).items() if step.reasons} == {"data.csv.dvc"}


def test_stage_that_runs_again_with_the_same_inputs_makes_nothing_else_run(
    done: DvcProject,
) -> None:
    text = (done.root / "dvc.yaml").read_text()
    done.write("dvc.yaml", text.replace("  two:\n", "  two:\n    always_changed: true\n"))

    steps = plan(done)

    assert {name for name, step in steps.items() if step.reasons} == {"two"}
    assert steps["two"].action is RUN


def test_stage_that_adds_to_its_last_out_makes_its_readers_run(done: DvcProject) -> None:
    text = (done.root / "dvc.yaml").read_text()
    persistent = text.replace("- two\n  three", "- two:\n        persist: true\n  three")
    assert persistent != text
    done.write("dvc.yaml", persistent.replace("  two:\n", "  two:\n    always_changed: true\n"))

    steps = plan(done)

    assert steps["three"].reasons == ("upstream runs: two",)
