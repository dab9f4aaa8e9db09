"""The drill: attacks on a copy of a project, one at a time, each with the command that notices it.

An attack is caught only if the command passes before it, and fails or refuses after it.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ml_assets.project.model_outs import find_models
from resources.dvc.cache.content import Content
from resources.dvc.checkout.checkout import Checkout
from security.content.file_tree import read_tree
from security.verdict import Verdict

#: Directories that are not copied: they are derived, and no attack changes them.
_LEFT_OUT = (".venv", "node_modules", "__pycache__", ".mypy_cache", ".pytest_cache")
_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class AttackOutcome:
    """The outcome of an attack.

    Attributes:
        verdict: ``passed`` if it was caught, ``failed`` if it went unnoticed, ``error`` if it could
            not be tried.
        by: the command that has to notice it.
        detail: the command's message.
    """

    attack: str
    verdict: Verdict
    by: str
    detail: str


@dataclass(frozen=True, slots=True)
class _Answer:
    code: int
    said: str
    output: str


@dataclass(frozen=True, slots=True)
class _Attack:
    """An attack, with the command that has to notice it.

    Attributes:
        words: the command's arguments.
        noticed: decides by the command's answer whether it noticed the attack.
    """

    name: str
    words: tuple[str, ...]
    attack: Callable[[], None]
    noticed: Callable[[_Answer], bool] = lambda answer: answer.code != 0


class Drill:
    """Attacks on a copy of a project.

    Args:
        checkout: the project, which is only read.
        place: an empty directory for the copy.
    """

    def __init__(self, checkout: Checkout, place: Path) -> None:
        self._checkout = checkout
        self._root = place / "project"
        self._place = place
        self._model = next(
            (one for one in find_models(checkout.manifest) if checkout.read(one) is not None), None
        )

    def run(self) -> Iterator[AttackOutcome]:
        """Copy the project, run each attack on the copy, and yield its outcome."""
        _copy(self._checkout.root, self._root)
        if self._model is None:
            yield AttackOutcome(
                "all", Verdict.ERROR, "", "no model in the project; create one: ml-assets run"
            )
            return
        for one in self._attacks(self._model):
            yield self._try(one)
        yield AttackOutcome("a registry entry", Verdict.ERROR, "", "no model registry yet")

    def _attacks(self, model: str) -> Sequence[_Attack]:
        verify = ("verify", model)
        run = ("run", "--quiet")
        return (
            _Attack("a byte of the model", verify, lambda: _flip(self._root / model)),
            _Attack("a permission bit", verify, lambda: _set_user_id(self._root / model)),
            _Attack("the lock", ("plan",), lambda: self._edit_lock(model), _is_stale),
            _Attack("a cache object", run, lambda: self._flip_object(model), self._is_unharmed),
            _Attack("a remote object", verify, lambda: self._flip_remote(model)),
            _Attack("a statement", verify, lambda: self._edit_statements("provenance")),
            _Attack("the bundle", verify, lambda: self._edit_statements("model_signing")),
            _Attack("a result that vanished", verify, lambda: self._drop("gate-result")),
            _Attack("the policy", ("check", "code-security"), self._loosen_policy),
            _Attack("the event log", ("run", "--quiet"), self._forge_events),
        )

    def _try(self, one: _Attack) -> AttackOutcome:
        by = " ".join(("ml-assets", *one.words))
        before = self._ask(one.words)
        if before.code != 0:
            detail = f"the command failed before the attack: {before.said}"
            return AttackOutcome(one.name, Verdict.ERROR, by, detail)
        kept = self._place / "kept"
        _copy(self._root, kept)
        try:
            one.attack()
            after = self._ask(one.words)
            noticed = one.noticed(after)
        except (OSError, LookupError, ValueError) as error:
            return AttackOutcome(one.name, Verdict.ERROR, by, f"could not be tried: {error}")
        finally:
            shutil.rmtree(self._root)
            kept.rename(self._root)
        return AttackOutcome(
            one.name, Verdict.PASSED if noticed else Verdict.FAILED, by, after.said
        )

    def _ask(self, words: Sequence[str]) -> _Answer:
        """Run a command of this program on the copy."""
        done = _call(self._place, "ml_assets.cli", "--project", str(self._root), *words)
        lines = [line for line in (done.stdout + done.stderr).splitlines() if _tells(line)]
        said = "; ".join(" ".join(line.split()) for line in lines[:2])
        return _Answer(done.returncode, said or f"exit code {done.returncode}", done.stdout)

    def _is_unharmed(self, answer: _Answer) -> bool:
        """Return whether damaged bytes of the cache are refused or replaced, and never used."""
        if answer.code != 0:
            return True
        before = self._checkout.read(str(self._model))
        after = read_tree(self._root / str(self._model)).digest
        return before is not None and before.sha256 in after.values()

    def _edit_lock(self, model: str) -> None:
        """Record a wrong hash of the model."""
        stage = self._checkout.manifest.producer[model]
        path = self._root / stage.lock_path
        content = self._content(model)
        text = path.read_text(encoding="utf-8")
        old = content.md5.removesuffix(".dir")
        path.write_text(text.replace(old, old[::-1]), encoding="utf-8")

    def _content(self, model: str) -> Content:
        content = self._checkout.read(model)
        if content is None:
            raise LookupError(f"no such file: {model}")
        return content

    def _flip_object(self, model: str) -> None:
        """Change the model in DVC's cache, and delete it from the working tree."""
        content = self._content(model)
        entries = content.entries
        md5 = content.md5 if entries is None else entries[0].md5
        found = list((self._root / ".dvc" / "cache").rglob(md5[2:]))
        if not found:
            raise LookupError("the model is not in a cache inside the project")
        for path in found:
            _flip(path)
        target = self._root / model
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    def _flip_remote(self, model: str) -> None:
        """Push the model, change it in the remote, and pull it as another user would."""
        remote = self._place / "remote"
        self._dvc("remote", "add", "--force", "--default", "drill", str(remote))
        self._dvc("push", model)
        for path in [one for one in remote.rglob("*") if one.is_file()]:
            if not path.name.endswith(".dir"):
                _flip(path)
        shutil.rmtree(self._root / ".dvc" / "cache", ignore_errors=True)
        target = self._root / model
        shutil.rmtree(target) if target.is_dir() else target.unlink()
        self._dvc("pull", "--force", model)

    def _dvc(self, *words: str) -> None:
        """Run DVC in the copy."""
        done = _call(self._root, "dvc", *words)
        if (
            done.returncode != 0 and words[0] != "pull"
        ):  # a file that pull refuses is missing for verify
            raise LookupError(f"dvc {words[0]}: {done.stderr.strip()[-200:]}")

    def _statements(self, kind: str) -> list[Path]:
        """Return the statements of a kind in the local ledger."""
        ledger = self._root / ".ml-assets" / "state" / "ledger"
        found = []
        for path in ledger.rglob("*.json"):
            payload = json.loads(path.read_bytes())["dsseEnvelope"]["payload"]
            if kind.encode() in base64.b64decode(payload).partition(b'"predicate":')[0]:
                found.append(path)
        if not found:
            raise LookupError("no such statements in a ledger inside the project")
        return found

    def _edit_statements(self, kind: str) -> None:
        """Change the payload, and keep its signature."""
        for path in self._statements(kind):
            bundle = json.loads(path.read_bytes())
            payload = bytearray(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
            payload[-5] ^= 1
            bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode("ascii")
            path.write_text(json.dumps(bundle), encoding="utf-8")

    def _drop(self, kind: str) -> None:
        for path in self._statements(kind):
            path.unlink()

    def _plant(self) -> None:
        """Add code that ``code-security`` fails to a script of the project."""
        dirty = "\nimport subprocess\nsubprocess.call('ls ' + input(), shell=True)\n"
        for stage in self._checkout.manifest.stages:
            for dep in stage.deps:
                path = self._root / dep.location
                if not dep.producers and path.suffix == ".py" and path.is_file():
                    path.write_text(path.read_text(encoding="utf-8") + dirty, encoding="utf-8")
                    return
        raise LookupError("no stage reads a Python file")

    def _loosen_policy(self) -> None:
        """Turn every gate off in the working tree, and add code that a gate fails."""
        self._plant()
        policy = self._root / ".ml-assets" / "policy.toml"
        policy.parent.mkdir(exist_ok=True)
        policy.write_text(
            'version = 1\n[environments.materialize]\ndefault = { level = "off" }\n',
            encoding="utf-8",
        )

    def _forge_events(self) -> None:
        """Let Dagster's event log claim that failing code has passed."""
        self._plant()
        changed = 0
        for path in (self._root / ".ml-assets" / "state" / "dagster").rglob("*.db"):
            with closing(sqlite3.connect(path)) as database, database:
                tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
                if "asset_check_executions" in tables:
                    query = "UPDATE asset_check_executions SET execution_status = 'SUCCEEDED'"
                    changed += database.execute(query).rowcount
        if not changed:
            raise LookupError("no event log with checks inside the project")


def _call(directory: Path, module: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", module, *words],
        cwd=directory,
        env={**os.environ, "DVC_NO_ANALYTICS": "1"},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_SECONDS,
        check=False,
    )


def _is_stale(answer: _Answer) -> bool:
    """Return whether a plan has work to do: the lock differs from the files."""
    return answer.code != 0 or not re.search(r"\b0 to run, 0 to restore\b", answer.output)


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns(*_LEFT_OUT))


def _first_file(path: Path) -> Path:
    return sorted(one for one in path.rglob("*") if one.is_file())[0] if path.is_dir() else path


def _set_user_id(path: Path) -> None:
    """Set the set-user-ID bit of a file, or of the first file of a directory."""
    path = _first_file(path)
    path.chmod(path.stat().st_mode | stat.S_ISUID)


def _flip(path: Path) -> None:
    """Change one bit in the middle of a file, or of the first file of a directory."""
    path = _first_file(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.unlink()
    path.write_bytes(content)


def _tells(line: str) -> bool:
    marks = ("error:", "failed", " error ", "run ", "restore ")
    return any(mark in line for mark in marks) and "passed:" not in line
