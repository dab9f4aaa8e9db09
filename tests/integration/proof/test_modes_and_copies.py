"""Models: neither run nor changed by anybody, signed by any program, and used as verified."""

import base64
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.contract.repository import Finished, Repository
from tests.integration.gates.gated_project import build

MODES = {
    "executable": "0755",
    "writable for all users": "0666",
    "set-user-ID": "4644",
    "sticky": "1644",
}


def verify(project: Repository, *words: str) -> dict[str, Any]:
    return project.ml_assets("verify", *words, "--json").document


def signature(document: dict[str, Any]) -> dict[str, str]:
    (found,) = [one for one in document["steps"] if one["name"] == "signature"]
    assert isinstance(found, dict)
    return found


def error(done: Finished) -> str:
    assert done.code == 1, done
    told = done.document["error"]
    assert told["kind"] == "mode"
    return f"{told['message']}: {told['hint']}"


# --- permission bits


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES.keys())
def test_model_whose_mode_was_changed_is_refused(proven: Repository, mode: str) -> None:
    assert verify(proven, "model.pkl")["verdict"] == "passed"
    (proven.project / "model.pkl").chmod(int(mode, 8))
    document = verify(proven, "model.pkl")
    assert document["verdict"] == "failed"
    assert f"mode {mode}" in signature(document)["detail"]
    assert "chmod" in signature(document)["detail"]


def test_run_whose_stage_writes_an_executable_model_says_what_to_do(
    repository: Repository,
) -> None:
    build(repository)
    repository.edit("dvc.yaml", "python3 train.py", "python3 train.py && chmod +x model.pkl")
    repository.commit()
    said = error(repository.ml_assets("run", "--json"))
    assert "is executable for its owner" in said
    assert "chmod u-x model.pkl" in said, "DVC takes the bit from the group and others"
    # It is recorded so in dvc.lock: whoever restores it gets it executable again.
    assert "isexec: true" in (repository.project / "dvc.lock").read_text()
    assert signature(verify(repository, "model.pkl"))["verdict"] == "failed"
    # The next run does not forget that something is still to be signed.
    assert "executable" in error(repository.ml_assets("run", "--json"))
    repository.edit("dvc.yaml", "chmod +x model.pkl", "chmod a-x model.pkl")
    repository.commit()
    repository.run()
    assert verify(repository, "model.pkl")["verdict"] == "passed"


def test_other_models_of_such_a_run_are_signed(repository: Repository) -> None:
    build(repository)
    repository.edit(
        "dvc.yaml",
        "wc -c < model.pkl > size.txt",
        "cp model.pkl size.txt; cp model.pkl other.pkl; chmod +x other.pkl",
    )
    repository.edit("dvc.yaml", "- size.txt", "- size.txt\n    - other.pkl")
    repository.commit()
    assert "is executable for its owner" in error(repository.ml_assets("run", "--json"))
    assert verify(repository, "model.pkl")["verdict"] == "passed"
    document = verify(repository, "other.pkl")
    assert document["verdict"] == "failed"


def test_model_that_its_stage_leaves_writable_for_all_gets_the_permissions_of_dvc(
    repository: Repository,
) -> None:
    build(repository)
    repository.edit("dvc.yaml", "python3 train.py", "python3 train.py && chmod 666 model.pkl")
    repository.commit()
    repository.run()
    assert stat.S_IMODE((repository.project / "model.pkl").stat().st_mode) == 0o644
    assert verify(repository, "model.pkl")["verdict"] == "passed"


def test_executable_file_of_a_directory_is_refused_until_it_is_restored(
    repository: Repository,
) -> None:
    """DVC keeps no bits of files in directories: what comes out of its cache has none."""
    repository.write("in", "1")
    command = "mkdir net && printf '].' > net/w.pkl && chmod +x net/w.pkl"
    repository.stages(
        {"fit": {"cmd": command, "deps": ["in"], "outs": ["net"]}},
        artifacts={"net": {"path": "net", "type": "model"}},
    )
    repository.commit()
    assert "net/w.pkl" in error(repository.ml_assets("run", "--json"))
    assert "isexec" not in (repository.project / "dvc.lock").read_text()
    repository.remove("net")
    repository.run()
    assert verify(repository, "net")["verdict"] == "passed"


def test_sign_refuses_and_signs_after_the_change_that_it_asks_for(proven: Repository) -> None:
    (proven.project / "model.pkl").chmod(0o777)
    words = ("sign", "model.pkl", "--environment", "materialize", "--json")
    assert "chmod u-x,g-x,o-x,o-w model.pkl" in error(proven.ml_assets(*words))
    (proven.project / "model.pkl").chmod(0o644)
    assert proven.ml_assets(*words).document["signed"] is True


# --- signatures that another program made


def sign_elsewhere(project: Repository, model: str, signature: Path) -> None:
    """Sign with ``model_signing``, and the key that the project's user has."""
    key = project.home / "user" / ".config" / "ml-assets" / "signing.key"
    words = ["-m", "model_signing", "sign", "key", "--private_key", str(key), "--signature"]
    words += [str(signature), str(project.project / model)]
    subprocess.run([sys.executable, *words], check=True, capture_output=True)


