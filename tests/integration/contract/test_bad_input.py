"""Bad input: a clear error of two lines, the right exit code, nothing run, nothing lost."""

import socket
from dataclasses import dataclass

import pytest

from .comparison import Step
from .refusal import (
    CONFIGURATION,
    FAILED,
    NOT_JUDGED,
    assert_error_document,
    assert_refused,
    assert_two_lines,
    good,
    write_stages,
)
from .repository import Repository


def version_1_lock(repository: Repository) -> None:
    """The lock of DVC 1: stages at the top, no schema."""
    repository.write(
        "dvc.lock",
        "one:\n  cmd: cp input.txt one.txt\n  deps:\n  - path: input.txt\n"
        "    md5: b026324c6904b2a9cb4b88d6d61c81d1\n",
    )


def write(path: str, content: str) -> Step:
    """Return a step that writes a file."""
    return lambda repository: repository.write(path, content)


@dataclass(frozen=True)
class Case:
    """One kind of broken project, and words that its error must contain."""

    name: str
    damage: Step
    words: tuple[str, ...]

    def __str__(self) -> str:
        """Return the name, for the identity of a test."""
        return self.name


def conflict(path: str, text: str) -> Step:
    """Return a step that leaves a merge conflict in a file."""
    sides = f"<<<<<<< HEAD\n{text}\n=======\n{text}  # theirs\n>>>>>>> other\n"

    def write(repository: Repository) -> None:
        file = repository.project / path
        kept = file.read_text(encoding="utf-8") if file.exists() else ""
        repository.write(path, kept + sides)

    return write


