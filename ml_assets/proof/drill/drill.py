"""The drill: attacks on a copy of a project, one at a time, each with the command that notices it.

An attack is caught only if the command passes before it, and fails or refuses after it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ml_assets.project.model_outs import find_models
from ml_assets.project.rules import Rules
from ml_assets.proof.drill.attack import Attack, AttackOutcome, CommandAnswer, ask, copy_project
from ml_assets.proof.drill.file_attacks import FileAttacks
from ml_assets.proof.drill.remote_attacks import RemoteAttacks
from ml_assets.proof.drill.stage_attacks import StageAttacks
from resources.dvc.checkout.checkout import Checkout
from resources.errors import ResourceError
from security.verdict import Verdict

#: Messages of commands that have not looked at the changed file.
_UNTRIED = ("error: no such file: ", "unexpected error")


class Drill:
    """Attacks on a copy of a project.

    Args:
        checkout: the project, which is only read.
        place: an empty directory for the copy.
        rules: of the project.
        more: more attacks on the copy.
    """

    def __init__(
        self,
        checkout: Checkout,
        place: Path,
        rules: Rules,
        more: Callable[[Path], Sequence[Attack]],
    ) -> None:
        self._rules = rules
        self._checkout = checkout
        self._more = more
        self._root = place / "project"
        self._place = place
        self._before: dict[tuple[str, ...], CommandAnswer] = {}
        self._model = next(
            (one for one in find_models(checkout.manifest) if checkout.read(one) is not None), None
        )

    def run(self) -> Iterator[AttackOutcome]:
        """Copy the project, run each attack on the copy, and yield its outcome."""
        copy_project(self._checkout.root, self._root)
        if self._model is None:
            yield AttackOutcome(
                "all", Verdict.ERROR, "", "no model in the project; create one: ml-assets run"
            )
            return
        files = FileAttacks(self._checkout, self._root, self._model)
        stages = StageAttacks(self._root)
        remotes = RemoteAttacks(self._root, self._model, self._rules.protection.branch)
        for kind in (files.attacks(), stages.attacks(), remotes.attacks(), self._more(self._root)):
            yield from map(self._try, kind)
        yield AttackOutcome("a registry entry", Verdict.ERROR, "", "no model registry yet")

    def _try(self, one: Attack) -> AttackOutcome:
        by = " ".join(("ml-assets", *one.words))
        if one.prepare is None and one.words not in self._before:
            self._before[one.words] = self._ask(one.words)  # the copy is the same before each
        kept = self._place / "kept"
        copy_project(self._root, kept)
        try:
            if one.prepare is None:
                before = self._before[one.words]
            else:
                one.prepare()
                before = self._ask(one.words)
            if before.code != 0:
                raise LookupError(f"the command failed before the attack: {before.said}")
            one.attack()
            after = self._ask(one.words)
            if any(message in after.said for message in _UNTRIED):
                raise LookupError(after.said)
            noticed = one.noticed(after)
        except (OSError, LookupError, ValueError, ResourceError) as error:
            return AttackOutcome(one.name, Verdict.ERROR, by, f"could not be tried: {error}")
        finally:
            shutil.rmtree(self._root)
            kept.rename(self._root)
        return AttackOutcome(
            one.name, Verdict.PASSED if noticed else Verdict.FAILED, by, after.said
        )

    def _ask(self, words: Sequence[str]) -> CommandAnswer:
        """Run a command of this program on the copy."""
        done = ask(self._place, "ml_assets.cli", "--project", str(self._root), *words)
        lines = [line for line in (done.stdout + done.stderr).splitlines() if _tells(line)]
        said = "; ".join(" ".join(line.split()) for line in lines[:2])
        return CommandAnswer(
            done.returncode, said or f"exit code {done.returncode}", done.stdout, done.stderr
        )


def _tells(line: str) -> bool:
    marks = ("error:", "failed", " error ", "run ", "restore ")
    return any(mark in line for mark in marks) and "passed:" not in line
