"""After a run: verify, trace and impact say what is proven, and no attack keeps it said."""

import base64
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.contract.repository import Finished, Repository
from tests.integration.gates.gated_project import DIRTY, build


def verify(project: Repository, subject: str = "model.pkl", *words: str) -> dict[str, Any]:
    done = project.ml_assets("verify", subject, "--json", *words)
    document = done.document
    expected = {"passed": 0, "warned": 0, "failed": 1, "error": 3}[document["verdict"]]
    assert done.code == expected, done
    return document


def step(document: dict[str, Any], name: str) -> dict[str, str]:
    (found,) = [one for one in document["steps"] if one["name"] == name]
    assert isinstance(found, dict)
    return found


def ledger(project: Repository) -> Path:
    return project.project / ".ml-assets" / "state" / "ledger"


def statements(project: Repository) -> list[tuple[Path, dict[str, Any]]]:
    found = []
    for path in sorted(ledger(project).rglob("*.json")):
        envelope = json.loads(path.read_bytes())["dsseEnvelope"]
        found.append((path, json.loads(base64.b64decode(envelope["payload"]))))
    return found


def test_model_verifies_after_a_run(proven: Repository) -> None:
    document = verify(proven)
    assert document["verdict"] == "passed", document
    names = [one["name"] for one in document["steps"]]
    assert names == ["bytes", "signature", "provenance", "inputs", "commit", "gates"]
    assert document["slsa_level"] == 1
    assert "the build runner holds the signing key" in document["slsa_cap"]
    assert document["subject"]["name"] == "model.pkl"


def test_every_stage_has_slsa_provenance_and_every_result_is_signed(proven: Repository) -> None:
    kinds = [statement["predicateType"] for _, statement in statements(proven)]
    assert kinds.count("https://slsa.dev/provenance/v1") == 3
    assert kinds.count("https://model_signing/signature/v1.0") == 1
    assert kinds.count("https://slsa.dev/verification_summary/v1") == 1
    assert "urn:ml-assets:gate-result:v1" in kinds


def test_run_with_nothing_to_do_states_nothing_new(proven: Repository) -> None:
    proven.run()  # stored results are sealed for a directory, so a copy is judged once
    before = [path for path, _ in statements(proven)]
    proven.run()
    assert [path for path, _ in statements(proven)] == before


def test_digest_alone_is_said_to_be_no_bytes(proven: Repository) -> None:
    digest = verify(proven)["subject"]["digest"]["sha256"]
    document = verify(proven, f"sha256:{digest}")
    assert step(document, "bytes")["verdict"] == "warned"
    assert step(verify(proven, digest[:12]), "provenance")["verdict"] == "passed"


def test_trace_ends_at_the_commit(proven: Repository) -> None:
    document = proven.ml_assets("trace", "model.pkl", "--json").document
    commit = proven.git("rev-parse", "HEAD").strip()
    kinds = {node["name"]: node["kind"] for node in document["nodes"]}
    assert kinds["data.txt"] == "out"
    assert kinds["raw.txt"] == "code"
    assert commit in {node["id"] for node in document["nodes"]}
    ids = {node["id"] for node in document["nodes"]}
    assert all({edge["from"], edge["to"]} <= ids for edge in document["edges"])


def test_impact_reaches_what_was_made_from_a_file(proven: Repository) -> None:
    document = proven.ml_assets("impact", "raw.txt", "--json").document
    names = {node["name"] for node in document["nodes"]}
    assert names == {"raw.txt", "data.txt", "model.pkl", "size.txt"}


def test_picture_is_one_file_that_needs_no_other(proven: Repository, tmp_path: Path) -> None:
    for name in ("way.svg", "way.html"):
        assert proven.ml_assets("trace", "model.pkl", "--picture", str(tmp_path / name)).code == 0
        text = (tmp_path / name).read_text()
        assert "model.pkl" in text
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert proven.ml_assets("trace", "model.pkl", "--picture", "way.gif").code == 2


def test_index_that_is_lost_is_made_again(proven: Repository) -> None:
    for file in (proven.project / ".ml-assets" / "state").glob("statements.sqlite*"):
        file.unlink()
    assert verify(proven)["verdict"] == "passed"