CASES = (
    Case("conflict-in-lock", conflict("dvc.lock", "schema: '2.0'"), ("conflict", "dvc.lock, line")),
    Case("conflict-in-graph", conflict("dvc.yaml", "  x:"), ("conflict", "dvc.yaml, line")),
    Case(
        "conflict-in-dvc-file", conflict("data.dvc", "outs: []"), ("conflict", "data.dvc, line 1")
    ),
    Case(
        "conflict-in-params", conflict("params.yaml", "a: 1"), ("conflict", "params.yaml, line 1")
    ),
    Case(
        "several-mistakes",
        write_stages(
            "  bad:\n    cmd: echo\n    always_changed: NO\n    outs:\n    - a: {cache: no}\n"
        ),
        ("line 14: expected bool", "['always_changed']", "line 16: expected bool", "['cache']"),
    ),
    Case("broken-yaml", write("dvc.yaml", "stages:\n  one: [\n"), ("dvc.yaml",)),
    Case("yaml-that-is-no-mapping", write("dvc.yaml", "- a\n- b\n"), ("dvc.yaml",)),
    Case("yaml-that-is-no-text", write("dvc.yaml", "stages: \x00\x01\n"), ("dvc.yaml",)),
    Case("unknown-key", write_stages("  bad:\n    command: echo\n"), ("dvc.yaml",)),
    Case("stage-without-command", write_stages("  bad:\n    outs: [bad.txt]\n"), ("dvc.yaml",)),
    Case("duplicate-stage", write_stages("  one:\n    cmd: echo\n"), ("one",)),
    Case("unknown-variable", write_stages("  bad:\n    cmd: echo ${nothing}\n"), ("nothing",)),
    Case(
        "missing-vars-file",
        write("dvc.yaml", "vars: [nowhere.yaml]\nstages:\n  a:\n    cmd: echo\n"),
        ("nowhere.yaml",),
    ),
    Case(
        "cycle",
        write_stages(
            "  a:\n    cmd: cp y x\n    deps: [y]\n    outs: [x]\n"
            "  b:\n    cmd: cp x y\n    deps: [x]\n    outs: [y]\n"
        ),
        (),
    ),
    Case(
        "stage-that-needs-itself",
        write_stages("  a:\n    cmd: echo\n    deps: [x]\n    outs: [x]\n"),
        ("dvc.yaml:a",),
    ),
    Case(
        "same-out-twice",
        write_stages("  bad:\n    cmd: echo 3 > two.txt\n    outs: [two.txt]\n"),
        ("two.txt",),
    ),
    Case(
        "out-inside-an-out",
        write_stages(
            "  a:\n    cmd: mkdir tree\n    outs: [tree]\n"
            "  b:\n    cmd: echo > tree/file\n    outs: [tree/file]\n"
        ),
        ("tree",),
    ),
    Case("version-1-lock", version_1_lock, ("dvc.lock",)),
    Case("broken-lock", write("dvc.lock", "schema: '2.0'\nstages:\n  one: [\n"), ("dvc.lock",)),
    Case(
        "lock-with-conflict-markers",
        write("dvc.lock", "schema: '2.0'\n<<<<<<< HEAD\nstages: {}\n=======\n>>>>>>> other\n"),
        ("dvc.lock",),
    ),
    Case("broken-dvc-file", write("data.dvc", "outs:\n- md5: [\n"), ("data.dvc",)),
    Case("broken-params", write("params.yaml", "a: [\n"), ("params.yaml",)),
    Case("date-in-params", write("params.yaml", "when: 2024-01-02\n"), ("params.yaml",)),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_broken_project_is_refused_and_mendable(repository: Repository, case: Case) -> None:
    good(repository)
    repository.run()
    lock = (repository.project / "dvc.lock").read_bytes()
    case.damage(repository)
    assert_refused(repository, CONFIGURATION, *case.words)
    good(repository)
    for path in (repository.project / "data.dvc", repository.project / "params.yaml"):
        path.unlink(missing_ok=True)
    (repository.project / "dvc.lock").write_bytes(lock)
    mended = repository.run()
    assert mended.ran == {}, mended
    assert repository.dvc("status", "--json").stdout.strip() == "{}"


def test_directory_without_git_and_dvc_is_refused(bare: Repository) -> None:
    finished = bare.ml_assets("run")
    assert finished.code == CONFIGURATION, finished
    assert_two_lines(finished)
    document = bare.ml_assets("run", "--json")
    assert document.code == CONFIGURATION, document
    assert_error_document(document)
    assert list(bare.root.iterdir()) == []


def test_git_repository_without_dvc_is_refused(bare: Repository) -> None:
    bare.git("init", "--quiet", "--initial-branch=main")
    bare.write("dvc.yaml", "stages: {}\n")
    finished = bare.ml_assets("run")
    assert finished.code == CONFIGURATION, finished
    assert_two_lines(finished, "dvc init")
    assert sorted(path.name for path in bare.root.iterdir()) == [".git", "dvc.yaml"]


def test_project_that_does_not_exist_is_refused(bare: Repository) -> None:
    finished = bare.ml_assets("run", project=str(bare.outside / "nowhere"))
    assert finished.code == CONFIGURATION, finished
    assert_two_lines(finished, "nowhere")


def test_empty_pipeline_is_not_an_error_and_runs_nothing(repository: Repository) -> None:
    finished = repository.run()
    assert finished.ran == {} and finished.document["assets"] == []


def test_broken_dvc_settings_are_refused(repository: Repository) -> None:
    good(repository)
    settings = repository.write(".dvc/config", "[core\nno = ")
    finished = repository.ml_assets("run")
    assert finished.code == CONFIGURATION, finished
    assert_two_lines(finished, "config")
    settings.write_text("", encoding="utf-8")
    assert sorted(repository.run().ran) == ["one", "two"]


@pytest.mark.parametrize("arguments", [("run", "--jobs", "0"), ("run", "--jobs", "x"), ("fly",)])
def test_wrong_usage_is_refused(repository: Repository, arguments: tuple[str, ...]) -> None:
    finished = repository.ml_assets(*arguments)
    assert finished.code == CONFIGURATION, finished
    assert_two_lines(finished)


def test_missing_data_with_no_remote_is_refused(repository: Repository) -> None:
    good(repository)
    repository.write("data.csv", "1\n")
    repository.dvc("add", "--quiet", "data.csv")
    repository.edit("dvc.yaml", "cp input.txt one.txt", "cat input.txt data.csv > one.txt")
    repository.edit("dvc.yaml", "deps:\n    - input.txt", "deps:\n    - data.csv\n    - input.txt")
    repository.commit()
    repository.remove("data.csv", ".dvc/cache")
    finished = repository.ml_assets("run", "--json")
    assert finished.code in (CONFIGURATION, NOT_JUDGED), finished
    assert_error_document(finished, "data.csv")
    assert "one" not in finished.ran
    repository.write("data.csv", "1\n")
    assert "one" in repository.run().ran


def closed_port() -> int:
    """Return a loopback port on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_remote_that_refuses_is_could_not_judge(repository: Repository) -> None:
    """The data is missing and its remote cannot be reached: not the project's fault, no verdict."""
    good(repository)
    repository.write("data.csv", "1\n")
    repository.dvc("add", "--quiet", "data.csv")
    repository.dvc("remote", "add", "-d", "far", f"http://127.0.0.1:{closed_port()}/store")
    repository.edit("dvc.yaml", "deps:\n    - input.txt", "deps:\n    - data.csv\n    - input.txt")
    repository.commit()
    repository.remove("data.csv", ".dvc/cache")
    finished = repository.ml_assets("run", "--json")
    assert finished.code == NOT_JUDGED, finished
    assert_error_document(finished)
    assert "one" not in finished.ran


@dataclass(frozen=True)
class Failure:
    """A stage that fails in one way, and words that its error must contain."""

    name: str
    command: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        """Return the name, for the identity of a test."""
        return self.name


FAILURES = (
    Failure("exit-code", "echo half > bad.txt; exit 7", ("bad", "7")),
    Failure("out-never-written", "echo nothing", ("bad", "bad.txt")),
    Failure("missing-interpreter", "no-such-interpreter train.py", ("bad", "127")),
    Failure("killed", "echo half > bad.txt; kill -9 $$", ("bad",)),
    Failure("syntax", "if then", ("bad",)),
    Failure("second-command", "[echo 1 > bad.txt, 'false']", ("bad",)),
    Failure("limited-file-size", "ulimit -f 1; head -c 100000 /dev/zero > bad.txt", ("bad",)),
)


@pytest.mark.parametrize("failure", FAILURES, ids=str)
def test_failed_stage_is_a_failure_and_others_are_kept(
    repository: Repository, failure: Failure
) -> None:
    good(repository)
    stage = f"  bad:\n    cmd: {failure.command}\n    deps: [two.txt]\n    outs: [bad.txt]\n"
    after = "  after:\n    cmd: cp bad.txt after.txt\n    deps: [bad.txt]\n    outs: [after.txt]\n"
    write_stages(stage + after)(repository)
    repository.commit()
    finished = repository.ml_assets("run", "--keep-going")
    assert finished.code == FAILED, finished
    assert_two_lines(finished, *failure.words)
    assert sorted(finished.ran) == ["bad", "one", "two"]
    lock = (repository.project / "dvc.lock").read_text(encoding="utf-8")
    assert "  one:" in lock and "  two:" in lock and "bad" not in lock
    ignored = (repository.project / ".gitignore").read_text(encoding="utf-8").split()
    assert {"/one.txt", "/two.txt"} <= set(ignored)
    assert not (repository.project / "after.txt").exists()

    again = repository.ml_assets("run", "--json")
    assert again.code == FAILED, again
    assert_error_document(again, *failure.words)
    assert sorted(again.ran) == ["bad"], "what had finished is not run again"

    repository.edit("dvc.yaml", failure.command, "echo good > bad.txt")
    assert sorted(repository.run().ran) == ["after", "bad"]
    assert repository.dvc("status", "--json").stdout.strip() == "{}"
    assert repository.repro().ran == {}


def test_failed_stage_without_json_reports_every_asset_once(repository: Repository) -> None:
    good(repository)
    write_stages("  bad:\n    cmd: exit 3\n    outs: [bad.txt]\n")(repository)
    finished = repository.ml_assets("run", "--json", "--keep-going")
    assert finished.code == FAILED, finished
    document = finished.document
    assert document["status"] == "failed"
    by_key = {asset["key"].split("/")[-1]: asset["status"] for asset in document["assets"]}
    assert by_key == {"one.txt": "passed", "two.txt": "passed", "bad.txt": "failed"}


MISSING = (
    Failure("dep", "cat gone > bad.txt", ("gone",)),
    Failure("parameter", "echo > bad.txt", ("gone",)),
)


@pytest.mark.parametrize("failure", MISSING, ids=str)
def test_stage_that_cannot_start_has_failed(repository: Repository, failure: Failure) -> None:
    good(repository)
    repository.write("params.yaml", "there: 1\n")
    key = "deps" if failure.name == "dep" else "params"
    write_stages(f"  bad:\n    cmd: {failure.command}\n    {key}: [gone]\n    outs: [bad.txt]\n")(
        repository
    )
    finished = repository.ml_assets("run", "--keep-going")
    assert finished.code == FAILED, finished
    assert_two_lines(finished, "bad", *failure.words)
    assert sorted(finished.ran) == ["one", "two"]
    repository.write("gone", "here\n")
    repository.write("params.yaml", "there: 1\ngone: 2\n")
    assert sorted(repository.run().ran) == ["bad"]


def test_debug_shows_the_traceback(repository: Repository) -> None:
    repository.write("dvc.yaml", "stages: [\n")
    assert "Traceback" not in repository.ml_assets("run").stderr
    debugged = repository.ml_assets("--debug", "run")
    assert debugged.code == CONFIGURATION, debugged
    assert "Traceback (most recent call last)" in debugged.stderr
    assert_last = debugged.stderr.splitlines()[-1]
    assert assert_last.startswith("hint: ")
