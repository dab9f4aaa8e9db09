"""Repositories of DVC: the checkout, and the sources of its imports.

All of DVC's repositories in this process are opened here:

1. The settings of remotes are those that count (``checkout_config``, ``import_config``).
2. DVC's stores of pickled values (its state, its index of a remote) are not read: a stage can
   write to them, and loading a pickle runs code.
3. The site directory is new and private, and removed as soon as DVC has opened the repository.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dvc.output
import dvc.repo.open_repo
from dvc.config import Config, get_compiled_schema
from dvc.data_cloud import DataCloud
from dvc.data_cloud import Remote as DvcRemote
from dvc.fs import get_cloud_fs
from dvc.repo import Repo
from dvc_data.hashfile.state import StateBase, StateNoop
from dvc_data.index import DataIndex
from dvc_data.index.index import DataIndexTrie

import resources.dvc.messages  # noqa: F401  # sets the log levels of dvc first
from resources.dvc.configuration.checkout_config import CheckoutConfig
from resources.dvc.configuration.digest_state import DigestState
from resources.dvc.configuration.import_config import ImportConfig
from resources.dvc.configuration.remote_settings import RemoteSettings
from resources.dvc.configuration.source_access import SourceAccess, SourceReader
from resources.dvc.configuration.source_files import SourceFiles
from resources.stores.digest_store import DigestStore

#: The access for repositories that DVC opens as sources of imports, in this thread.
_access: ContextVar[SourceAccess | None] = ContextVar("access", default=None)


@contextmanager
def use_sources(sources: SourceAccess | None) -> Iterator[None]:
    """Let sources of imports use an access."""
    token = _access.set(sources)
    try:
        yield
    finally:
        _access.reset(token)


class _Cloud(DataCloud):  # type: ignore[misc]  # dvc ships no types
    """DVC's remotes without its index of their objects."""

    def get_remote(self, *args: Any, **options: Any) -> DvcRemote:
        """Return a remote that lists its objects each time."""
        remote = super().get_remote(*args, **options)
        remote.config["tmp_dir"] = None  # 2
        reader = self.repo.open_source(remote)
        if reader is not None:
            remote.fs.fs = SourceFiles(reader)
        return remote


class _PrivateRepo(Repo):  # type: ignore[misc]  # dvc ships no types
    """A repository of DVC that shares no stores with other processes."""

    _digests: StateBase = StateNoop()
    sources: SourceAccess | None = None

    def open_source(self, remote: DvcRemote) -> SourceReader | None:
        """Open a remote for which another process has the credentials; None for any other."""
        return None

    def __init__(self, *args: Any, **options: Any) -> None:
        with TemporaryDirectory(prefix="ml-assets-dvc-") as self._site:  # 3
            super().__init__(*args, **options)
        self.cloud = _Cloud(self)
        self._data_index = _index_in_memory(DataIndex, DataIndexTrie)

    @property
    def site_cache_dir(self) -> str:
        """A directory that exists only while DVC opens the repository."""
        return self._site

    @property
    def state(self) -> StateBase:
        """The digests of files."""
        return self._digests

    @state.setter
    def state(self, opened: Any) -> None:
        opened.close()  # 2


def _index_in_memory(index_class: Any, trie_class: Any) -> Any:
    index = index_class()
    index._trie = trie_class()  # without a path, SQLite keeps it in memory
    return index


class Repository(_PrivateRepo):
    """The repository of a checkout.

    Args:
        root: the DVC root of the working tree.
        remotes: the settings of remotes of the protected branch; None if the checkout's count.
        rev: a Git revision; None opens the working tree.
        store: digests of files; None computes them each time.
        sources: opens addresses for which another process has the credentials.
    """

    def __init__(
        self,
        root: Path,
        remotes: RemoteSettings | None,
        *,
        rev: str | None = None,
        store: DigestStore | None = None,
        sources: SourceAccess | None = None,
    ) -> None:
        self._root = root
        self._remotes = remotes
        self.sources = sources
        if store is not None:
            self._digests = DigestState(store)
        super().__init__(os.fspath(root), rev=rev, repo_factory=ImportSource)

    @cached_property
    def config(self) -> CheckoutConfig:
        """The settings that count."""
        return CheckoutConfig(
            self._root,
            self._remotes,
            self.sources,
            dvc_dir=self.dvc_dir,
            local_dvc_dir=self.local_dvc_dir,
            fs=self.fs,
        )

    def open_source(self, remote: DvcRemote) -> SourceReader | None:
        """Open a remote of the checkout."""
        if self.sources is None:
            return None
        return self.sources.open(remote.fs.protocol, f"remote://{remote.name}", {})


class RemoteOnly(_PrivateRepo):
    """A repository with one remote and the cache, and no file of a checkout.

    Args:
        directory: a new directory, which the repository uses.
        settings: the sections of its configuration (``remote_settings.Sections``).
    """

    def __init__(self, directory: Path, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        (directory / ".dvc").mkdir(exist_ok=True)
        super().__init__(os.fspath(directory))

    @cached_property
    def config(self) -> Config:
        """The given settings, and nothing of the user's files."""
        return _GivenConfig(self.dvc_dir, self._settings)


class _GivenConfig(Config):  # type: ignore[misc]  # dvc ships no types
    def __init__(self, directory: str, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        super().__init__(directory)

    def load_config_to_level(self, level: str | None = None) -> dict[str, Any]:
        """Return the given settings."""
        return {section: {} for section in get_compiled_schema().schema} | deepcopy(
            dict(self._settings)
        )


class ImportSource(_PrivateRepo):
    """The source of an import: a clone, another directory, or a repository below one of these."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.sources = _access.get()
        super().__init__(*args, **options)

    def open_source(self, remote: DvcRemote) -> SourceReader | None:
        """Open a remote of the source; its address must be one that counts in the checkout."""
        if self.sources is None:
            return None
        settings = self.config["remote"][remote.name.lower()].items()
        own = {key: value for key, value in settings if key != "url"}
        url = remote.fs.unstrip_protocol(remote.path)
        reader = self.sources.open(remote.fs.protocol, url, own)
        if reader is not None:
            reader.info(remote.path)  # a refusal now is an error, which DVC only logs later
        return reader

    @cached_property
    def config(self) -> ImportConfig:
        """The settings that count."""
        return ImportConfig(
            self.dvc_dir,
            local_dvc_dir=self.local_dvc_dir,
            fs=self.fs,
            config=self._config,
            remote=self._remote,
            remote_config=self._remote_config,
        )


def _open_storage(repo_config: Any, **settings: Any) -> Any:
    """Open the storage of a dependency or out, if its own settings may be used."""
    if isinstance(repo_config, CheckoutConfig | ImportConfig):
        repo_config.judge(settings)
    kind, options, path = get_cloud_fs(repo_config, **settings)
    if isinstance(repo_config, CheckoutConfig) and repo_config.sources is not None:
        url = str(settings.pop("url"))
        reader = repo_config.sources.open(kind.protocol, url, settings)
        if reader is not None:
            options = {**options, "fs": SourceFiles(reader)}
    return kind, options, path


# DVC opens the sources of imports and the storage of dependencies by these names.
dvc.repo.open_repo.Repo = ImportSource
dvc.output.get_cloud_fs = _open_storage
