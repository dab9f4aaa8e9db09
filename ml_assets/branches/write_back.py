"""The write-back: push the outs of a run, then record its lock files for other clones.

1. The outs go to the DVC remote. Without a remote the record stays in the mirror.
2. The record is a commit (``lock_files``) that replaces the former one by compare-and-swap. The
   loser of a race keeps the record of a later commit, and retries over any other one.
"""

from __future__ import annotations

import posixpath
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ml_assets.branches.graph_at_commit import CommitGraph
from ml_assets.branches.lock_files import (
    AUTHOR,
    COMMIT_TRAILER,
    RUN_TRAILER,
    read_kept,
    read_trailers,
)
from ml_assets.branches.watch import Watch
from ml_assets.project.settings.watch import WriteBack
from resources.errors import LostRaceError, UnavailableError
from resources.git.mirror import LOCKS

_ATTEMPTS = 6
#: The references of proposed changes of a branch.
PROPOSALS = "refs/heads/ml-assets/locks"


@dataclass(frozen=True)
class Recorder:
    """Writes back the record of one run.

    Attributes:
        commit: the commit of the run.
        on_notice: receives messages for the user.
    """

    watch: Watch
    graph: CommitGraph
    branch: str
    commit: str
    run_id: str
    on_notice: Callable[[str], None]

    def write_back(self) -> None:
        """Write the record back, as the settings say.

        Raises:
            ResourceError: the data or the record cannot be pushed.
        """
        how = self.watch.settings.write_back
        files = self._read_files()
        if how is WriteBack.OFF or not files or self._is_recorded(files):
            return
        shared = self._push_outs()  # 1
        if how is WriteBack.REF or not shared:
            self._replace(files, shared)  # 2
        elif how is WriteBack.COMMIT:
            self._commit(files, f"refs/heads/{self.branch}", self.commit)
        else:
            ref = f"{PROPOSALS}/{self.branch}"
            self._commit(files, ref, self.watch.mirror.read_remote_ref(ref))
            self.on_notice(f"proposed for {self.branch}: {ref.removeprefix('refs/heads/')}")

    def _read_files(self) -> dict[str, bytes]:
        kept = read_kept(self.graph.project.root, self.graph.checkout.manifest)
        below = self.watch.below
        return {posixpath.normpath(f"{below}/{path}"): text for path, text in kept.items()}

    def _is_recorded(self, files: Mapping[str, bytes]) -> bool:
        """Whether the commit itself, or the last record, holds the same files."""
        mirror = self.watch.mirror
        committed = mirror.read_files(self.commit, tuple(files))
        tip = mirror.read_ref(f"{LOCKS}/{self.branch}")
        return files == committed or (tip is not None and files == mirror.read_files(tip))

    def _push_outs(self) -> bool:
        """Push the cached outs; return whether there is a DVC remote."""
        from resources.dvc.cache.remote import Remote

        checkout = self.graph.checkout
        if not checkout.manifest.layout.remote:
            self.on_notice("no DVC remote: the lock files of this run stay on this machine")
            return False
        checkout.forget_locks()
        recorded = {
            str(out["md5"])
            for stage in checkout.manifest.stages
            for out in (checkout.recorded(stage) or {}).get("outs", ())
            if out.get("md5")
        }
        Remote(checkout.root, checkout.cache).push(
            [md5 for md5 in recorded if checkout.cache.holds(md5)]
        )
        return True

    def _replace(self, files: Mapping[str, bytes], shared: bool) -> None:
        mirror, ref = self.watch.mirror, f"{LOCKS}/{self.branch}"
        for _ in range(_ATTEMPTS):
            old = mirror.read_ref(ref)
            if old is not None and self._is_overtaken(old):
                self.on_notice(
                    f"lock files not recorded: a later commit of {self.branch} has recorded its own"
                )
                return
            new = mirror.write_commit(
                files, self._message, AUTHOR, int(time.time()), old, whole=True
            )
            try:
                if shared:
                    mirror.push_ref(ref, new, old)
                mirror.write_ref(ref, new, old)
                return
            except LostRaceError:
                if shared:
                    mirror.fetch((), None)
        raise UnavailableError(
            f"cannot record lock files: {self.branch}: other runs changed them at every attempt",
            "run it again",
        )

    def _is_overtaken(self, tip: str) -> bool:
        mirror = self.watch.mirror
        other = read_trailers(mirror.read_message(tip)).get(COMMIT_TRAILER)
        if other is None or other == self.commit or not mirror.has(other):
            return False
        return mirror.is_ancestor(self.commit, other)

    def _commit(self, files: Mapping[str, bytes], ref: str, old: str | None) -> None:
        """Write the record on top of the commit itself."""
        mirror = self.watch.mirror
        new = mirror.write_commit(files, self._message, AUTHOR, int(time.time()), self.commit)
        try:
            mirror.push_ref(ref, new, old)
        except LostRaceError:
            self.on_notice(f"{self.branch} has moved on: the next run records the lock files")

    @property
    def _message(self) -> str:
        return (
            f"Record the lock files of a run of {self.branch} [skip ci]\n\n"
            f"{COMMIT_TRAILER}: {self.commit}\n{RUN_TRAILER}: {self.run_id}\n"
        )
