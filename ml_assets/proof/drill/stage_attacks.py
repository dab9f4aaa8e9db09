"""Attacks by a stage: on keys, secrets, and what the next command believes or executes.

A stage is added to the copy. It tries the attack, and writes into its out whether it succeeded.
"""

from __future__ import annotations

import secrets
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ml_assets.proof.drill.attack import SECRET, Attack, CommandAnswer
from ml_assets.signer.user_directories import find_configuration

_PLACE = "drill-stage"
_OUT = "tried.txt"
_DONE = "SUCCESS"
_MANIFEST = """\
stages:
  drill:
    cmd: echo tried > tried.txt; sh attack.sh >> tried.txt 2>&1; true
    deps: [attack.sh]
    outs: [tried.txt]
"""


class StageAttacks:
    """Attacks by a stage that is added to a copy of a project.

    Args:
        root: of the copy.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._name = f"drill-{secrets.token_hex(8)}"  # of files that an attack creates

    def attacks(self) -> Sequence[Attack]:
        """Return the attacks."""
        keys = shlex.quote(str(find_configuration()))
        scripts = {
            "a stage reads the signing key": f"grep -q . {keys}/*",
            "a stage reads a secret of the environment": f'test -n "${SECRET}"',
            "a stage reads a secret of another process": "cat /proc/*/environ 2>/dev/null |"
            f" tr '\\0' '\\n' | grep -q ^{SECRET}=.",
            "a stage writes Git's configuration": "git config core.pager evil",
            "a stage moves a branch": "git update-ref refs/heads/drill HEAD",
            "a stage writes DVC's configuration": self._create(self._root / ".dvc"),
            "a stage writes stored results": self._create(self._root / ".ml-assets" / "state"),
            "a stage writes our environment": self._create(Path(sys.prefix)),
        }
        run = ("run", "--quiet")
        tries = {name: f"if {script}; then echo {_DONE}; fi" for name, script in scripts.items()}
        link = f"ln -sf {keys}/signing.key {_OUT}"
        return (
            *(Attack(name, run, partial(self._add, t), self._failed) for name, t in tries.items()),
            Attack("an out that is a link to the key", run, partial(self._add, link), self._clean),
        )

    def _create(self, directory: Path) -> str:
        """Return a script that creates a file, and removes it again."""
        file = shlex.quote(str(directory / self._name))
        return f"touch {file} && rm {file}"

    def _add(self, script: str) -> None:
        place = self._root / _PLACE
        place.mkdir()
        (place / "attack.sh").write_text(f"{script}\n", encoding="utf-8")
        (place / "dvc.yaml").write_text(_MANIFEST, encoding="utf-8")

    def _failed(self, answer: CommandAnswer) -> bool:
        """Return whether the stage tried in vain, or was refused."""
        tried = self._root / _PLACE / _OUT
        if not tried.exists():
            return answer.code != 0
        return _DONE not in tried.read_text(encoding="utf-8", errors="replace")

    def _clean(self, answer: CommandAnswer) -> bool:
        """Return whether the run failed, and DVC's cache holds no key."""
        cached = (self._root / ".dvc" / "cache").rglob("*")
        found = any(b"PRIVATE KEY" in one.read_bytes() for one in cached if one.is_file())
        return answer.code != 0 and not found
