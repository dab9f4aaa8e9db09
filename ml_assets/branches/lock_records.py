"""The records of lock files that runs of a branch have pushed, believed only if signed.

``refs/ml-assets/locks/<branch>`` names a commit with just the lock files and the outs that DVC
leaves to Git (``cache: false``), as the last passed run has left them. No branch contains that
commit and no sensor reads it. With ``write-back = "commit"`` the record is a commit of the branch.
Anyone who may push can write both, so the message carries a signed statement (``lock_record``).
"""

from __future__ import annotations

import base64
import binascii
import datetime
import posixpath
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from ml_assets.branches.commit_trust import find_signers
from ml_assets.branches.lock_files import list_kept
from ml_assets.branches.watch import Watch
from resources.errors import LostRaceError, ResourceError, UnavailableError
from resources.git.commit_history import Author
from resources.git.mirror import TRUSTED_LOCKS, Mirror
from resources.git.object_format import GitEntry, hash_files, hash_object
from resources.git.remote_repository import LOCKS
from resources.git.repository_name import is_same_repository, name_repository
from security.content.digest import digest_bytes
from security.errors import SecurityError
from security.signing.bundle import Bundle, parse_bundle
from security.signing.signature import verify_bundle
from security.signing.trust import Trust
from security.statements.lock_record import (
    LockRecord,
    LockRecordError,
    RecordedFile,
    parse_lock_record,
    write_lock_record,
)

#: The author of the commits that runs write.
AUTHOR = Author("ml-assets", "ml-assets@localhost")
COMMIT_TRAILER = "Ml-Assets-Commit"
RUN_TRAILER = "Ml-Assets-Run"
STATEMENT_TRAILER = "Ml-Assets-Statement"
_STATEMENT = re.compile(rf"^{STATEMENT_TRAILER}:[ \t]*(.*)$", re.MULTILINE)
_LARGEST = 4 << 20  # bytes of a commit
_AGAIN = "let the branch run again, with a trusted signer"


