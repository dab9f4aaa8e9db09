"""Caches, locks and files are no evidence: what no run of the project made is never signed."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.integration.contract.repository import Finished, Repository
from tests.integration.gates.gated_project import HARMLESS, build

FORGED = HARMLESS.replace(b"?", b"@")


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def plant(project: Repository, content: bytes) -> str:
    """Put bytes into DVC's cache; return their md5."""
    digest = md5(content)
    path = project.project / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return digest


def verify(project: Repository, subject: str = "model.pkl", *words: str) -> dict[str, str]:
    """Return the verdict of each step."""
    document = project.ml_assets("verify", subject, "--json", *words).document
    return {one["name"]: one["verdict"] for one in document["steps"]}


@pytest.fixture
def fresh(repository: Repository) -> Repository:
    """Three stages that have never run, committed."""
    build(repository)
    repository.commit("pipeline")
    return repository


@pytest.fixture
def forged(fresh: Repository) -> Repository:
    """A run-cache entry that says that the honest stage has made other bytes."""
    fresh.repro()
    forge_runs(fresh)
    for name in ("model.pkl", "size.txt", "dvc.lock"):
        (fresh.project / name).unlink()
    return fresh


def forge_runs(project: Repository) -> None:
    new = plant(project, FORGED)
    for path in (project.project / ".dvc" / "cache" / "runs").rglob("*"):
        if path.is_file():
            path.write_text(path.read_text().replace(md5(HARMLESS), new))


def test_forged_run_cache_entry_is_restored_but_never_signed(forged: Repository) -> None:
    done = forged.ml_assets("run")
    assert done.code == 0, done
    assert (forged.project / "model.pkl").read_bytes() == FORGED
    assert "signed: model.pkl" not in done.stdout
    assert "not proven, so never signed: model.pkl" in done.stderr
    steps = verify(forged)
    assert steps["signature"] == "failed"
    assert steps["provenance"] == "warned"
    staging = verify(forged, "model.pkl", "--environment", "staging")
    assert staging["provenance"] == "failed"
    assert verify(forged, "size.txt")["inputs"] == "warned"


def test_forged_run_cache_entry_is_not_restored_for_staging(forged: Repository) -> None:
    forged.ml_assets("run", "--environment", "staging")
    assert (forged.project / "model.pkl").read_bytes() == HARMLESS


def test_model_that_is_restored_from_an_honest_run_is_signed_and_verifies(
    proven: Repository,
) -> None:
    for name in ("model.pkl", "size.txt", "dvc.lock"):
        (proven.project / name).unlink()
    done = proven.ml_assets("run")
    assert "signed: model.pkl" in done.stdout, done
    assert set(verify(proven).values()) == {"passed"}


@pytest.mark.parametrize("place", [".dvc/cache/x", ".dvc/tmp/x", ".DVC/Cache/x", "kept/x"])
def test_commit_with_a_cache_is_refused(fresh: Repository, place: str) -> None:
    if place == "kept/x":
        fresh.dvc("cache", "dir", "kept")
    if place.startswith(".DVC") and (fresh.root / ".DVC").exists():
        pytest.skip("the file system ignores case")
    fresh.write(place, "x")
    fresh.git("add", "--force", place)
    fresh.commit("a cache")
    for command in ("run", "plan"):
        done = fresh.ml_assets(command)
        assert done.code == 2, done
        assert "tracked by Git" in done.stderr
    fresh.git("rm", "-r", "--quiet", place.rpartition("/")[0])  # the hint
    fresh.commit("no cache")
    assert fresh.ml_assets("plan").code == 0


def test_forged_lock_is_neither_signed_by_a_run_nor_by_hand(
    proven: Repository, tmp_path: Path
) -> None:
    lock = proven.project / "dvc.lock"
    lock.write_text(lock.read_text().replace(md5(HARMLESS), plant(proven, FORGED)))
    (proven.project / "model.pkl").unlink()
    done = proven.ml_assets("run", "--pull", "--select", "train")
    assert "signed: model.pkl" not in done.stdout
    shutil.copyfile(
        proven.project / ".dvc/cache/files/md5" / md5(FORGED)[:2] / md5(FORGED)[2:],
        proven.project / "model.pkl",
    )
    words = ("sign", "model.pkl", "--environment", "materialize", "--output")
    done = proven.ml_assets(*words, str(tmp_path / "model.sig"))
    assert done.code == 1, done
    assert "no trusted provenance" in done.stderr
    assert not (tmp_path / "model.sig").exists()


def sign(project: Repository, target: Path, *words: str) -> Finished:
    return project.ml_assets(
        "sign", "model.pkl", "--environment", "materialize", "--output", str(target), *words
    )


