"""The write-back: push the outs of a run, then record its lock files for other clones.

1. The outs go to the DVC remote, always: that a commit holds its lock files says nothing about its
   data. Without a remote the record stays in the mirror.
2. The record is a commit (``lock_files``) that replaces the former one by compare-and-swap. The
   loser of a race keeps the record of a later commit, and retries over any other one. Nothing is
   recorded if a clone would find the same files anyway.

A remote that is away for a moment does not fail a passed run: both steps are repeated.
"""

from __future__ import annotations

import posixpath
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ml_assets.branches.graph_at_commit import CommitGraph
from ml_assets.branches.lock_files import read_kept
from ml_assets.branches.lock_records import AUTHOR, LockRecords
from ml_assets.branches.watch import Watch
from ml_assets.project.settings.watch import WriteBack
from resources.errors import LostRaceError, UnavailableError
from resources.git.mirror import TRUSTED_LOCKS
from resources.git.remote_repository import LOCKS
from security.errors import SecurityError
from security.signing.bundle import Bundle

_ATTEMPTS = 6
#: Seconds between attempts while a remote is away.
WAITS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_R = TypeVar("_R")
#: The references of proposed changes of a branch.
PROPOSALS = "refs/heads/ml-assets/locks"


@dataclass(frozen=True)
class Recorder:
    """Writes back the record of one run.

    Attributes:
        records: of the watched repository.
        sign: signs the statement of the record.
        commit: the commit of the run.
        on_notice: receives messages for the user.
        waits: seconds to wait before each repetition while a remote is away.
    """

    watch: Watch
    records: LockRecords
    sign: Callable[[bytes], Bundle]
    graph: CommitGraph
    branch: str
    commit: str
    run_id: str
    on_notice: Callable[[str], None]
    waits: Sequence[float] = WAITS

    def write_back(self) -> None:
        """Write the record back, as the settings say.

        Raises:
            ResourceError, SecurityError: the data or the record cannot be pushed or signed.
        """
        how = self.watch.settings.write_back
        files = self._read_files()
        if how is WriteBack.OFF or not files:
            return
        shared = self._repeat(self._push_outs)  # 1
        if not self._is_recorded(files):
            self._repeat(lambda: self._record(how, files, shared))  # 2

    def _repeat(self, action: Callable[[], _R]) -> _R:
        """Repeat an action while a remote is away."""
        for seconds in self.waits:
            try:
                return action()
            except UnavailableError as error:
                self.on_notice(f"{error.message}; next attempt in {seconds:.0f} s")
                time.sleep(seconds)
        return action()

    def _record(self, how: WriteBack, files: Mapping[str, bytes], shared: bool) -> None:
        if how is WriteBack.REF or not shared:
            self._replace(files, shared)
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
        """Whether a clone of the commit would find the same files, its own or recorded ones."""
        own = self.watch.mirror.read_files(self.commit, tuple(files))
        found = self.records.find(self.branch, lambda _: None)
        if found is None:
            return own == files
        return {**own, **self.records.select(found, self.commit, ".", lambda _: None)} == files

    def _push_outs(self) -> bool:
        """Push the cached outs; return whether there is a DVC remote."""
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
        checkout.open_remote().push([md5 for md5 in recorded if checkout.cache.holds(md5)])
        return True

    def _replace(self, files: Mapping[str, bytes], shared: bool) -> None:
        mirror, ref = self.watch.mirror, f"{LOCKS}/{self.branch}"
        message = self._write_message(files)
        for _ in range(_ATTEMPTS):
            old = mirror.read_ref(ref)
            if old is not None and self._is_overtaken(old):
                self.on_notice(
                    f"lock files not recorded: a later commit of {self.branch} has recorded its own"
                )
                return
            new = mirror.write_commit(files, message, AUTHOR, int(time.time()), old, whole=True)
            try:
                if shared:
                    mirror.push_ref(ref, new, old)
                mirror.write_ref(ref, new, old)
                last = mirror.read_ref(f"{TRUSTED_LOCKS}/{self.branch}")
                self.records.keep(self.branch, new, last)
                return
            except LostRaceError:
                if shared:
                    mirror.fetch((), None)
        raise UnavailableError(
            f"cannot record lock files: {self.branch}: other runs changed them at every attempt",
            "run it again",
        )

    def _is_overtaken(self, tip: str) -> bool:
        """Whether a valid record is of a later commit; a forged one must not stop this one."""
        mirror = self.watch.mirror
        try:
            other = self.records.verify(tip, self.branch).commit
        except (SecurityError, UnavailableError):
            return False
        return other != self.commit and mirror.has(other) and mirror.is_ancestor(self.commit, other)

    def _commit(self, files: Mapping[str, bytes], ref: str, old: str | None) -> None:
        """Write the record on top of the commit itself."""
        mirror = self.watch.mirror
        message = self._write_message(files)
        new = mirror.write_commit(files, message, AUTHOR, int(time.time()), self.commit)
        try:
            mirror.push_ref(ref, new, old)
        except LostRaceError:
            self.on_notice(f"{self.branch} has moved on: the next run records the lock files")

    def _write_message(self, files: Mapping[str, bytes]) -> str:
        return self.records.write_message(self.branch, self.commit, self.run_id, files, self.sign)
