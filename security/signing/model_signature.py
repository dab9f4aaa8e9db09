"""The model signature: OpenSSF Model Signing v1.0, from known digests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from security.content.field import Field
from security.content.file_mode import verify_modes
from security.content.file_tree import FileTree
from security.signing.bundle import Bundle
from security.signing.public_key import SignatureError
from security.signing.signature import Verified, verify_bundle
from security.signing.trust import Trust
from security.statements.statement import Statement, Subject, write_statement

PREDICATE = "https://model_signing/signature/v1.0"
_OPTIONS = {"method": "files", "hash_type": "sha256", "allow_symlinks": False}
_UNPROVEN = "ml-assets:without-provenance"
_RESOURCE_FIELDS = ("name", "algorithm", "digest")
_IGNORED = (".git", ".gitattributes", ".github", ".gitignore")


def write_model_statement(
    name: str, files: Mapping[str, str], unproven: str | None = None
) -> Statement:
    """Write the statement that is signed for a model.

    Args:
        name: the name of its file or directory.
        files: sha256 by path relative to it; a single file's path is ``.``.
        unproven: the reason to sign a model without provenance, which the statement records;
            ``model_signing`` does not read this field.
    """
    resources = [
        {"name": path, "algorithm": "sha256", "digest": files[path]} for path in sorted(files)
    ]
    predicate: dict[str, object] = {
        "serialization": {**_OPTIONS, "ignore_paths": list(_IGNORED)},
        "resources": resources,
        **({_UNPROVEN: unproven} if unproven is not None else {}),
    }
    return write_statement([Subject(name, {"sha256": root_digest(files)})], PREDICATE, predicate)


def root_digest(files: Mapping[str, str]) -> str:
    """Return the digest of a model in its signature: of its files' digests, sorted by path."""
    return _digest_of(files, sorted(files))


def root_digests(files: Mapping[str, str]) -> list[str]:
    """Return all digests that a signature of exactly these files may have.

    The format sorts files and does not say how. ``model_signing`` compares paths part by part:
    there, ``a/b`` comes before ``a.b``.
    """
    by_parts = sorted(files, key=lambda path: path.split("/"))
    return list(dict.fromkeys((root_digest(files), _digest_of(files, by_parts))))


def _digest_of(files: Mapping[str, str], order: Sequence[str]) -> str:
    return hashlib.sha256(b"".join(bytes.fromhex(files[path]) for path in order)).hexdigest()


def verify_model_files(statement: Statement, name: str, files: Mapping[str, str]) -> None:
    """Verify that a verified statement is about exactly this model.

    The layout of its JSON, and the order of keys and files, do not matter:

    a. It has one subject: this name, and the root digest of these files.
    b. It has no further field but a reason to sign without provenance, and only our serialization
       options.
    c. The signer may have ignored Git's files and no others. They are not ignored here.
    d. It lists each file exactly once, with its digest, and no further file.

    Raises:
        SignatureError: it is about another model, or has other options.
    """
    try:
        listed = _parse_files(statement, name, root_digests(files))
    except ValueError as error:
        raise _another(f"the signature is of another model than {name}: {error}") from error
    if listed != dict(files):  # d
        raise _another(f"the signature is of another model than {name}")


def _parse_files(statement: Statement, name: str, roots: Sequence[str]) -> dict[str, str]:
    """Return the files in a statement, by path.

    Raises:
        ValueError: it has another form than ours.
    """
    if statement.subjects not in [(Subject(name, {"sha256": root}),) for root in roots]:  # a
        raise ValueError("another name or digest")
    predicate = Field(statement.predicate).only(("serialization", "resources"), (_UNPROVEN,))  # b
    options = predicate.get("serialization").only(_OPTIONS, ("ignore_paths",)).mapping()
    chosen = {key: options[key] for key in _OPTIONS}
    if chosen != _OPTIONS or chosen["allow_symlinks"] is not False:  # 0 == False
        raise ValueError("other options")
    ignored = options.get("ignore_paths", [])
    if not isinstance(ignored, list) or not all(one in _IGNORED for one in ignored):  # c
        raise ValueError("ignored files")
    found: dict[str, str] = {}
    for one in predicate.get("resources").items():
        one.only(_RESOURCE_FIELDS)
        path = one.get("name").text()
        if one.get("algorithm").value != "sha256":
            raise one.get("algorithm").unlike("sha256")
        if path in found:
            raise one.wrong("duplicate file")
        found[path] = one.get("digest").text()
    return found


def find_unproven_reason(statement: Statement) -> str | None:
    """Return the stated reason to sign a model without provenance; None without one."""
    reason = statement.predicate.get(_UNPROVEN)
    return None if reason is None else str(reason)


def _another(message: str) -> SignatureError:
    return SignatureError(message, "sign it: ml-assets sign")


def verify_model_signature(bundle: Bundle, trust: Trust, name: str, model: FileTree) -> Verified:
    """Verify the signature of a model. The steps, each with the attack that it stops:

    1. ``file_tree`` read the model: it has no link, special file or empty directory, and no name is
       left out, ``.git`` and ``.gitattributes`` included.
    2. A trusted signer signed a statement of this version (``security.signing.signature``): not of
       the former ``Digests/v0.1``, nor of another type.
    3. The statement is about exactly this name and these files: a file added, removed, renamed or
       ignored by the signer's choice is noticed.
    4. No file or directory has a refused permission bit (``file_mode``): the format does not sign
       them, so anyone could set one.

    Later changes to the files go unnoticed: use a copy (``private_copy``).

    Raises:
        SignatureError, StatementError, ModeError: a step finds something else.
    """
    verified = verify_bundle(bundle, trust)  # 2
    if verified.statement.predicate_type != PREDICATE:
        raise SignatureError("not a model signature", "sign it: ml-assets sign")
    verify_model_files(verified.statement, name, model.files)  # 1, 3
    verify_modes(name, model.modes)  # 4
    return verified
