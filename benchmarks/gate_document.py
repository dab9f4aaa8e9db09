"""The document of ``ml-assets check --json``: the result of each gate and subject."""

from __future__ import annotations

import json
from dataclasses import dataclass

from benchmarks.errors import WrongRun
from benchmarks.measurement import Finished

_HINT = "run the command by hand: it does not do its work here"
_JUDGED = ("passed", "warned")
#: A policy may turn errors into warnings; the reason still names them.
_PARTIAL = ("could not judge", "incomplete report", "nothing to judge")


@dataclass(frozen=True)
class Judgement:
    """The result of one gate and one subject.

    Attributes:
        complete: the gate checked the whole subject, and no finding blocks.
        facts: counts and other facts, by name.
    """

    gate: str
    subject: str
    complete: bool
    cached: bool
    reason: str
    facts: dict[str, object]

    def __str__(self) -> str:
        """Return the gate, the subject and the reason, for a message."""
        return f"{self.gate} of {self.subject}: {self.reason}"


def read_judgements(finished: Finished, shown: str) -> tuple[Judgement, ...]:
    """Parse the output of a check.

    Args:
        shown: the command, for the message.

    Raises:
        WrongRun: the output is not such a document.
    """
    try:
        return tuple(
            Judgement(
                gate=one["name"],
                subject=one["subject"],
                complete=one["verdict"] in _JUDGED
                and not any(words in one["reason"] for words in _PARTIAL),
                cached=one["cached"] is True,
                reason=one["reason"],
                facts=dict(one["facts"]),
            )
            for one in json.loads(finished.stdout)["gates"]
        )
    except (ValueError, KeyError, TypeError) as error:
        raise WrongRun(f"{shown}: invalid document", _HINT) from error