# --- attacks


def change_model(project: Repository) -> None:
    path = project.project / "model.pkl"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.chmod(0o644)
    path.unlink()
    path.write_bytes(content)


def drop(kind: str) -> Callable[[Repository], None]:
    def attack(project: Repository) -> None:
        for path, statement in statements(project):
            if statement["predicateType"] == kind:
                path.unlink()

    return attack


def edit_statements(project: Repository) -> None:
    """Put the model's digest into a statement about something else, signature and all."""
    for path, statement in statements(project):
        bundle = json.loads(path.read_bytes())
        statement["subject"][0]["name"] = "other"
        payload = base64.b64encode(json.dumps(statement).encode()).decode()
        bundle["dsseEnvelope"]["payload"] = payload
        path.write_text(json.dumps(bundle))


def resign_with_another_key(project: Repository) -> None:
    """Sign everything anew with a key that nobody trusts, under the right names."""
    from security.signing.bundle import parse_bundle
    from tests.unit.security.statements.statement_samples import make_signer

    signer = make_signer()
    for path, _ in statements(project):
        bundle = signer.sign(parse_bundle(path.read_bytes()).envelope.payload)
        path.unlink()
        target = ledger(project) / bundle.sha256[:2] / f"{bundle.sha256[2:]}.json"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(bundle.content)


@pytest.mark.parametrize(
    ("attack", "verdict", "caught_by"),
    [
        (change_model, "failed", "signature"),
        (drop("https://model_signing/signature/v1.0"), "failed", "signature"),
        (drop("https://slsa.dev/provenance/v1"), "failed", "provenance"),
        (drop("https://slsa.dev/verification_summary/v1"), "failed", "gates"),
        (drop("urn:ml-assets:gate-result:v1"), "error", "gates"),
        (edit_statements, "failed", "provenance"),
        (resign_with_another_key, "failed", "provenance"),
    ],
)
def test_attack_is_caught(
    proven: Repository, attack: Callable[[Repository], None], verdict: str, caught_by: str
) -> None:
    attack(proven)
    document = verify(proven)
    assert document["verdict"] == verdict, document
    assert step(document, caught_by)["verdict"] in ("failed", "error")


def test_index_that_lies_is_not_believed(proven: Repository) -> None:
    """A row that leads from a harmful file to the model's statements makes it no model."""
    model = verify(proven)["subject"]["digest"]["sha256"]
    evil = proven.write("evil.pkl", b"cos\nsystem\n(S'x'\ntR.")
    import hashlib

    digest = hashlib.sha256(evil.read_bytes()).hexdigest()
    root = hashlib.sha256(bytes.fromhex(digest)).hexdigest()
    model_root = hashlib.sha256(bytes.fromhex(model)).hexdigest()
    database = sqlite3.connect(proven.project / ".ml-assets" / "state" / "statements.sqlite")
    with database:
        for old, new in ((model, digest), (model_root, root)):
            rows = database.execute("SELECT statement FROM subjects WHERE digest = ?", (old,))
            for (number,) in rows.fetchall():
                database.execute("INSERT INTO subjects VALUES (?, ?)", (new, number))
    database.close()
    document = verify(proven, "evil.pkl")
    assert document["verdict"] == "failed", document
    assert step(document, "provenance")["verdict"] == "failed"


def test_statements_of_another_project_prove_only_their_own(
    proven: Repository, tmp_path: Path
) -> None:
    other = proven.copy(tmp_path / "other")
    shutil.rmtree(ledger(other))
    for file in (other.project / ".ml-assets" / "state").glob("statements.sqlite*"):
        file.unlink()
    assert verify(other)["verdict"] == "failed"


