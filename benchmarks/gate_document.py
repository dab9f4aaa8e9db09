"""The document of ``ml-assets check --json``: what it says of each judgement."""

from __future__ import annotations

import json
from dataclasses import dataclass

from benchmarks.errors import WrongRun
from benchmarks.measurement import Finished

_HINT = "look at it by hand: what the command does here is not what it should"
_JUDGED = ("passed", "warned")
#: A policy may only warn of what could not be judged; the reason says it all the same.
_PARTIAL = ("could not judge", "incomplete report", "nothing to judge")


@dataclass(frozen=True)
class Judgement:
    """What became of one gate and one subject.

    Attributes:
        complete: all of the subject was judged, and nothing in it blocks.
        facts: counts and the like, by name.
    """

    gate: str
    subject: str
    complete: bool
    cached: bool
    reason: str
    facts: dict[str, object]

    def __str__(self) -> str:
        """Return which it is and why, for a message."""
        return f"{self.gate} of {self.subject}: {self.reason}"


def read_judgements(finished: Finished, shown: str) -> tuple[Judgement, ...]:
    """Read what a check has printed.

    Args:
        shown: the command, for the message.

    Raises:
        WrongRun: it is no such document.
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
        raise WrongRun(f"{shown}: not the document it promises", _HINT) from error
