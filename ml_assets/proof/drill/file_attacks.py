"""Attacks on files: on a model, its lock, its copies, its proof, and the rules."""

from __future__ import annotations

import base64
import json
import re
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from ml_assets.proof.drill.attack import Attack, CommandAnswer, ask, flip, set_user_id
from resources.dvc.cache.content import Content
from resources.dvc.checkout.checkout import Checkout
from security.content.file_tree import read_tree


class FileAttacks:
    """Attacks on files of a copy of a project.

    Args:
        checkout: the project, which is only read.
        root: of the copy.
        model: location of a model.
    """

    def __init__(self, checkout: Checkout, root: Path, model: str) -> None:
        self._checkout = checkout
        self._root = root
        self._model = model

    def attacks(self) -> Sequence[Attack]:
        """Return the attacks."""
        model = self._model
        verify = ("verify", model)
        run = ("run", "--quiet")
        pull = (*run, "--pull")
        return (
            Attack("a byte of the model", verify, lambda: flip(self._root / model)),
            Attack("a permission bit", verify, lambda: set_user_id(self._root / model)),
            Attack("the lock", ("plan",), lambda: self._edit_lock(model), _is_stale),
            Attack("a cache object", run, lambda: self._flip_object(model), self._is_unharmed),
            Attack("a remote object", pull, lambda: self._flip_remote(model), self._is_unharmed),
            Attack("a statement", verify, lambda: self._edit_statements("provenance")),
            Attack("the bundle", verify, lambda: self._edit_statements("model_signing")),
            Attack("a result that vanished", verify, lambda: self._drop("gate-result")),
            Attack("the policy", ("check", "code-security"), self._loosen_policy),
            Attack("the event log", ("run", "--quiet"), self._forge_events),
        )

    def _is_unharmed(self, answer: CommandAnswer) -> bool:
        """Return whether damaged bytes of the cache are refused or replaced, and never used."""
        if answer.code != 0:
            return True
        before = self._checkout.read(self._model)
        after = read_tree(self._root / self._model).digest
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
            flip(path)
        target = self._root / model
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    def _flip_remote(self, model: str) -> None:
        """Push the model, change it in the remote, and leave it nowhere else."""
        remote = self._root.parent / "remote"
        self._dvc("remote", "add", "--local", "--force", "--default", "drill", str(remote))
        self._dvc("push", model)
        for path in [one for one in remote.rglob("*") if one.is_file()]:
            if not path.name.endswith(".dir"):
                flip(path)
        shutil.rmtree(self._root / ".dvc" / "cache", ignore_errors=True)
        target = self._root / model
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    def _dvc(self, *words: str) -> None:
        """Run DVC in the copy."""
        done = ask(self._root, "dvc", *words)
        if done.returncode != 0:
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


def _is_stale(answer: CommandAnswer) -> bool:
    """Return whether a plan has work to do: the lock differs from the files."""
    return answer.code != 0 or not re.search(r"\b0 to run, 0 to restore\b", answer.output)
