"""Attacks on the records of lock files, for the drill."""

from __future__ import annotations

import posixpath
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ml_assets.branches.lock_files import list_kept
from ml_assets.branches.lock_records import AUTHOR, LockRecords
from ml_assets.project.project import Project
from ml_assets.project.rules import Rules
from ml_assets.project.settings.signing import Method
from ml_assets.proof.drill.attack import Attack, CommandAnswer
from ml_assets.proof.signing_method import open_signer
from ml_assets.proof.trust import find_trust
from resources.errors import ResourceError
from resources.git.command import call_git
from resources.git.mirror import Mirror
from resources.git.remote_repository import LOCKS
from resources.git.repository import read_place
from resources.git.repository_name import name_repository
from security.errors import SecurityError

_BRANCH = "drill"


class RecordAttacks:
    """Attacks on the remote repository of a copy of a project.

    Args:
        root: of the copy.
        rules: of the project.
    """

    def __init__(self, root: Path, rules: Rules) -> None:
        self._root = root
        self._rules = rules
        self._origin = root.parent / "origin.git"

    def attacks(self) -> Sequence[Attack]:
        """Return the attacks."""
        pull = ("lock", "pull", "--branch", _BRANCH)
        forge, refused = self._forge, self._is_refused
        return (Attack("a forged record of lock files", pull, forge, refused, self._record),)

    def _record(self) -> None:
        """Push the record of a run, as a watched branch does."""
        call_git(self._root, "init", "--quiet", "--bare", str(self._origin))
        call_git(self._root, "config", "--replace-all", "remote.origin.url", str(self._origin))
        try:
            self._files = self._read_files()
            self._message = self._sign()
        except (ResourceError, SecurityError) as error:
            raise LookupError(error.message) from error
        self._push(self._files, None)

    def _read_files(self) -> dict[str, bytes]:
        below = read_place(self._root) or "."
        kept = list_kept(Project(self._root).load_manifest())
        files = {posixpath.normpath(f"{below}/{one}"): self._root / one for one in sorted(kept)}
        return {path: file.read_bytes() for path, file in files.items() if file.is_file()}

    def _sign(self) -> str:
        project, rules = Project(self._root), self._rules
        if rules.settings.signing.method is not Method.KEY or project.head.commit is None:
            raise LookupError("tried with a commit and the user's own key only")
        signer = open_signer(project, rules, lambda _: None)
        records = LockRecords(
            Mirror(self._root), name_repository(str(self._origin)), lambda: find_trust(rules)
        )
        commit = project.head.commit
        return records.write_message(_BRANCH, commit, "drill", self._files, signer.sign)

    def _push(self, files: Mapping[str, bytes], parent: str | None) -> None:
        mirror = Mirror(self._root)
        now = int(time.time())
        self._tip = mirror.write_commit(files, self._message, AUTHOR, now, parent, whole=True)
        moved = f"+{self._tip}:{LOCKS}/{_BRANCH}"
        call_git(self._root, "push", "--quiet", str(self._origin), moved)

    def _forge(self) -> None:
        """Push other lock files with the signed message of the record."""
        path = next((one for one in self._files if one.endswith("dvc.lock")), None)
        if path is None:
            raise LookupError("no lock file")
        forged = self._files[path].replace(b"md5: ", b"md5: 0", 1)
        self._push({**self._files, path: forged}, self._tip)

    def _is_refused(self, answer: CommandAnswer) -> bool:
        """Return whether the record is refused for its files, and nothing is written."""
        reason = "record with other files than its statement" in answer.errors
        return reason and self._read_files() == self._files
