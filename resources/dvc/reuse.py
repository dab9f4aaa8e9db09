"""The reuse: what a run may take over from earlier runs."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Reuse:
    """What a run may take over from earlier runs.

    Attributes:
        force: run the commands of all stages, also of fresh ones, and restore nothing.
        force_downstream: do so for each stage directly behind one that ran or was restored.
        run_cache: restore the outs of any earlier run with the same inputs, not only the recorded
            ones.
    """

    force: bool = False
    force_downstream: bool = False
    run_cache: bool = True

    def narrow(self, *, is_behind: bool) -> Reuse:
        """Return what one stage may take over.

        Args:
            is_behind: a stage directly before it has run or was restored.
        """
        return replace(self, force=self.force or (self.force_downstream and is_behind))
