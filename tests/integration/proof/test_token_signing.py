"""Signing with a key in a PKCS#11 token, tried on SoftHSM through the command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from security.signing.bundle import parse_bundle
from security.signing.public_key import load_public_key
from tests.integration.contract.repository import Finished, Repository
from tests.integration.proof.soft_token import PIN, SETTINGS, SoftToken, refused

pytestmark = pytest.mark.system("softhsm2")


def publish(project: Repository, token: SoftToken) -> str:
    """List the token's key on the protected branch, and return its id."""
    done = project.ml_assets("keys", "generate", "--json", extra=token.variables)
    assert done.code == 0, done
    project.commit("trust the token")
    return str(done.document["id"])


@pytest.fixture
def proven(project: Repository, token: SoftToken) -> Repository:
    """The project, run, so that the token has signed."""
    publish(project, token)
    done = project.ml_assets("run", "--json", extra=token.variables)
    assert done.code == 0, done
    return project


def verify(project: Repository) -> Finished:
    """Verify the model with neither token nor PIN."""
    return project.ml_assets("verify", "model.pkl", "--json")


def test_run_is_signed_by_the_token_and_verified_without_it(
    proven: Repository, token: SoftToken
) -> None:
    done = verify(proven)
    assert done.code == 0, done
    identifier = proven.ml_assets("keys", "show", "--json", extra=token.place).document["id"]
    bundles = (proven.project / ".ml-assets" / "state" / "ledger").rglob("*.json")
    signers = {parse_bundle(path.read_bytes()).hint for path in bundles}
    assert signers == {identifier}
    assert not (proven.home / "user" / ".config" / "ml-assets" / "signing.key").exists()
    with (proven.project / "model.pkl").open("ab") as stream:
        stream.write(b"x")
    assert verify(proven).code == 1


def test_model_signature_is_accepted_by_model_signing(proven: Repository, tmp_path: Path) -> None:
    done = proven.ml_assets("evidence", "model.pkl", "--output", str(tmp_path / "evidence"))
    assert done.code == 0, done
    (bundle,) = tmp_path.glob("evidence/bundles/model-signature-*")
    (key,) = tmp_path.glob("evidence/keys/*.pem")
    model = tmp_path / "evidence" / "artifact" / "model.pkl"
    words = [sys.executable, "-m", "model_signing", "verify", "key", str(model)]
    words += ["--signature", str(bundle), "--public_key", str(key)]
    accepted = subprocess.run(words, capture_output=True, text=True, check=False)
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr
    model.write_bytes(b"x")
    assert subprocess.run(words, capture_output=True, check=False).returncode != 0


def test_key_that_nobody_has_listed_is_not_believed(project: Repository, token: SoftToken) -> None:
    assert project.ml_assets("run", extra=token.variables).code == 0
    assert verify(project).code == 1


def test_show_needs_no_pin_and_generate_lists_the_key_once(
    project: Repository, token: SoftToken
) -> None:
    shown = project.ml_assets("keys", "show", extra=token.place)
    assert shown.code == 0, shown
    assert "token: pkcs11:token=signing;object=release" in shown.stdout
    assert "not trusted: not in the list" in shown.stdout
    identifier = publish(project, token)
    assert publish(project, token) == identifier
    trust = project.project / ".ml-assets" / "trust"
    assert (trust / "trust.toml").read_text().count("[[keys]]") == 1
    (pem,) = trust.glob("*.pem")
    assert load_public_key(pem.read_bytes()).id == identifier
    document = project.ml_assets("keys", "show", "--json", extra=token.place).document
    assert (document["id"], document["trusted"], document["file"]) == (identifier, True, None)


def test_rotating_makes_no_key_beside_the_token(project: Repository, token: SoftToken) -> None:
    said = refused(project, ("keys", "rotate"), token.variables, 2)
    assert "cannot create a key in a token" in said


@pytest.mark.parametrize(
    ("key", "code", "reason"),
    [
        ("object=other", 3, "no such public key: object='other'"),
        ("id=%99", 3, "no such public key: id=99"),
        ("object=twice", 2, "several such keys: object='twice'"),
        ("object=release;serial=0", 3, "no such token"),
        ("object=large", 3, "the key in the token is not an ECDSA key on P-256"),
        ("object=rsa", 3, "the key in the token is not an ECDSA key on P-256"),
        ("object=release?pin-value=1234", 2, "not a PKCS#11 URI with a path only"),
        ("object=release?module-path=/tmp/evil.so", 2, "not a PKCS#11 URI with a path only"),
    ],
)
def test_key_that_is_not_meant_or_cannot_be_used_is_refused(
    project: Repository, token: SoftToken, key: str, code: int, reason: str
) -> None:
    project.write(SETTINGS, token.settings(key))
    project.commit("another key")
    for words in (("keys", "show"), ("keys", "generate")):
        assert reason in refused(project, words, token.variables, code)
    done = project.ml_assets("run", extra=token.variables)
    assert (done.code, done.ran) == (code, {}), done
    assert reason in done.stderr