@dataclass(frozen=True)
class SignedFiles:
    """A valid record, and the bytes of its files by path."""

    record: LockRecord
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class LockRecords:
    """Reads and writes the records of one repository.

    Attributes:
        repository: its name (``name_repository``).
        find_trust: returns the signers that the protected branch trusts.
    """

    mirror: Mirror
    repository: str
    find_trust: Callable[[], Trust]

    def write_message(
        self,
        branch: str,
        commit: str,
        run: str,
        files: Mapping[str, bytes],
        sign: Callable[[bytes], Bundle],
    ) -> str:
        """Write the message of a record, with its signed statement.

        Raises:
            ResourceError, SecurityError: it cannot be signed.
        """
        digits = len(commit)
        record = LockRecord(
            {
                path: RecordedFile(digest_bytes(one).sha256, hash_object(b"blob", one, digits))
                for path, one in files.items()
            },
            self.repository,
            branch,
            commit,
            run,
            datetime.datetime.now(datetime.UTC),
        )
        bundle = sign(write_lock_record(record).payload)
        return (
            f"Record the lock files of a run of {branch} [skip ci]\n\n"
            f"{COMMIT_TRAILER}: {commit}\n{RUN_TRAILER}: {run}\n"
            f"{STATEMENT_TRAILER}: {base64.b64encode(bundle.content).decode('ascii')}\n"
        )

    def verify(self, commit: str, branch: str) -> LockRecord:
        """Verify the statement that a record carries. The steps, each with the attack it stops:

        1. The commit has a limited size: a huge one would fill the memory.
        2. Its message has exactly one statement: readers could choose different ones.
        3. A signer that the protected branch trusts signed it (``verify_bundle``), as ``verify``
           checks all statements: anyone who may push can write a record.
        4. It is about this repository and branch: a record of another one is no answer here.

        Raises:
            SecurityError: a step fails.
            ResourceError: the commit or the list of trusted signers cannot be read.
        """
        objects = self.mirror.objects
        if objects.size(commit) > _LARGEST:  # 1
            raise LockRecordError(f"record too large: {commit[:12]}", _AGAIN)
        statements = _STATEMENT.findall(objects.read_commit(commit).message)
        if len(statements) != 1:  # 2
            problem = "record not signed" if not statements else "record with several statements"
            raise LockRecordError(f"{problem}: {commit[:12]}", _AGAIN)
        verified = verify_bundle(parse_bundle(_decode(statements[0])), self.find_trust())  # 3
        record = parse_lock_record(verified.statement)
        if not is_same_repository(record.repository, self.repository):  # 4
            raise LockRecordError(
                f"record of another repository: {record.repository}, not {self.repository}",
                "use the address of the record: git remote set-url origin ADDRESS",
            )
        if record.branch != branch:
            raise LockRecordError(f"record of another branch: {record.branch}", _AGAIN)
        return record

    def read(self, commit: str, branch: str) -> SignedFiles:
        """Read a record that stands beside the branch, with exactly the signed files.

        Raises:
            SecurityError, ResourceError: as for ``verify``; or it has other files.
        """
        record = self.verify(commit, branch)
        return SignedFiles(record, self._read_signed(record, commit, {}))

    def _read_signed(
        self, record: LockRecord, commit: str, others: Mapping[str, GitEntry]
    ) -> dict[str, bytes]:
        """Return the bytes of signed files, if the commit has exactly them and some other files.

        The tree is computed from the statement: no tree of the commit is read.
        """
        signed = {path: GitEntry("100644", one.blob) for path, one in record.files.items()}
        objects = self.mirror.objects
        try:
            expected = hash_files({**others, **signed}, len(commit))
        except ValueError as error:
            raise LockRecordError(f"record with invalid files: {error}", _AGAIN) from error
        if objects.read_commit(commit).tree != expected:
            raise LockRecordError("record with other files than its statement", _AGAIN)
        blobs = objects.read_blobs(one.hash for one in signed.values())
        files = {path: blobs[one.hash] for path, one in signed.items()}
        if any(digest_bytes(files[path]).sha256 != record.files[path].sha256 for path in files):
            raise LockRecordError("record with other bytes than its statement", _AGAIN)
        return files

    def find(self, branch: str, on_refusal: Callable[[str], None]) -> SignedFiles | None:
        """Find the newest record of a branch; None without a valid one.

        The last valid record stays in the repository, so that neither a forged record nor an older
        one, pushed again, takes its place.

        Args:
            on_refusal: receives the reason for a record that does not count.
        """
        tip = self.mirror.read_ref(f"{LOCKS}/{branch}")
        last = self.mirror.read_ref(f"{TRUSTED_LOCKS}/{branch}")
        found = self._try(tip, branch, on_refusal)
        known = self._try(last, branch, lambda _: None) if last != tip else None
        if found is not None and known is not None and self._is_older(found.record, known.record):
            on_refusal(f"older record of lock files: {found.record.commit[:12]}")
            return known
        if found is not None and tip is not None:
            self.keep(branch, tip, last)
        return found or known

    def keep(self, branch: str, record: str, last: str | None) -> None:
        """Remember a valid record, in place of the last one."""
        if record != last:
            with suppress(LostRaceError):  # another process has read a record meanwhile
                self.mirror.write_ref(f"{TRUSTED_LOCKS}/{branch}", record, last)

    def _try(
        self, commit: str | None, branch: str, on_refusal: Callable[[str], None]
    ) -> SignedFiles | None:
        try:
            return self.read(commit, branch) if commit is not None else None
        except (SecurityError, UnavailableError) as error:
            on_refusal(error.message)
            return None

    def _is_older(self, found: LockRecord, known: LockRecord) -> bool:
        """Whether a record was signed before another one, and not for a later commit."""
        if found.recorded >= known.recorded:
            return False
        later = found.commit != known.commit and self.mirror.has(found.commit)
        return not (later and self._precedes(known.commit, found.commit))

    def _precedes(self, old: str, new: str) -> bool:
        return self.mirror.has(old) and self.mirror.is_ancestor(old, new)

    def select(
        self,
        found: SignedFiles,
        commit: str,
        below: str,
        on_notice: Callable[[str], None],
    ) -> dict[str, bytes]:
        """Return the recorded files that are newer than a commit's own, by path.

        A file that was committed after the run takes precedence over the recorded one.

        Args:
            below: the DVC root, relative to Git's.
        """
        record = found.record
        if not self._precedes(record.commit, commit):
            on_notice(
                f"recorded lock files not used: their commit is not an ancestor: {record.branch}"
            )
            return {}
        prefix = "" if below == "." else f"{below}/"
        changed = self.mirror.list_changed(record.commit, commit)
        return {
            path.removeprefix(prefix): content
            for path, content in found.files.items()
            if path.startswith(prefix) and path not in changed
        }

    def find_origin(
        self, commit: str, branch: str, list_kept: Callable[[str], Collection[str]]
    ) -> str | None:
        """Return the parent of a commit that just records the parent's run; None for any other.

        Such a commit is not run. Anyone can write one, so the steps, each with the attack it stops:

        1. It has the author of records and one parent: a merge brings in a branch that never ran.
        2. Its statement is valid (``verify``) and names that parent: the run of another commit says
           nothing about this commit's files.
        3. It has the parent's files and the signed ones, as regular files: code, links, submodules
           and modes would come in unseen.
        4. These are lock files and outs that Git keeps, by the parent's own graph: judged code can
           get a signature (``docs/explanation/threat-model.md``).

        Args:
            list_kept: lists the paths that a run at a commit records in Git.
        """
        objects = self.mirror.objects
        try:
            parents = objects.read_commit(commit).parents
            if self.mirror.read_author(commit) != AUTHOR or len(parents) != 1:  # 1
                return None
            record = self.verify(commit, branch)
            if record.commit != parents[0]:  # 2
                return None
            others = objects.list_files(parents[0])
            if any(one.mode != "100644" for path, one in others.items() if path in record.files):
                return None
            self._read_signed(record, commit, others)  # 3
            return parents[0] if record.files.keys() <= set(list_kept(parents[0])) else None  # 4
        except (SecurityError, ResourceError):
            return None  # it runs, and is judged as any other commit


def open_records(watch: Watch, protected: str | None = None) -> LockRecords:
    """Open the records of a watched repository.

    Args:
        protected: the commit of the protected branch with the trusted signers; None takes the last
            fetched one.
    """
    trust = cache(lambda: find_signers(watch, protected))
    return LockRecords(watch.mirror, name_repository(watch.url), trust)


def is_written_by_run(records: LockRecords, watch: Watch, branch: str, commit: str) -> bool:
    """Whether a commit is the record of a run, as ``write_back`` puts it on a branch."""

    def list_recorded(parent: str) -> set[str]:
        manifest = watch.open_worktree(branch, parent).view_commit(parent).manifest
        return {posixpath.normpath(f"{watch.below}/{one}") for one in list_kept(manifest)}

    return records.find_origin(commit, branch, list_recorded) is not None


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise LockRecordError("statement of a record is not base64", _AGAIN) from error