def test_file_added_to_a_directory_is_noticed_whatever_its_name(repository: Repository) -> None:
    repository.stages(
        {"fit": {"cmd": "mkdir net && printf '].' > net/w.pkl", "deps": ["in"], "outs": ["net"]}},
        artifacts={"net": {"path": "net", "type": "model"}},
    )
    repository.write("in", "1")
    repository.commit()
    repository.run()
    assert verify(repository, "net")["verdict"] == "passed"
    for name in (".git/hooks/x", ".gitattributes", "w2.pkl", ".github/x"):
        copy = repository.copy(repository.home.parent / name.replace("/", "_"))
        copy.write(f"net/{name}", "evil")
        assert verify(copy, "net")["verdict"] == "failed", name
    (repository.project / "net" / "empty").mkdir()
    assert repository.ml_assets("verify", "net").code == 1
    (repository.project / "net" / "empty").rmdir()
    (repository.project / "net" / "link").symlink_to("/etc/passwd")
    assert repository.ml_assets("verify", "net").code == 1


@pytest.mark.parametrize("name", ["renamed.pkl", "notes.txt", "models/model2.pkl"])
def test_model_under_another_name_is_refused(proven: Repository, name: str) -> None:
    proven.write(name, (proven.project / "model.pkl").read_bytes())
    document = verify(proven, name)
    assert step(document, "signature")["verdict"] == "failed", document


REQUIRED = """version = 1
[environments.release]
default = { level = "advisory" }
[environments.release.gates]
model-validation = { level = "required" }
"""


def test_model_is_not_signed_while_a_required_gate_has_nothing_to_judge(
    repository: Repository,
) -> None:
    build(repository)
    repository.write(".ml-assets/policy.toml", REQUIRED)
    repository.commit()
    done = repository.ml_assets("sign", "model.pkl", "--environment", "release")
    assert done.code == 2  # it is not there yet
    (repository.project / ".ml-assets" / "policy.toml").unlink()
    repository.commit()
    repository.run()
    drop("https://model_signing/signature/v1.0")(repository)
    repository.write(".ml-assets/policy.toml", REQUIRED)
    repository.commit()
    done = repository.ml_assets("sign", "model.pkl", "--environment", "release", "--json")
    assert done.code == 3, done
    assert done.document["signed"] is False
    assert verify(repository, "model.pkl", "--environment", "release")["verdict"] != "passed"


def test_signature_is_written_to_a_file_where_it_is_asked_for(
    proven: Repository, tmp_path: Path
) -> None:
    words = ("sign", "model.pkl", "--environment", "materialize", "--output")
    done = proven.ml_assets(*words, str(tmp_path / "model.sig"))
    assert done.code == 0, done
    assert json.loads((tmp_path / "model.sig").read_bytes())["mediaType"].endswith("v0.3+json")


def test_what_is_no_model_is_not_signed(proven: Repository) -> None:
    assert proven.ml_assets("sign", "data.txt").code == 2


def test_dirty_code_is_not_signed(proven: Repository, tmp_path: Path) -> None:
    proven.write("train.py", (proven.project / "train.py").read_text() + DIRTY)
    words = ("sign", "model.pkl", "--environment", "materialize", "--output")
    done = proven.ml_assets(*words, str(tmp_path / "model.sig"))
    assert done.code == 1, done
    assert not (tmp_path / "model.sig").exists()


# --- bad input


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["verify", "nothing"], 2, "no such file"),
        (["verify", "ab12cd34"], 2, "unknown digest"),
        (["verify", "registry.example/model:1"], 2, "not supported yet"),
        (["verify", "model.pkl", "--environment", "moon"], 2, "unknown environment"),
        (["trace", "nothing"], 2, "no such file"),
        (["impact", "pkg:"], 2, "not a package URL"),
        (["impact", "CVE-2199-1"], 3, "unknown here: CVE-2199-1; advisories end 20"),
        (["impact", "ghsa-xxxx-yyyy-zzzz"], 3, "unknown here: GHSA-XXXX-YYYY-ZZZZ"),
    ],
)
def test_bad_subject_is_an_error_with_a_hint(
    proven: Repository, words: list[str], code: int, said: str
) -> None:
    done = proven.ml_assets(*words)
    assert done.code == code, done
    assert said in done.stderr
    assert "hint:" in done.stderr


