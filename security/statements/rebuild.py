"""The rebuild: outs of a stage that ran again in a clean checkout, compared, as a statement.

The predicate is our own (``urn:ml-assets:rebuild:v1``; ``docs/explanation/proof.md``): SLSA has
no predicate for it. Its subjects are the rebuilt outs, as in the provenance.
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
    """The comparison of a rebuilt stage.

    Attributes:
        outs: the outs in the provenance.
        differing: differing files by out; for an out that is a file, the out itself.
        provenance: the ledger digest of the repeated run's provenance.
    """

    outs: tuple[Subject, ...]
    stage: str
    commit: str
    differing: Mapping[str, tuple[str, ...]]
    provenance: str
    finished: datetime.datetime

    @property
    def identical(self) -> tuple[str, ...]:
        """The identical outs."""
        return tuple(one.name for one in self.outs if one.name not in self.differing)


def write_rebuild(rebuild: Rebuild) -> Statement:
    """Write the comparison as a statement.

    Raises:
        StatementError: it has no outs.
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
