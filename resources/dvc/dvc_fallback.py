"""The DVC fallback: checks, restores and records stages with DVC's own code.

It serves imports, cache links other than copies, URLs, changed data sources and lock entries of
DVC 2. DVC's objects are not safe for threads, so each use holds one lock.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.config import NoRemoteError, RemoteConfigError
from dvc.dvcfile import ProjectFile, load_file
from dvc.exceptions import CheckoutError, DownloadError, DvcException, FileMissingError
from dvc.repo import Repo
from dvc.repo.scm_context import SCMContext
from dvc.stage import PipelineStage
from dvc.stage import Stage as DvcStage
from dvc.stage import create_stage
from dvc.stage.cache import RunCacheNotFoundError, StageCache, _can_hash
from dvc.stage.loader import StageLoader
from dvc.stage.serialize import to_lockfile, to_single_stage_lockfile

from resources.dvc.configuration.remote_settings import RemoteSettings
from resources.dvc.configuration.repository import Repository, use_sources
from resources.dvc.configuration.source_access import SourceAccess, find_hint
from resources.dvc.graph.manifest import Stage
from resources.dvc.lock.lock_file import LockEntry
from resources.dvc.messages import hide_secrets
from resources.dvc.reuse import Reuse
from resources.errors import MissingInputError, ResourceError, StageError, UnavailableError
from resources.stores.digest_store import DigestStore


class _Collecting(SCMContext):  # type: ignore[misc]  # dvc ships no types
    """Collects paths for ``.gitignore`` files, which only the reproduction writes."""

    def ignore(self, path: str) -> None:
        """Collect a path instead of writing it."""
        if not self.scm.is_ignored(path):
            self.ignored_paths.append(path)

    def track_file(self, paths: Any = None) -> None:
        """Do nothing: the reproduction adds files to the index of Git."""


class _AnchoredRunCache(StageCache):  # type: ignore[misc]  # dvc ships no types
    """DVC's run cache for a process with a current directory outside of the repository."""

    def _create_stage(self, cache: dict[str, Any], wdir: str | None = None) -> PipelineStage:
        """Create the stage of an entry as if ``dvc.yaml`` at the DVC root defined it."""
        stage = create_stage(
            PipelineStage,
            repo=self.repo,
            path=os.path.join(self.repo.root_dir, "dvc.yaml"),
            wdir=wdir,
            cmd=cache["cmd"],
            outs=[out["path"] for out in cache["outs"]],
        )
        StageLoader.fill_from_lock(stage, cache)
        return stage