def test_signature_of_another_program_counts_if_its_key_does(
    proven: Repository, tmp_path: Path
) -> None:
    for path in (proven.project / ".ml-assets" / "state" / "ledger").rglob("*.json"):
        payload = base64.b64decode(json.loads(path.read_bytes())["dsseEnvelope"]["payload"])
        if json.loads(payload)["predicateType"] == "https://model_signing/signature/v1.0":
            path.unlink()
    assert verify(proven, "model.pkl")["verdict"] == "failed"
    sign_elsewhere(proven, "model.pkl", tmp_path / "model.sig")
    words = ("model.pkl", "--signature", str(tmp_path / "model.sig"))
    assert verify(proven, *words)["verdict"] == "passed"
    (proven.project / "model.pkl").chmod(0o755)
    assert "is executable" in signature(verify(proven, *words))["detail"]


def test_signature_that_is_given_is_the_one_that_counts(proven: Repository, tmp_path: Path) -> None:
    """A good one in the ledger does not make up for a bad one that was asked about."""
    (proven.project / "other.pkl").write_bytes(b"other")
    sign_elsewhere(proven, "other.pkl", tmp_path / "other.sig")
    document = verify(proven, "model.pkl", "--signature", str(tmp_path / "other.sig"))
    assert "another model" in signature(document)["detail"]
    assert document["verdict"] == "failed"


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 100_000])
def test_what_is_no_signature_is_an_error(
    proven: Repository, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "model.sig").write_bytes(content)
    done = proven.ml_assets("verify", "model.pkl", "--signature", str(tmp_path / "model.sig"))
    assert done.code == 1, done
    assert "not a bundle" in done.stderr


# --- copies


def test_what_was_verified_stands_at_the_place(proven: Repository, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / "served.pkl"
    document = verify(proven, "model.pkl", "--output", str(target))
    assert (document["verdict"], document["output"]) == ("passed", str(target))
    assert document["steps"][-1]["name"] == "output"
    assert target.read_bytes() == (proven.project / "model.pkl").read_bytes()
    assert stat.S_IMODE(target.stat().st_mode) == 0o444
    assert os.listdir(target.parent) == ["served.pkl"]


def change_a_byte(project: Repository) -> None:
    path = project.project / "model.pkl"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.unlink()
    path.write_bytes(content)


def make_executable(project: Repository) -> None:
    (project.project / "model.pkl").chmod(0o755)


def lose_the_ledger(project: Repository) -> None:
    for path in (project.project / ".ml-assets" / "state" / "ledger").rglob("*.json"):
        path.unlink()


@pytest.mark.parametrize("attack", [change_a_byte, make_executable, lose_the_ledger])
def test_nothing_is_left_of_what_is_refused(
    proven: Repository, tmp_path: Path, attack: Callable[[Repository], None]
) -> None:
    (tmp_path / "out").mkdir()
    attack(proven)
    document = verify(proven, "model.pkl", "--output", str(tmp_path / "out" / "served.pkl"))
    assert (document["verdict"], document["output"]) == ("failed", None)
    assert os.listdir(tmp_path / "out") == []


def test_copy_is_written_with_warnings_which_let_the_thing_be_used(
    proven: Repository, tmp_path: Path
) -> None:
    proven.write("raw.txt", "4\n3\n")  # not as in the commit
    proven.run()
    (tmp_path / "out").mkdir()
    served = tmp_path / "out" / "served.pkl"
    document = verify(proven, "model.pkl", "--output", str(served))
    assert (document["verdict"], document["output"]) == ("warned", str(served))
    assert served.read_bytes() == (proven.root / "model.pkl").read_bytes()


def test_directory_stands_at_the_place(repository: Repository, tmp_path: Path) -> None:
    repository.write("in", "1")
    command = "mkdir -p net/a && printf '].' > net/w.pkl && printf '].' > net/a/v.pkl"
    repository.stages(
        {"fit": {"cmd": command, "deps": ["in"], "outs": ["net"]}},
        artifacts={"net": {"path": "net", "type": "model"}},
    )
    repository.commit()
    repository.run()
    target = tmp_path / "served"
    assert verify(repository, "net", "--output", str(target))["verdict"] == "passed"
    found = {str(one.relative_to(target)): one.stat().st_mode & 0o777 for one in target.rglob("*")}
    assert found == {"a": 0o555, "a/v.pkl": 0o444, "w.pkl": 0o444}


def test_digest_has_no_bytes_to_write(proven: Repository, tmp_path: Path) -> None:
    digest = verify(proven, "model.pkl")["subject"]["digest"]["sha256"]
    done = proven.ml_assets("verify", f"sha256:{digest}", "--output", str(tmp_path / "x"))
    assert done.code == 2, done
    assert "--output and --signature need a file or directory" in done.stderr
    assert not (tmp_path / "x").exists()


def test_place_that_is_taken_is_not_touched(proven: Repository, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    done = proven.ml_assets("verify", "model.pkl", "--output", str(tmp_path / "mine"))
    assert done.code == 2, done
    assert "target already exists" in done.stderr
    assert (tmp_path / "mine").read_text() == "mine"
