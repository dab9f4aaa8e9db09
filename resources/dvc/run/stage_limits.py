"""The limits of a stage: the time for its commands, and their retries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StageLimits:
    """The limits of one stage.

    Attributes:
        seconds: time for all commands of the stage, in each attempt; 0 sets no limit.
        retries: further attempts after a command has failed or the time is over.
    """

    seconds: float = 0.0
    retries: int = 0