def test_public_key_of_another_private_key_is_not_listed(
    project: Repository, token: SoftToken
) -> None:
    project.write(SETTINGS, token.settings("object=mixed"))
    project.commit("halves of two keys")
    said = refused(project, ("keys", "generate"), token.variables, 1)
    assert "signature does not verify" in said
    assert not (project.project / ".ml-assets" / "trust").exists()
    done = project.ml_assets("run", extra=token.variables)
    assert (done.code, done.ran) == (3, {}), done


def test_one_of_two_keys_is_named_by_its_id(project: Repository, token: SoftToken) -> None:
    project.write(SETTINGS, token.settings("object=twice;id=%05"))
    project.commit("the second of two")
    publish(project, token)


@pytest.mark.parametrize(
    ("uri", "code", "reason"),
    [
        ("pkcs11:token=other;object=release", 3, "no such token"),
        ("pkcs11:token=double;object=release", 2, "several such tokens"),
    ],
)
def test_token_that_is_missing_or_not_the_only_one_is_refused(
    project: Repository, token: SoftToken, uri: str, code: int, reason: str
) -> None:
    project.write(SETTINGS, token.settings(uri=uri))
    project.commit("another token")
    assert reason in refused(project, ("keys", "generate"), token.variables, code)


@pytest.mark.parametrize(
    ("pin", "reason"), [("999999", "pin incorrect"), ("", "no PIN"), (None, "no PIN")]
)
def test_nothing_runs_with_a_wrong_pin_or_none(
    project: Repository, token: SoftToken, pin: str | None, reason: str
) -> None:
    variables = dict(token.place) if pin is None else {**token.place, "ML_ASSETS_PKCS11_PIN": pin}
    assert reason in refused(project, ("keys", "generate"), variables, 3)
    done = project.ml_assets("run", extra=variables)
    assert (done.code, done.ran) == (3, {}), done
    assert reason in done.stderr
    assert not pin or pin not in done.stderr + done.stdout


def test_pin_is_withheld_from_stages(project: Repository, token: SoftToken) -> None:
    project.edit("train.py", "import pathlib", "import os, pathlib; print(sorted(os.environ))")
    done = project.ml_assets("run", extra=token.variables)
    assert done.code == 0, done
    shown = done.stdout + done.stderr
    assert "SOFTHSM2_CONF'" in shown
    assert "ML_ASSETS_PKCS11_PIN'" not in shown
    assert PIN not in shown
    for path in (project.project / ".ml-assets").rglob("*"):
        assert not path.is_file() or PIN.encode() not in path.read_bytes(), path


def test_token_that_is_gone_in_the_middle_of_a_run_ends_it(
    project: Repository, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    token = SoftToken(tmp_path / "own")
    removing = f"import pathlib, shutil\nshutil.rmtree({str(token.directory)!r})\n"
    project.edit("train.py", "import pathlib\n", removing)
    project.commit("pull the token out")
    publish(project, token)
    done = project.ml_assets("run", extra=token.variables)
    assert done.code == 3, done
    assert "evaluate" not in done.ran
    assert "the token cannot sign" in done.stderr
    assert verify(project).code == 1


# --- one login for each process


def test_signers_of_one_process_work_one_after_the_other(token: SoftToken) -> None:
    """In a process of its own, since a module reads where its tokens lie only once."""
    program = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from resources.errors import UnavailableError
from resources.signing.pkcs11_signer import TokenKey, parse_uri

module, pin = sys.argv[1:]
def open_key(label, pin=pin):
    return TokenKey(parse_uri(f"pkcs11:token=signing;object={label}"), Path(module), pin)

first, second = open_key("release").open_signer(), open_key("release").open_signer()
with ThreadPoolExecutor(8) as pool:
    bundles = list(pool.map(lambda n: (first, second)[n % 2].sign(b"%d" % n), range(32)))
said = []
for _ in range(2):
    try:
        open_key("release", "000000").open_signer()
    except UnavailableError as error:
        said.append(error.message)
second.sign(b"still")
print(json.dumps({"bundles": len(bundles), "said": said, "shown": repr(open_key("release"))}))
"""
    words = [sys.executable, "-c", program, str(token.module), PIN]
    done = subprocess.run(
        words, env={**os.environ, **token.place}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["bundles"] == 32
    assert found["said"] == [
        "the token cannot sign: pin incorrect",
        "the token rejected this PIN before, not tried again",
    ]
    assert PIN not in found["shown"]
