"""The CI job: what the variables of GitHub Actions and GitLab CI say, and what they cannot say."""

from pathlib import Path

import pytest

from resources.ci_job import CIJob, Provider, read_ci_job

COMMIT = "0123456789abcdef0123456789abcdef01234567"
GITHUB = {
    "CI": "true",
    "GITHUB_ACTIONS": "true",
    "GITHUB_ACTOR": "octocat",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_REF": "refs/heads/develop",
    "GITHUB_REF_NAME": "develop",
    "GITHUB_REF_TYPE": "branch",
    "GITHUB_REPOSITORY": "acme/flights",
    "GITHUB_RUN_ID": "17",
    "GITHUB_SERVER_URL": "https://git.example",
    "GITHUB_SHA": COMMIT,
    "GITHUB_WORKSPACE": "/srv/runner/flights",
}
PULL = {
    "GITHUB_BASE_REF": "main",
    "GITHUB_HEAD_REF": "better",
    "GITHUB_REF": "refs/pull/12/merge",
    "GITHUB_REF_NAME": "12/merge",
}
GITLAB = {
    "CI": "true",
    "GITLAB_CI": "true",
    "GITLAB_USER_LOGIN": "tanuki",
    "CI_COMMIT_BRANCH": "develop",
    "CI_COMMIT_SHA": COMMIT,
    "CI_JOB_URL": "https://git.example/acme/flights/-/jobs/5",
    "CI_PROJECT_DIR": "/builds/acme/flights",
}
MERGE = {
    "CI_COMMIT_BRANCH": "",
    "CI_MERGE_REQUEST_IID": "12",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "better",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
}


def job(environment: dict[str, str]) -> CIJob:
    found = read_ci_job(environment)
    assert found is not None
    return found


def test_push_on_github_is_read() -> None:
    assert job(GITHUB) == CIJob(
        Provider.GITHUB,
        branch="develop",
        commit=COMMIT,
        actor="octocat",
        run_url="https://git.example/acme/flights/actions/runs/17",
        workspace=Path("/srv/runner/flights"),
    )
    assert job(GITHUB).assets_name == "develop"
    assert job(GITHUB).about == "github job of develop at 0123456789ab by octocat"


def test_push_on_gitlab_is_read() -> None:
    assert job(GITLAB) == CIJob(
        Provider.GITLAB,
        branch="develop",
        commit=COMMIT,
        actor="tanuki",
        run_url="https://git.example/acme/flights/-/jobs/5",
        workspace=Path("/builds/acme/flights"),
    )


@pytest.mark.parametrize("environment", [{**GITHUB, **PULL}, {**GITLAB, **MERGE}])
def test_pull_request_is_known_by_its_number(environment: dict[str, str]) -> None:
    found = job(environment)

    assert (found.branch, found.pull_request, found.target) == ("better", 12, "main")
    assert found.assets_name == "pull/12"


@pytest.mark.parametrize(
    "environment",
    [
        {**GITHUB, **PULL, "GITHUB_HEAD_REF": "main"},
        {**GITLAB, **MERGE, "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "main"},
    ],
)
def test_branch_of_a_fork_that_is_called_main_gives_its_assets_no_such_name(
    environment: dict[str, str],
) -> None:
    assert job(environment).assets_name == "pull/12"


@pytest.mark.parametrize("ref", ["", "refs/pull/x/merge", "refs/pull/12/merge/../../x"])
def test_pull_request_without_a_number_gives_its_assets_no_name(ref: str) -> None:
    assert job({**GITHUB, **PULL, "GITHUB_REF": ref}).assets_name is None


def test_tag_is_no_branch() -> None:
    assert job({**GITHUB, "GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v1"}).branch is None


@pytest.mark.parametrize(
    "name",
    ["", "-x", "/x", "a..b", "a b", "a\nb", "a\x1b[31m", "a:b", "x/", "a\\b", "\u202eniam", "a//b"],
)
def test_what_is_no_name_of_a_branch_is_none(name: str) -> None:
    assert job({**GITHUB, "GITHUB_REF_NAME": name}).branch is None
    assert job({**GITLAB, "CI_COMMIT_BRANCH": name}).branch is None


@pytest.mark.parametrize(
    ("variable", "value", "attribute"),
    [
        ("GITHUB_SHA", "HEAD", "commit"),
        ("GITHUB_SHA", f"{COMMIT}\n", "commit"),
        ("GITHUB_ACTOR", "a\n::error::b", "actor"),
        ("GITHUB_SERVER_URL", "javascript:alert(1)", "run_url"),
        ("GITHUB_RUN_ID", "1)\n[x](y", "run_url"),
        ("GITHUB_WORKSPACE", "here", "workspace"),
    ],
)
def test_value_of_another_form_is_none(variable: str, value: str, attribute: str) -> None:
    assert getattr(job({**GITHUB, variable: value}), attribute) is None


@pytest.mark.parametrize("environment", [{}, {"CI": "true"}, {"GITHUB_ACTIONS": "yes"}])
def test_other_surroundings_are_no_job(environment: dict[str, str]) -> None:
    assert read_ci_job(environment) is None