class DvcFallback:
    """DVC's own code on one working tree. Safe for threads.

    Args:
        root: the DVC root, absolute.
        remotes: the settings of remotes of the protected branch; None if the checkout's count.
        store: digests of files.
        sources: opens addresses for which another process has the credentials.
    """

    def __init__(
        self,
        root: Path,
        remotes: RemoteSettings | None,
        store: DigestStore,
        sources: SourceAccess | None = None,
    ) -> None:
        self._root = os.fspath(root)
        self._remotes = remotes
        self._store = store
        self._sources = sources
        self._guard = threading.RLock()
        self._repo: Repo | None = None

    @contextmanager
    def _open(self, stage: Stage) -> Iterator[tuple[Repo, DvcStage]]:
        with self._guard, self._stage_errors(stage), use_sources(self._sources):
            if self._repo is None:
                self._repo = Repository(
                    Path(self._root), self._remotes, store=self._store, sources=self._sources
                )
                self._repo._skip_graph_checks = True
                scm = self._repo.scm
                self._repo.__dict__["scm_context"] = _Collecting(scm, self._repo.config)
                self._repo.stage_cache = _AnchoredRunCache(self._repo)
            path = os.path.join(self._root, stage.file)
            file = load_file(self._repo, path)
            loaded = file.stages[stage.key] if isinstance(file, ProjectFile) else file.stage
            with self._repo.lock:
                yield self._repo, loaded

    def find_reasons(self, stage: Stage, absent: Collection[str] = ()) -> list[str]:
        """Return DVC's reasons why a stage is stale; an empty list for a fresh stage.

        Args:
            absent: absolute paths of unchanged data that is not, or not fully, in the checkout.

        Raises:
            ResourceError: DVC fails.
        """
        status: list[Any] = []
        with self._open(stage) as (_, loaded):
            loaded._status_stage(status)
            if not loaded.frozen:
                loaded._status_deps(status)
            loaded._status_always_changed(status)
            items = (*loaded.outs, *loaded.deps)
            overlooked = {str(item) for item in items if item.fs_path in absent}
            # As in `dvc repro`: a lookup in the cache protects the object again, which removes the
            # execute bit from its links. So look up outs only if nothing else makes it stale.
            if not _describe(status, overlooked):
                loaded._status_outs(status, filter_info=None)
        return _describe(status, overlooked)

    def can_restore(self, stage: Stage) -> bool:
        """Whether DVC can restore the outs of a stage from its caches instead of running it."""
        with self._open(stage) as (repo, loaded):
            return _can_restore(repo, loaded)

    def fetch(self, stage: Stage) -> None:
        """Restore the data of a source from the cache, else from the remote.

        Raises:
            MissingInputError: the data is not in the cache, and there is no remote.
            UnavailableError: the remote does not answer.
        """
        with self._open(stage) as (repo, loaded):
            if not loaded.outs_cached():
                self._pull(repo, stage)
            try:
                loaded.checkout()
            except FileNotFoundError as error:  # DVC has logged why it fetched nothing
                raise self._not_fetched(stage, error) from error

    def _pull(self, repo: Repo, stage: Stage) -> None:
        where = ", ".join(out.location for out in stage.outs)
        repo.lock.unlock()
        try:
            repo.fetch([os.path.join(self._root, stage.file)])
        except NoRemoteError as error:
            raise MissingInputError(
                f"data missing from checkout and cache, and no remote is configured: {where}",
                f"restore the file, or: dvc remote add -d NAME URL && dvc pull {where}",
            ) from error
        except (DownloadError, RemoteConfigError, OSError, DvcException) as error:
            raise self._not_fetched(stage, error) from error
        finally:
            repo.lock.lock()

    def _not_fetched(self, stage: Stage, error: Exception) -> UnavailableError:
        where = ", ".join(out.location for out in stage.outs)
        return UnavailableError(
            f"cannot fetch from the remote: {where}: {hide_secrets(str(error))}",
            find_hint(self._sources, f"dvc pull {where}")
            or f"check the remote: dvc pull -v {where}",
        )

    def update(self, stage: Stage) -> list[str]:
        """Import or record a ``.dvc`` file or frozen stage, as ``dvc repro`` does.

        Returns:
            Absolute paths to add to ``.gitignore``.
        """
        with self._open(stage) as (repo, loaded):
            loaded.run()
            if stage.is_source:
                loaded.dump(update_pipeline=False)
            return _take_ignored(repo)

    def entry(self, stage: Stage) -> LockEntry:
        """Return the current lock entry of a stage."""
        with self._open(stage) as (_, loaded):
            return dict(to_lockfile(loaded)[stage.key])

    def run(
        self, stage: Stage, execute: Callable[[], None], reuse: Reuse
    ) -> tuple[bool, LockEntry, list[str]]:
        """Restore a pipeline stage or run its command, then record its outs.

        Args:
            execute: runs the command of the stage.
            reuse: what to take over from earlier runs.

        Returns:
            Whether the stage was restored, its lock entry, and paths to add to ``.gitignore``.
        """
        with self._open(stage) as (repo, loaded):
            restored = not reuse.force and self._restore(repo, loaded, reuse.run_cache)
            if not restored:
                loaded.remove_outs(ignore_remove=False, force=False)
                loaded.save_deps()
        if not restored:
            execute()
        with self._guard, self._stage_errors(stage), repo.lock:
            plain = all(out.use_cache or out.is_metric or out.is_plot for out in loaded.outs)
            loaded.save(run_cache=plain)
            loaded.commit()
            return restored, dict(to_lockfile(loaded)[stage.key]), _take_ignored(repo)

    @contextmanager
    def _stage_errors(self, stage: Stage) -> Iterator[None]:
        try:
            yield
        except ResourceError:
            raise
        except (CheckoutError, FileMissingError) as error:
            raise UnavailableError(
                f"{stage.name}: {hide_secrets(str(error))}",
                f"check the cache: dvc status {stage.name}",
            ) from error
        except DvcException as error:
            raise StageError(
                f"{stage.name}: {hide_secrets(str(error))}",
                f"find the cause: dvc repro -v {stage.name}",
            ) from error
        except Exception as error:  # noqa: BLE001  # each kind of storage has errors of its own
            if isinstance(error, OSError) and error.errno is not None:
                raise  # from the disk: the stage runner wraps it with a hint for its cause
            reason = hide_secrets(str(error)) or type(error).__name__
            raise UnavailableError(
                f"{stage.name}: {reason}",
                find_hint(self._sources, f"dvc update {stage.name}")
                or f"check addresses and credentials: dvc status -v {stage.name}",
            ) from error

    def _restore(self, repo: Repo, loaded: DvcStage, run_cache: bool) -> bool:
        if not _can_restore(repo, _reload(loaded), run_cache):
            return False
        loaded.remove_outs(ignore_remove=False, force=False)
        try:
            repo.stage_cache.restore(loaded, run_cache=run_cache)
        except RunCacheNotFoundError:
            return False
        return True


def _describe(status: list[Any], overlooked: Collection[str]) -> list[str]:
    """Turn the status of DVC into reasons, without paths that may be absent."""
    reasons: list[str] = []
    for found in status:
        if isinstance(found, str):
            reasons.append(found.replace("always changed", "always changed: by its definition"))
            continue
        for label, paths in found.items():
            what = "out" if label == "changed outs" else "dependency"
            reasons += [
                f"{state} {what}: {path}" for path, state in paths.items() if path not in overlooked
            ]
    return reasons


def _reload(loaded: DvcStage) -> DvcStage:
    """Load a stage again: a lookup in the run cache changes the loaded stage."""
    return load_file(loaded.repo, loaded.path).stages[loaded.name]


def _can_restore(repo: Repo, loaded: DvcStage, run_cache: bool = True) -> bool:
    """Whether the caches of DVC have the outs of a stage; restore nothing.

    DVC's own dry run compares recorded deps instead of current ones.
    """
    if not _can_hash(loaded):
        return False
    if (
        not loaded.changed_stage()
        and loaded.deps_cached()
        and all(o.hash_info for o in loaded.outs)
    ):
        entry = to_single_stage_lockfile(loaded)
    elif not run_cache:
        return False
    else:
        loaded.save_deps(allow_missing=True)
        entry = repo.stage_cache._load(loaded) if _can_hash(loaded) else None
    if not entry:
        return False
    return bool(repo.stage_cache._create_stage(entry, wdir=loaded.wdir).outs_cached())


def _take_ignored(repo: Repo) -> list[str]:
    paths, repo.scm_context.ignored_paths = repo.scm_context.ignored_paths, []
    return [str(path) for path in paths]
