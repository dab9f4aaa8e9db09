"""The CI job of this process, read from the environment variables of its platform.

The values serve names, notices and annotations only. They are not evidence and no rule depends on
them: the job file, or a stage of a pull request, can set any of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# Branch names that Git accepts, without unusual characters.
_BRANCH = re.compile(r"(?![-/.])(?!.*(?:\.\.|//|@\{))[^\x00-\x20\x7f~^:?*\[\\]{1,200}(?<![/.])")
_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/@!$&'()*+,;=%-]{1,500}")


class Provider(Enum):
    """A platform that runs CI jobs."""

    GITHUB = "github"
    GITLAB = "gitlab"


@dataclass(frozen=True)
class CIJob:
    """One job. A value that the platform did not set, or that is malformed, is None.

    Attributes:
        branch: the pushed branch; for a pull request its source branch, in any repository.
        commit: the full hash of the commit under test.
        pull_request: the number of the pull request.
        target: the branch into which the pull request merges.
        actor: the account that started the job.
        run_url: the page of the job.
        workspace: the directory to which the paths of the platform are relative.
    """

    provider: Provider
    branch: str | None = None
    commit: str | None = None
    pull_request: int | None = None
    target: str | None = None
    actor: str | None = None
    run_url: str | None = None
    workspace: Path | None = None

    @property
    def assets_name(self) -> str | None:
        """The branch name for the assets of the job.

        A pull request uses its number: a branch of a fork can be named ``main`` too.
        """
        if self.pull_request is not None:
            return f"pull/{self.pull_request}"
        return None if self.target is not None else self.branch

    @property
    def about(self) -> str:
        """Describe the job in one line."""
        words = [f"{self.provider.value} job"]
        if self.pull_request is not None:
            words.append(f"of pull request {self.pull_request}")
        if self.branch is not None:
            words.append(f"of {self.branch}")
        if self.target is not None:
            words.append(f"into {self.target}")
        if self.commit is not None:
            words.append(f"at {self.commit[:12]}")
        return " ".join([*words, *([f"by {self.actor}"] if self.actor else [])])


def read_ci_job(environment: Mapping[str, str]) -> CIJob | None:
    """Read the job from environment variables; None outside of the known platforms."""
    if environment.get("GITHUB_ACTIONS") == "true":
        return _read_github(environment)
    if environment.get("GITLAB_CI") == "true":
        return _read_gitlab(environment)
    return None


def _read_github(environment: Mapping[str, str]) -> CIJob:
    get = environment.get
    target = _branch(get("GITHUB_BASE_REF"))
    named = get("GITHUB_REF_NAME") if get("GITHUB_REF_TYPE") == "branch" else None
    number = re.fullmatch(r"refs/pull/([0-9]{1,18})/(?:merge|head)", get("GITHUB_REF", ""))
    run = f"{get('GITHUB_SERVER_URL')}/{get('GITHUB_REPOSITORY')}/actions/runs"
    return CIJob(
        Provider.GITHUB,
        branch=_branch(get("GITHUB_HEAD_REF") or (None if number else named)),
        commit=_commit(get("GITHUB_SHA")),
        pull_request=int(number[1]) if number else None,
        target=target,
        actor=_name(get("GITHUB_ACTOR")),
        run_url=_address(f"{run}/{get('GITHUB_RUN_ID')}"),
        workspace=_directory(get("GITHUB_WORKSPACE")),
    )


def _read_gitlab(environment: Mapping[str, str]) -> CIJob:
    get = environment.get
    number = get("CI_MERGE_REQUEST_IID", "")
    return CIJob(
        Provider.GITLAB,
        branch=_branch(get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME") or get("CI_COMMIT_BRANCH")),
        commit=_commit(get("CI_COMMIT_SHA")),
        pull_request=int(number) if re.fullmatch("[0-9]{1,18}", number) else None,
        target=_branch(get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME")),
        actor=_name(get("GITLAB_USER_LOGIN")),
        run_url=_address(get("CI_JOB_URL")),
        workspace=_directory(get("CI_PROJECT_DIR")),
    )


def _branch(text: str | None) -> str | None:
    return text if text and _BRANCH.fullmatch(text) and text.isprintable() else None


def _commit(text: str | None) -> str | None:
    return text if text and _COMMIT.fullmatch(text) else None


def _name(text: str | None) -> str | None:
    return text if text and len(text) <= 100 and text.isprintable() else None


def _address(text: str | None) -> str | None:
    return text if text and _ADDRESS.fullmatch(text) else None


def _directory(text: str | None) -> Path | None:
    return Path(text) if text and Path(text).is_absolute() and text.isprintable() else None
