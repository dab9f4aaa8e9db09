"""The manifest cache: a manifest is read from DVC once for each state of the files it came from.

Nothing here imports dvc, unless the cache has no answer. A manifest says what is run, and a stage
could write where it lies: each is sealed with a secret that no stage can read, for its file's name.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from resources.dvc.graph.manifest import Manifest
from resources.errors import ConfigurationError
from resources.files import write_atomically

_ALWAYS_PRUNED = {".git", ".hg", ".dvc"}


def load_manifest(root: Path, state: Path, secret: bytes) -> Manifest:
    """Load the manifest of the working tree.

    Args:
        root: the DVC root.
        state: the directory that keeps the cache; made when missing.
        secret: seals what is kept.

    Raises:
        ConfigurationError: there is no DVC repository, or DVC cannot make sense of it.
    """
    if not (root / ".dvc").is_dir():
        raise ConfigurationError(
            f"not a DVC repository: {root}", "run `dvc init` there, or name a --project"
        )
    file = state / "manifest" / "worktree.json"
    cached = _read(file, secret)
    if cached is not None:
        fingerprint, manifest = cached
        if fingerprint == digest_sources(root, manifest.sources, manifest.pruned):
            return manifest
    from resources.dvc.graph.reader import read_manifest

    manifest = read_manifest(root)
    fingerprint = digest_sources(root, manifest.sources, manifest.pruned)
    _write(file, secret, fingerprint, manifest)
    return manifest


def load_manifest_at(root: Path, commit: str, state: Path, secret: bytes) -> Manifest:
    """Load the manifest of a commit, without a checkout.

    Args:
        commit: the full hash: the name of one tree for ever, so its manifest never goes stale.
        secret: seals what is kept.

    Raises:
        ConfigurationError: DVC cannot make sense of the commit.
    """
    file = state / "manifest" / f"{commit}.json"
    cached = _read(file, secret)
    if cached is not None and cached[0] == _digest_configuration(root, cached[1]):
        return cached[1]
    from resources.dvc.graph.reader import read_manifest

    manifest = read_manifest(root, commit)
    fingerprint = _digest_configuration(root, manifest)
    _write(file, secret, fingerprint, manifest)
    return manifest


def _digest_configuration(root: Path, manifest: Manifest) -> str:
    """Return the digest of what went into a commit's manifest without being in the commit."""
    outside = [name for name in manifest.sources if os.path.isabs(name)]
    return digest_sources(root, [*outside, ".dvc/config.local"], None)


def digest_sources(root: Path, sources: Iterable[str], pruned: Iterable[str] | None) -> str:
    """Return the sha256 of everything that a manifest is read from, its place included.

    Args:
        sources: files named one by one, relative to ``root`` or absolute; one may be missing.
        pruned: directories left out of the search for DVC's own files; None searches nothing.
    """
    # A manifest holds absolute paths: that of the cache, and those of what lies outside.
    digest = hashlib.sha256(os.fsencode(root) + b"\0")
    names = set(sources)
    if pruned is not None:
        names.update(_dvc_files(os.fspath(root), set(pruned)))
    for name in sorted(names):
        try:
            content = hashlib.sha256(Path(root, name).read_bytes()).hexdigest()
        except OSError:
            content = "missing"
        digest.update(f"{content}  {name!r}\n".encode())
    return digest.hexdigest()


def _dvc_files(root: str, pruned: set[str]) -> Iterator[str]:
    pending = [""]
    while pending:
        directory = pending.pop()
        try:
            entries = list(os.scandir(os.path.join(root, directory)))
        except OSError:
            continue
        for entry in entries:
            name = f"{directory}/{entry.name}" if directory else entry.name
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in _ALWAYS_PRUNED and name not in pruned:
                    pending.append(name)
            elif entry.name in ("dvc.yaml", ".dvcignore", ".gitignore") or name.endswith(".dvc"):
                yield name


def _read(file: Path, secret: bytes) -> tuple[str, Manifest] | None:
    """Read one cached manifest; None when there is none that we have written under this name."""
    try:
        seal, _, content = file.read_bytes().partition(b"\n")
        if not hmac.compare_digest(seal, _seal(file, secret, content)):
            return None
        fingerprint, _, text = content.decode("utf-8").partition("\n")
        return fingerprint, Manifest.from_json(text)
    except (OSError, ValueError):
        return None


def _write(file: Path, secret: bytes, fingerprint: str, manifest: Manifest) -> None:
    content = f"{fingerprint}\n{manifest.to_json()}".encode()
    write_atomically(file, _seal(file, secret, content) + b"\n" + content)


def _seal(file: Path, secret: bytes, content: bytes) -> bytes:
    keyed = hashlib.blake2b(key=secret, digest_size=32, person=b"manifest")
    keyed.update(os.fsencode(file.name) + b"\0")
    keyed.update(content)
    return keyed.hexdigest().encode()
