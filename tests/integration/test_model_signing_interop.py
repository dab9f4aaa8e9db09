"""The library model_signing beside our verifier: it accepts what is signed here; attacks it accepts
are refused here, each tried on both."""

import base64
import hashlib
import json
import os
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat
from model_signing import hashing, verifying

from security.content.file_tree import read_tree
from security.errors import SecurityError
from security.signing.bundle import Bundle, parse_bundle
from security.signing.envelope import Envelope, signed_message
from security.signing.model_signature import (
    root_digest,
    root_digests,
    verify_model_signature,
    write_model_statement,
)
from security.signing.public_key import PublicKey
from security.signing.signer import KeySigner
from security.signing.trust import Trust, TrustedKey

(_SCRIPT,) = entry_points(group="console_scripts", name="model_signing")
MODEL_SIGNING = _SCRIPT.load()
KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = PublicKey(KEY.public_key())
SIGNER = KeySigner(PUBLIC, lambda message: KEY.sign(message, ec.ECDSA(hashes.SHA256())))
TRUST = Trust({PUBLIC.id: TrustedKey("somebody", key=PUBLIC)})


def options() -> verifying.Config:
    """The library's options of a verification."""
    return verifying.Config()  # type: ignore[no-untyped-call]  # the library's has no types


def following_links() -> verifying.Config:
    """Options that follow links."""
    found = hashing.Config()  # type: ignore[no-untyped-call]  # the library's has no types
    return options().set_hashing_config(found.set_allow_symlinks(True))


class Signed:
    """A model with its signature, before and after an attack."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.model = directory / "model"
        (self.model / "part").mkdir(parents=True)
        (self.model / "weights.bin").write_bytes(b"weights")
        (self.model / "part" / "config.json").write_bytes(b"{}")
        statement = write_model_statement("model", read_tree(self.model).files)
        self.content = SIGNER.sign(statement.payload).content

    def sign_payload(self, payload: bytes) -> None:
        """Have the trusted key sign other bytes, as a careless signer would."""
        body = json.loads(self.content)
        signature = SIGNER.sign_message(signed_message(payload))
        body["dsseEnvelope"] = Envelope(payload, signature).to_json()
        self.content = json.dumps(body).encode()

    def change(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Have the trusted key sign another statement; its root digest is made right again."""
        body = json.loads(base64.b64decode(json.loads(self.content)["dsseEnvelope"]["payload"]))
        change(body)
        found = body["predicate"].get("resources", [])
        raw = b"".join(bytes.fromhex(one["digest"]) for one in found)
        if found:
            body["subject"][0]["digest"]["sha256"] = hashlib.sha256(raw).hexdigest()
        self.sign_payload(json.dumps(body).encode())

    def library_verifies(self, config: verifying.Config | None = None) -> None:
        """Verify as the library does, with its defaults unless other options are given."""
        signature, key = self.directory / "model.sig", self.directory / "key.pem"
        signature.write_bytes(self.content)
        key.write_bytes(PUBLIC.pem)
        config = (config or options()).use_elliptic_key_verifier(public_key=key)
        config.verify(self.model, signature)

    def verify(self) -> Bundle:
        """Verify as is done here."""
        bundle = parse_bundle(self.content)
        name = self.model.name
        return verify_model_signature(bundle, TRUST, name, read_tree(self.model)).bundle


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    return Signed(tmp_path)


def add(path: str) -> Callable[[Signed], None]:
    def attack(signed: Signed) -> None:
        added = signed.model / path
        added.parent.mkdir(parents=True, exist_ok=True)
        added.write_bytes(b"evil")

    return attack


def rename(signed: Signed) -> None:
    signed.model = signed.model.rename(signed.directory / "other")


def add_empty_directory(signed: Signed) -> None:
    (signed.model / "empty").mkdir()


def ignore_everything(signed: Signed) -> None:
    def change(body: dict[str, Any]) -> None:
        body["predicate"]["serialization"]["ignore_paths"] = ["."]
        body["predicate"]["resources"] = []
        body["subject"][0]["digest"]["sha256"] = hashlib.sha256(b"").hexdigest()

    signed.change(change)
    (signed.model / "weights.bin").write_bytes(b"evil")


def add_below_ignored(signed: Signed) -> None:
    signed.change(lambda body: body["predicate"]["serialization"]["ignore_paths"].append("cache"))
    add("cache/evil.py")(signed)


def name_a_file_twice(signed: Signed) -> None:
    def change(body: dict[str, Any]) -> None:
        last = body["predicate"]["resources"][-1]
        body["predicate"]["resources"].insert(0, {**last, "digest": "00" * 32})

    signed.change(change)


def write_a_key_twice(signed: Signed) -> None:
    payload = base64.b64decode(json.loads(signed.content)["dsseEnvelope"]["payload"])
    signed.sign_payload(
        payload.replace(b'"predicateType":', b'"predicateType":"x","predicateType":')
    )


