"""The variables that stages and gates of a project get, and the Python that they name."""

from __future__ import annotations

import os
from dataclasses import replace

from ml_assets.project.interpreter import choose_interpreter
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
    of the working tree. ``python`` means the project's interpreter.

    Args:
        server: pass only an allow-list, besides the variables of the settings.

    Raises:
        UnavailableError: the broker is gone.
        ConfigurationError: Git tracks the project's interpreter, or it does not exist.
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
    python = choose_interpreter(project.root, rules.settings.gates.python, os.environ)
    return replace(
        found,
        variables=python.adapt(found.variables) if python is not None else found.variables,
        withheld=tuple(sorted({*found.withheld, *(names - passed.keys())})),
        python=python.path if python is not None else None,
        notices=tuple(python.notices) if python is not None else (),
    )