def test_bytes_that_the_lock_contradicts_are_not_signed(proven: Repository, tmp_path: Path) -> None:
    model = proven.project / "model.pkl"
    model.unlink()
    model.write_bytes(FORGED)
    for words in ((), ("--without-provenance", "because")):
        done = sign(proven, tmp_path / "model.sig", *words)
        assert done.code == 1, done
        assert "changed after its stage wrote it" in done.stderr
    assert not (tmp_path / "model.sig").exists()


def test_reason_to_sign_without_provenance_is_in_the_signature(
    fresh: Repository, tmp_path: Path
) -> None:
    fresh.repro()  # nobody states what DVC does
    assert sign(fresh, tmp_path / "no.sig").code == 1
    done = sign(fresh, tmp_path / "model.sig", "--without-provenance", "made by the vendor")
    assert done.code == 0, done
    import base64

    envelope = json.loads((tmp_path / "model.sig").read_bytes())["dsseEnvelope"]
    statement = json.loads(base64.b64decode(envelope["payload"]))
    assert statement["predicate"]["ml-assets:without-provenance"] == "made by the vendor"
    document = fresh.ml_assets("verify", "model.pkl", "--json").document
    steps = {one["name"]: one for one in document["steps"]}
    assert "made by the vendor" in steps["signature"]["detail"]
    assert steps["provenance"]["verdict"] == "failed"


# --- files that change during a run


def stages(project: Repository, evaluate: str, train: str = "python3 train.py") -> None:
    build(project)
    project.stages(
        {
            "train": {"cmd": train, "deps": ["raw.txt", "train.py"], "outs": ["model.pkl"]},
            "evaluate": {"cmd": evaluate, "deps": ["model.pkl"], "outs": ["size.txt"]},
        }
    )
    project.commit("pipeline")


@pytest.mark.parametrize(
    "attack",
    [
        "printf x > model.pkl",
        "cp model.pkl m && printf '].' >> m && mv m model.pkl",
        "python3 -c \"import os; s = os.stat('model.pkl'); b = open('model.pkl', 'rb').read();"
        " os.unlink('model.pkl'); open('model.pkl', 'wb').write(b.replace(b'?', b'@'));"
        " os.utime('model.pkl', ns=(s.st_atime_ns, s.st_mtime_ns))\"",
    ],
)
def test_out_that_a_later_stage_rewrites_fails_the_run(repository: Repository, attack: str) -> None:
    stages(repository, f"{attack}; echo 1 > size.txt")
    for _ in range(2):
        done = repository.ml_assets("run", "--json")
        assert done.code == 1, done
        assert done.document["status"] == "failed"
        assert "out changed after its stage wrote it: model.pkl" in str(done.document["error"])
    assert repository.ml_assets("verify", "model.pkl").code == 1


def edit_while_running(project: Repository) -> None:
    """Let the stage itself edit a dep, as an editor could at the same time."""
    edit = "cat raw.txt > seen; python3 train.py; test -e done || echo 3 >> raw.txt; touch done"
    stages(project, "wc -c < model.pkl > size.txt", edit)


def test_dep_that_changes_while_its_stage_runs_is_never_fresh(repository: Repository) -> None:
    edit_while_running(repository)
    done = repository.ml_assets("run")
    assert done.code == 0, done
    before, after = md5(b"1\n2\n")[:12], md5(b"1\n2\n3\n")[:12]
    said = f"raw.txt: {before} before, {after} after"
    assert f"changed while train ran, so it is not fresh: {said}" in done.stdout
    document = repository.ml_assets("plan", "--json").document
    (train,) = [one for one in document["assets"] if one["stage"] == "train"]
    assert train["action"] == "run"
    assert f"dependency changed while the stage ran: {said}" in train["reasons"]
    answer = repository.ml_assets("verify", "model.pkl", "--json").document
    (inputs,) = [one for one in answer["steps"] if one["name"] == "inputs"]
    assert inputs["verdict"] == "warned"
    assert "raw.txt changed while train ran" in inputs["detail"]
    assert repository.ml_assets("run").code == 0  # the file stays as it is now
    document = repository.ml_assets("plan", "--json").document
    assert {one["action"] for one in document["assets"]} == {"skip"}
    assert set(verify(repository).values()) <= {"passed", "warned"}


def test_bytecode_and_outs_in_a_directory_dep_are_no_change(repository: Repository) -> None:
    repository.write("src/tool.py", "x = 1\n")
    command = "cd src && PYTHONDONTWRITEBYTECODE= python3 -c 'import tool' && echo 1 > made.txt"
    repository.stages({"s": {"cmd": command, "deps": ["src"], "outs": ["src/made.txt"]}})
    repository.commit("pipeline")
    done = repository.ml_assets("run")
    if done.code == 0:  # DVC may refuse an out in a dep
        assert "is not fresh" not in done.stdout
    assert os.path.isdir(repository.project / "src")
