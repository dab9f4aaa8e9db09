"""The rebuild: what a stage gave when it was run again in a clean checkout, as a statement.

The predicate is our own (``urn:ml-assets:rebuild:v1``; ``docs/explanation/proof.md``): SLSA has no
word for it. Its subjects are the outs that were rebuilt, as the run has stated them.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from security.statements.provenance import write_time
from security.statements.statement import Statement, Subject, write_statement

PREDICATE = "urn:ml-assets:rebuild:v1"


@dataclass(frozen=True, slots=True)
class Rebuild:
    """What came of running a stage again.

    Attributes:
        outs: as they were.
        differing: files that came out otherwise, by out; an out that is a file has itself.
        provenance: the digest of the statement of the run that was repeated.
    """

    outs: tuple[Subject, ...]
    stage: str
    commit: str
    differing: Mapping[str, tuple[str, ...]]
    provenance: str
    finished: datetime.datetime

    @property
    def identical(self) -> tuple[str, ...]:
        """The outs that came out the same."""
        return tuple(one.name for one in self.outs if one.name not in self.differing)


def write_rebuild(rebuild: Rebuild) -> Statement:
    """Write what came of it as a statement.

    Raises:
        StatementError: there are no outs.
    """
    predicate = {
        "stage": rebuild.stage,
        "commit": rebuild.commit,
        "provenance": {"sha256": rebuild.provenance},
        "identical": list(rebuild.identical),
        "differing": {name: list(files) for name, files in sorted(rebuild.differing.items())},
        "finishedOn": write_time(rebuild.finished),
    }
    return write_statement(rebuild.outs, PREDICATE, predicate)