def add_a_field(signed: Signed) -> None:
    signed.change(lambda body: body["predicate"].update(more=True))


def use_legacy_predicate(signed: Signed) -> None:
    def change(body: dict[str, Any]) -> None:
        found = body["predicate"]["resources"]
        body["predicateType"] = "https://model_signing/Digests/v0.1"
        body["predicate"] = {"unused": ""}
        body["subject"] = [
            {"name": one["name"], "digest": {"sha256": one["digest"]}} for one in found
        ]

    signed.change(change)


ACCEPTED_BY_THE_LIBRARY: dict[str, tuple[Callable[[Signed], None], str]] = {
    "file added under .git": (add(".git/hooks/evil"), "another model"),
    "file added under .github": (add(".github/evil.yml"), "another model"),
    ".gitattributes added": (add(".gitattributes"), "another model"),
    "renamed model": (rename, "another model"),
    "empty directory added": (add_empty_directory, "empty directory"),
    "everything ignored": (ignore_everything, "another model"),
    "file added under an ignored directory": (add_below_ignored, "another model"),
    "file named twice": (name_a_file_twice, "another model"),
    "key of the statement twice": (write_a_key_twice, "duplicate key"),
    "field added": (add_a_field, "another model"),
    "legacy predicate": (use_legacy_predicate, "unknown statement type"),
}


def test_what_is_signed_here_is_accepted_by_both(signed: Signed) -> None:
    signed.library_verifies()
    assert signed.verify().content == signed.content


def test_model_of_one_file_is_accepted_by_both(signed: Signed) -> None:
    signed.model = signed.model / "weights.bin"
    statement = write_model_statement("weights.bin", read_tree(signed.model).files)
    signed.content = SIGNER.sign(statement.payload).content
    signed.library_verifies()
    signed.verify()


