"""What comes out of DVC's caches: said to be restored, and where the policy asks for it, proven."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.contract.repository import Repository

POLICY = """version = 1
[environments.materialize]
default = { level = "advisory" }
verified-restores = true
"""


def provenances(project: Repository) -> list[dict[str, Any]]:
    found = []
    for path in (project.project / ".ml-assets" / "state" / "ledger").rglob("*.json"):
        payload = json.loads(path.read_bytes())["dsseEnvelope"]["payload"]
        statement = json.loads(base64.b64decode(payload))
        if statement["predicateType"] == "https://slsa.dev/provenance/v1":
            found.append(statement)
    return found


def actions(project: Repository) -> dict[str, str]:
    document = project.run()
    return {one["stage"]: one["action"] for one in document.document["assets"]}


def forget(project: Repository) -> None:
    for name in ("data.txt", "model.pkl", "size.txt"):
        (project.project / name).unlink()


def test_restored_out_is_stated_to_be_restored_with_its_origin(proven: Repository) -> None:
    forget(proven)
    assert set(actions(proven).values()) == {"restore"}
    restored = [
        one
        for one in provenances(proven)
        if one["predicate"]["buildDefinition"]["internalParameters"]["action"] == "restored"
    ]
    assert len(restored) == 3
    for one in restored:
        dependencies = one["predicate"]["buildDefinition"]["resolvedDependencies"]
        roles = [dependency["annotations"]["role"] for dependency in dependencies]
        assert "origin" in roles


def test_model_that_was_restored_still_verifies(proven: Repository) -> None:
    forget(proven)
    proven.run()
    assert proven.ml_assets("verify", "model.pkl").code == 0


def strict(project: Repository) -> None:
    project.write(".ml-assets/policy.toml", POLICY)
    project.commit()


def test_strict_policy_restores_what_is_proven(proven: Repository) -> None:
    strict(proven)
    forget(proven)
    assert set(actions(proven).values()) == {"restore"}


def test_strict_policy_runs_again_what_is_not_proven(repository: Repository) -> None:
    from tests.integration.gates.gated_project import build

    build(repository)
    repository.repro()  # nobody states what DVC does
    strict(repository)
    forget(repository)
    assert set(actions(repository).values()) == {"run"}


def test_cache_entry_that_somebody_planted_is_not_used(proven: Repository) -> None:
    """Whoever can write the cache and the lock can offer any bytes as a model."""
    strict(proven)
    import hashlib

    evil = b"\x80\x04]\x94."
    md5 = hashlib.md5(evil, usedforsecurity=False).hexdigest()
    cache = proven.project / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_bytes(evil)
    lock = proven.project / "dvc.lock"
    text = lock.read_text()
    start = text.index("model.pkl", text.index("outs:", text.index("  train:")))
    old = text[text.index("md5: ", start + len("model.pkl")) :].split()
    known = old[old.index("md5:") + 1] if old[1] == "md5" else old[1]
    lock.write_text(
        text.replace(known, md5).replace(f"size: {size_of(proven)}", f"size: {len(evil)}")
    )
    (proven.project / "model.pkl").unlink()
    before = proven.ml_assets("run", "--json")
    assert before.code == 0, before
    assert (proven.project / "model.pkl").read_bytes() != evil


def size_of(project: Repository) -> int:
    return (Path(project.project) / "model.pkl").stat().st_size


@pytest.mark.parametrize("value", [".nan", ".inf", "[1, .nan]"])
def test_parameter_that_json_does_not_know_is_stated_as_text(
    repository: Repository, value: str
) -> None:
    repository.write("params.yaml", f"odd: {value}\n")
    repository.stages({"s": {"cmd": "echo 1 > o", "params": ["odd"], "outs": ["o"]}})
    repository.commit()
    repository.run()
    (statement,) = provenances(repository)
    json.dumps(statement, allow_nan=False)
    assert repository.ml_assets("verify", "o").code == 0
