"""Stage settings: ``[tool.ml-assets.stages."PATTERN"]``."""

from __future__ import annotations

from dataclasses import dataclass

from security.content.setting import seconds, setting


@dataclass(frozen=True)
class StageSettings:
    """Limits of the stages that match the pattern.

    The first table that matches counts.
    """

    time_limit: float = seconds(
        0.0,
        "Seconds for the commands of a stage before they are stopped and the stage fails.",
        unset="no limit",
        example="3600",
    )
    retries: int = setting(
        0,
        "Further attempts after a command has failed or the time limit has stopped it, each without"
        " the outs of the last one; outs with `persist` stay.",
        minimum=0,
        maximum=100,
        example="2",
    )