def sign_elsewhere(signed: Signed, *options: str) -> None:
    """Sign with the library's own command, and take its signature."""
    key, signature = signed.directory / "private.pem", signed.directory / "elsewhere.sig"
    key.write_bytes(
        KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    words = ["sign", "key", "--private_key", str(key), "--signature", str(signature)]
    MODEL_SIGNING.main([*words, *options, str(signed.model)], standalone_mode=False)
    signed.content = signature.read_bytes()


@pytest.mark.parametrize("options", [(), ("--no-ignore-git-paths",)])
def test_what_the_library_signs_is_accepted(signed: Signed, options: tuple[str, ...]) -> None:
    sign_elsewhere(signed, *options)
    assert b"\n" in parse_bundle(signed.content).envelope.payload  # not as it is written here
    signed.verify()


def test_model_of_one_file_that_the_library_signs_is_accepted(signed: Signed) -> None:
    signed.model = signed.model / "weights.bin"
    sign_elsewhere(signed)
    signed.verify()


def test_files_in_the_order_of_the_library_are_accepted_under_its_digest(signed: Signed) -> None:
    """Part by part, ``part/config.json`` comes before ``part.bin``; letter by letter after it."""
    (signed.model / "part.bin").write_bytes(b"more")
    sign_elsewhere(signed)
    (subject,) = signed.verify().statement.subjects
    files = read_tree(signed.model).files
    assert root_digest(files) != subject.digest["sha256"]
    assert subject.digest["sha256"] in root_digests(files)


@pytest.mark.parametrize(
    ("options", "added"),
    [
        (("--ignore-paths", "cache"), "cache/evil.py"),
        (("--allow_symlinks",), ""),
        ((), ".git/hooks/evil"),
        ((), ".gitattributes"),
    ],
)
def test_what_the_library_signs_in_another_way_is_refused(
    signed: Signed, options: tuple[str, ...], added: str
) -> None:
    if "cache" in options:
        (signed.model / "cache").mkdir()  # the library asks for what it shall leave out
    ignored = [str(signed.model / one) if one == "cache" else one for one in options]
    sign_elsewhere(signed, *ignored)
    if added:
        add(added)(signed)
    signed.library_verifies(following_links() if "--allow_symlinks" in options else None)
    with pytest.raises(SecurityError, match="another model"):
        signed.verify()


@pytest.mark.parametrize(
    ("key", "value"), [("allow_symlinks", 0), ("method", "shards"), ("hash_type", "blake2b")]
)
def test_other_option_is_refused(signed: Signed, key: str, value: object) -> None:
    signed.change(lambda body: body["predicate"]["serialization"].update({key: value}))
    with pytest.raises(SecurityError, match="another model .*other options"):
        signed.verify()


@pytest.mark.parametrize("ignored", [".", "weights.bin", 1, None, [".git"]])
def test_left_out_file_is_refused_even_where_nothing_is(signed: Signed, ignored: object) -> None:
    signed.change(lambda body: body["predicate"]["serialization"]["ignore_paths"].append(ignored))
    with pytest.raises(SecurityError, match="another model .*ignored files"):
        signed.verify()


def test_renamed_file_is_refused(signed: Signed) -> None:
    """The model's digest is that of its files' digests: it does not tell their names."""
    before = root_digest(read_tree(signed.model).files)
    (signed.model / "weights.bin").rename(signed.model / "weights.pkl")
    assert root_digest(read_tree(signed.model).files) == before
    with pytest.raises(SecurityError, match="another model"):
        signed.verify()


@pytest.mark.parametrize("at", [0, 2])
def test_file_listed_twice_under_the_right_digest_is_refused(signed: Signed, at: int) -> None:
    body = json.loads(base64.b64decode(json.loads(signed.content)["dsseEnvelope"]["payload"]))
    files = body["predicate"]["resources"]
    files.insert(at, {**files[-1], "digest": files[-1]["digest"] if at else "00" * 32})
    signed.sign_payload(json.dumps(body).encode())
    with pytest.raises(SecurityError, match="another model .*duplicate file"):
        signed.verify()


def test_second_digest_of_the_model_is_refused(signed: Signed) -> None:
    signed.change(lambda body: body["subject"][0]["digest"].update(sha512="00" * 64))
    with pytest.raises(SecurityError, match="another model"):
        signed.verify()


@pytest.mark.parametrize(
    ("attack", "reason"), ACCEPTED_BY_THE_LIBRARY.values(), ids=ACCEPTED_BY_THE_LIBRARY.keys()
)
def test_attack_that_the_library_accepts_is_refused(
    signed: Signed, attack: Callable[[Signed], None], reason: str
) -> None:
    attack(signed)
    signed.library_verifies()
    with pytest.raises(SecurityError, match=reason):
        signed.verify()


@pytest.mark.parametrize("path", ["weights.bin", "added.bin", "part/added"])
def test_changed_or_added_file_is_refused_by_both(signed: Signed, path: str) -> None:
    add(path)(signed)
    with pytest.raises(ValueError, match="Signature mismatch"):
        signed.library_verifies()
    with pytest.raises(SecurityError, match="another model"):
        signed.verify()


def test_second_signature_is_refused(signed: Signed) -> None:
    body = json.loads(signed.content)
    body["dsseEnvelope"]["signatures"] *= 2
    signed.content = json.dumps(body).encode()
    with pytest.raises(SecurityError, match="exactly one signature"):
        signed.verify()


def test_special_file_is_refused_and_not_waited_for(signed: Signed) -> None:
    os.mkfifo(signed.model / "pipe")
    with pytest.raises(SecurityError, match="special file"):
        signed.verify()


def test_key_that_is_not_trusted_is_refused(signed: Signed) -> None:
    bundle = parse_bundle(signed.content)
    with pytest.raises(SecurityError, match="not trusted"):
        verify_model_signature(bundle, Trust({}), "model", read_tree(signed.model))


def test_link_out_of_the_model_is_refused(signed: Signed) -> None:
    outside = (signed.model / "weights.bin").rename(signed.directory / "outside")
    (signed.model / "weights.bin").symlink_to(f"../{outside.name}")
    signed.library_verifies(following_links())
    with pytest.raises(SecurityError, match="link or special file"):
        signed.verify()


def test_linked_directory_is_refused(signed: Signed) -> None:
    (signed.directory / "elsewhere").mkdir()
    (signed.directory / "elsewhere" / "evil.py").write_bytes(b"evil")
    (signed.model / "linked").symlink_to("../elsewhere")
    signed.library_verifies(following_links())
    with pytest.raises(SecurityError, match="link or special file"):
        signed.verify()


def test_file_that_nobody_signed_is_refused(signed: Signed) -> None:
    add("evil.py")(signed)
    signed.library_verifies(options().set_ignore_unsigned_files(True))
    with pytest.raises(SecurityError, match="another model"):
        signed.verify()


def test_signed_path_outside_of_the_model_is_refused(signed: Signed) -> None:
    (signed.directory / "outside").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    entry = {"name": "../outside", "algorithm": "sha256", "digest": digest}
    signed.change(lambda body: body["predicate"]["resources"].insert(0, entry))
    signed.library_verifies(options().set_ignore_unsigned_files(True))
    with pytest.raises(SecurityError, match="another model"):
        signed.verify()


def test_options_of_one_verification_do_not_reach_the_next(signed: Signed, tmp_path: Path) -> None:
    """The library keeps a signature's ignored paths in a configuration that is used again."""
    other = Signed(tmp_path / "second")
    add("cache/evil.py")(other)
    add_below_ignored(signed)
    config = options()
    signed.library_verifies(config)
    other.library_verifies(config)
    with pytest.raises(SecurityError, match="another model"):
        signed.verify()
    with pytest.raises(SecurityError, match="another model"):
        other.verify()
