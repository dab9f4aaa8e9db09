"""The variables that stages and gates of a project get."""

from __future__ import annotations

import os
from dataclasses import replace

from ml_assets.project.project import Project
from ml_assets.project.rules import Rules
from ml_assets.signer.access import find_broker
from ml_assets.signer.door import ADDRESSES
from resources.dvc.run.stage_environment import StageEnvironment, build_environment, matches


def find_stage_variables(
    project: Project, rules: Rules, *, server: bool = False
) -> StageEnvironment:
    """Find the variables for stages.

    Credentials pass if the protected branch's settings say so, other variables also by the settings
    of the working tree.

    Args:
        server: pass only an allow-list, besides the variables of the settings.

    Raises:
        UnavailableError: the broker is gone.
    """
    broker = find_broker()
    names = broker.find_names() if broker is not None else frozenset()
    passed: dict[str, str] = {}
    patterns = rules.settings.environment
    if project.brokered is not None and any(matches(name, patterns) for name in names):
        passed = project.brokered.read_passed()
    ours = {name: value for name, value in os.environ.items() if name not in ADDRESSES}
    found = build_environment(
        {**ours, **passed},
        server=server,
        allowed=project.settings.environment,
        credentials=patterns,
    )
    return replace(found, withheld=tuple(sorted({*found.withheld, *(names - passed.keys())})))