def test_impact_of_a_package_without_any_bill_is_no_clean_answer(proven: Repository) -> None:
    drop("https://cyclonedx.org/bom")(proven)
    done = proven.ml_assets("impact", "pkg:pypi/jinja2", "--json")
    assert done.code == 3, done
    assert "no trusted bill of materials" in done.document["error"]["message"]


def test_pipe_is_not_waited_for(proven: Repository) -> None:
    os.mkfifo(proven.project / "pipe")
    assert proven.ml_assets("verify", "pipe").code == 1


# --- what a stage can reach


def reads(project: Repository, command: str) -> Finished:
    project.stages({"spy": {"cmd": command, "outs": ["seen"]}})
    project.commit()
    return project.ml_assets("run", "--json")


@pytest.mark.parametrize("name", ["signing.key", "results.secret"])
def test_stage_cannot_read_what_signs(proven: Repository, name: str) -> None:
    key = proven.home / "user" / ".config" / "ml-assets" / name
    assert key.exists()
    done = reads(proven, f"cat {key} > seen || echo kept > seen")
    assert done.code == 0, done
    assert (proven.project / "seen").read_text() == "kept\n"


def test_stage_cannot_replace_what_signs(proven: Repository) -> None:
    directory = proven.home / "user" / ".config" / "ml-assets"
    before = (directory / "signing.key").read_bytes()
    done = reads(
        proven,
        f"(echo mine > {directory}/signing.key; rm {directory}/signing.key;"
        f" mv {directory} {directory}.old; ln -s /tmp {directory}) 2>/dev/null; echo x > seen",
    )
    assert done.code == 0, done
    assert (directory / "signing.key").read_bytes() == before
    assert not directory.is_symlink()


def test_stage_cannot_look_into_our_memory(proven: Repository) -> None:
    done = reads(proven, "cat /proc/$PPID/mem > seen 2>/dev/null || echo kept > seen")
    assert done.code == 0, done
    assert (proven.project / "seen").read_text() == "kept\n"


def test_statement_that_a_stage_forges_is_not_believed(proven: Repository) -> None:
    """A stage that may write into the ledger has nothing to sign with."""
    proven.write("ml-assets.toml", 'writable = [".ml-assets"]\n')
    forged = proven.project / "forge.py"
    forged.write_text(
        "import pathlib, sys\n"
        "from security.signing.bundle import parse_bundle\n"
        "from tests.unit.security.statements.statement_samples import make_signer\n"
        "root = pathlib.Path('.ml-assets/state/ledger')\n"
        "signer = make_signer()\n"
        "for path in list(root.rglob('*.json')):\n"
        "    payload = parse_bundle(path.read_bytes()).envelope.payload\n"
        "    bundle = signer.sign(payload.replace(b'model.pkl', b'evil.bin!'))\n"
        "    to = root / bundle.sha256[:2] / (bundle.sha256[2:] + '.json')\n"
        "    to.parent.mkdir(exist_ok=True)\n"
        "    to.write_bytes(bundle.content)\n"
        "pathlib.Path('seen').write_text('done')\n"
    )
    here = Path(__file__).parents[3]
    done = reads(proven, f"PYTHONPATH={here} {sys.executable} forge.py")
    assert done.code == 0, done
    assert (proven.project / "seen").read_text() == "done"
    assert "evil.bin!" not in proven.ml_assets("impact", "raw.txt").stdout


def test_provenance_says_that_the_stage_was_confined(proven: Repository) -> None:
    for _, statement in statements(proven):
        if statement["predicateType"] == "https://slsa.dev/provenance/v1":
            inner = statement["predicate"]["buildDefinition"]["internalParameters"]
            assert inner["confined"] is True


def test_private_key_is_nowhere_in_the_project(proven: Repository) -> None:
    directory = proven.home / "user" / ".config" / "ml-assets"
    key = (directory / "signing.key").read_bytes()
    assert (directory / "signing.key").stat().st_mode & 0o777 == 0o600
    body = b"".join(key.splitlines()[1:-1])
    for path in proven.project.rglob("*"):
        if path.is_file():
            assert body not in path.read_bytes().replace(b"\n", b""), path
