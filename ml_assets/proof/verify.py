"""Verify a project's subject with the policy of the protected branch."""

from __future__ import annotations

import datetime
from dataclasses import replace

from ml_assets.project.model_outs import find_models
from ml_assets.project.project import Project
from ml_assets.project.rules import Rules
from resources.errors import ConfigurationError
from security.content.model_name import looks_like_model
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
) -> Verification:
    """Verify a subject against an environment of today's policy.

    Raises:
        ConfigurationError, PolicyError: the policy is unreadable, or lacks the environment.
    """
    demanded = VerificationRules.from_policy(rules.policy, environment, datetime.date.today())
    declared = _is_declared_model(project, subject.subject.name)
    return Verifier(statements, demanded).verify(replace(subject, is_model=declared))


def _is_declared_model(project: Project, name: str) -> bool:
    """Return whether the project's graph declares a model of this name."""
    if looks_like_model(name):
        return True
    try:
        return name in find_models(project.load_manifest())
    except ConfigurationError:
        return False  # without a graph the verifier still goes by names and statements
