"""Verify a project's subject with the policy of the protected branch."""

from __future__ import annotations

import datetime
from contextlib import suppress
from dataclasses import replace

from ml_assets.project.model_outs import find_models
from ml_assets.project.project import Project
from ml_assets.project.rules import Rules
from ml_assets.proof.project_history import ProjectHistory
from resources.errors import ConfigurationError
from security.verify.verification import Verification
from security.verify.verification_rules import VerificationRules
from security.verify.verification_subject import VerificationSubject
from security.verify.verified_statements import VerifiedStatements
from security.verify.verifier import Verifier


def verify_subject(
    project: Project,
    rules: Rules,
    statements: VerifiedStatements,
    subject: VerificationSubject,
    environment: str,
    now: datetime.datetime | None = None,
) -> Verification:
    """Verify a subject against an environment of today's policy.

    Args:
        now: the time; None reads the clock.

    Raises:
        ConfigurationError, PolicyError: the policy is unreadable, or lacks the environment.
    """
    now = now or datetime.datetime.now().astimezone()
    demanded = VerificationRules.from_policy(rules.policy, environment, now.date(), now)
    asked = replace(subject, models=_find_models(project, rules))
    has_commits = project.head.commit is not None
    history = ProjectHistory(project.root) if has_commits else None
    return Verifier(statements, demanded, history).verify(asked)


def _find_models(project: Project, rules: Rules) -> frozenset[str]:
    """Return the models that the graph of the working tree or the protected branch declares."""
    found: set[str] = set()
    with suppress(ConfigurationError):  # without a graph, names and statements decide
        found.update(find_models(project.load_manifest()))
    if rules.commit is not None:
        with suppress(ConfigurationError):
            found.update(find_models(project.view_commit(rules.commit).manifest))
    return frozenset(found)
