"""The manifest cache: reads each state of a repository's graph from DVC once.

Only a cache miss imports dvc. A manifest determines which commands run, and a stage can write to
the cache: so each manifest is sealed for its file name (``resources/stores/seal.py``).
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from resources.dvc.configuration.remote_settings import RemoteSettings
from resources.dvc.graph.manifest import Manifest
from resources.errors import ConfigurationError
from resources.files import write_atomically
from resources.stores.seal import Seal

_ALWAYS_PRUNED = {".git", ".hg", ".dvc"}


def load_manifest(root: Path, state: Path, seal: Seal, remotes: RemoteSettings | None) -> Manifest:
    """Load the manifest of the working tree.

    Args:
        root: the DVC root.
        state: the directory of the cache, created if missing.
        seal: seals cached manifests.
        remotes: the settings of remotes of the protected branch; None if the checkout's count.

    Raises:
        ConfigurationError: the directory is not a DVC repository, or DVC cannot read it.
    """
    if not (root / ".dvc").is_dir():
        raise ConfigurationError(
            f"not a DVC repository: {root}",
            "make it one: dvc init; or name a project: ml-assets --project PATH",
        )
    file = state / "manifest" / "worktree.json"
    cached = _read(file, seal)
    if cached is not None:
        fingerprint, manifest = cached
        if fingerprint == _digest(root, remotes, manifest.sources, manifest.pruned):
            return manifest
    from resources.dvc.graph.reader import read_manifest

    manifest = read_manifest(root, remotes)
    fingerprint = _digest(root, remotes, manifest.sources, manifest.pruned)
    _write(file, seal, fingerprint, manifest)
    return manifest


def load_manifest_at(
    root: Path, commit: str, state: Path, seal: Seal, remotes: RemoteSettings | None
) -> Manifest:
    """Load the manifest of a commit, without a checkout.

    Args:
        commit: the full hash, which names one tree forever, so its manifest never goes stale.
        seal: seals cached manifests.
        remotes: the settings of remotes of the protected branch; None if the checkout's count.

    Raises:
        ConfigurationError: DVC cannot read the commit.
    """
    file = state / "manifest" / f"{commit}.json"
    cached = _read(file, seal)
    if cached is not None and cached[0] == _digest_configuration(root, remotes, cached[1]):
        return cached[1]
    from resources.dvc.graph.reader import read_manifest

    manifest = read_manifest(root, remotes, commit)
    fingerprint = _digest_configuration(root, remotes, manifest)
    _write(file, seal, fingerprint, manifest)
    return manifest


def _digest_configuration(root: Path, remotes: RemoteSettings | None, manifest: Manifest) -> str:
    """Return the digest of the files outside of a commit that determine its manifest."""
    outside = [name for name in manifest.sources if os.path.isabs(name)]
    return _digest(root, remotes, [*outside, ".dvc/config.local"], None)


def _digest(
    root: Path,
    remotes: RemoteSettings | None,
    sources: Iterable[str],
    pruned: Iterable[str] | None,
) -> str:
    digest = digest_sources(root, sources, pruned)
    return digest if remotes is None else f"{digest} {remotes.digest}"


def digest_sources(root: Path, sources: Iterable[str], pruned: Iterable[str] | None) -> str:
    """Return the sha256 of all inputs of a manifest, the path of the repository included.

    Args:
        sources: file names, relative to ``root`` or absolute; a file may be missing.
        pruned: directories to skip in the search for DVC files; None skips the search.
    """
    # A manifest contains absolute paths: the cache, and files outside of the repository.
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


def _read(file: Path, seal: Seal) -> tuple[str, Manifest] | None:
    """Load a cached manifest and its fingerprint; None without a valid seal for this name."""
    try:
        stored, _, content = file.read_bytes().partition(b"\n")
        if not hmac.compare_digest(stored, _seal(file, seal, content)):
            return None
        fingerprint, _, text = content.decode("utf-8").partition("\n")
        return fingerprint, Manifest.from_json(text)
    except (OSError, ValueError):
        return None


def _write(file: Path, seal: Seal, fingerprint: str, manifest: Manifest) -> None:
    content = f"{fingerprint}\n{manifest.to_json()}".encode()
    write_atomically(file, _seal(file, seal, content) + b"\n" + content)


def _seal(file: Path, seal: Seal, content: bytes) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    return seal("manifests", [os.fsencode(f"{file.name} {digest}")])[0].hex().encode()
