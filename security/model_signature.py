"""The model signature: OpenSSF Model Signing v1.0, written from digests that are known."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from security.bundle import Bundle
from security.file_mode import verify_modes
from security.file_tree import FileTree
from security.public_key import SignatureError
from security.signature import Verified, verify_bundle
from security.statement import Statement, Subject, write_statement
from security.trust import Trust

PREDICATE = "https://model_signing/signature/v1.0"
_IGNORED = (".git", ".gitattributes", ".github", ".gitignore")


def write_model_statement(name: str, files: Mapping[str, str]) -> Statement:
    """Write what is signed of a model.

    Args:
        name: of its file or directory.
        files: sha256 by path relative to it; a single file's path is ``.``.
    """
    resources = [
        {"name": path, "algorithm": "sha256", "digest": files[path]} for path in sorted(files)
    ]
    predicate = {
        "serialization": {
            "method": "files",
            "hash_type": "sha256",
            "allow_symlinks": False,
            "ignore_paths": list(_IGNORED),
        },
        "resources": resources,
    }
    return write_statement([Subject(name, {"sha256": root_digest(files)})], PREDICATE, predicate)


def root_digest(files: Mapping[str, str]) -> str:
    """Return the digest by which a signature names a model: of its files' digests, by path."""
    raw = b"".join(bytes.fromhex(files[path]) for path in sorted(files))
    return hashlib.sha256(raw).hexdigest()


def verify_model_files(statement: Statement, name: str, files: Mapping[str, str]) -> None:
    """Verify that a verified statement was written of just this model.

    Raises:
        SignatureError: it was written of another, or in another way.
    """
    if write_model_statement(name, files).payload != statement.payload:
        raise SignatureError(
            f"the signature is of another model than {name}", "sign it: ml-assets sign"
        )


def verify_model_signature(bundle: Bundle, trust: Trust, name: str, model: FileTree) -> Verified:
    """Verify the signature of a model. The steps, each with the attack that it stops:

    1. The model was read by ``security.file_tree``: no link, special file or empty directory is in
       it, and nothing is left out for its name, ``.git`` and ``.gitattributes`` included.
    2. The signature is a trusted signer's, of a statement of this version
       (``security.signature``): not of the former ``Digests/v0.1``, nor of another kind.
    3. The statement is, byte for byte, what is written here of this name and these files: no other
       name, no file more or less or twice, no other option of serialization, no ignored path
       that the signer chose, no field beside.
    4. No file or directory has a permission bit that nothing of a model may have
       (``security.file_mode``): no statement of this kind holds them, so that setting one would
       leave the signature good.

    What happens to the files afterwards is not seen: use a copy (``security.private_copy``).

    Raises:
        SignatureError, StatementError, ModeError: a step finds something else.
    """
    verified = verify_bundle(bundle, trust)  # 2
    if verified.statement.predicate_type != PREDICATE:
        raise SignatureError("not the signature of a model", "sign it: ml-assets sign")
    verify_model_files(verified.statement, name, model.files)  # 1, 3
    verify_modes(name, model.modes)  # 4
    return verified
