"""The very commands of the CI files, run as the platforms run them, in fresh clones.

What installs and what asks the network for advisories is left out: the environment is the one that
the tests run in, and the advisories are those that come along, or records of today.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from tests.job_runner import JobRunner
from tests.osv_records import osv_record

from .hosting import DIRTY, Finished, Hosting
from .job_file import GITHUB, GITLAB, INSTALLING, Job, Step, read_github, read_gitlab

SCHEMA = Path(__file__).parents[2] / "assets" / "sarif-schema-2.1.0.json"
LOOSE = 'version = 1\n[environments.staging]\ndefault = { level = "off" }\n'


@pytest.fixture
def hosting(tmp_path: Path) -> Iterator[Hosting]:
    yield Hosting(tmp_path)


def github(hosting: Hosting, ref: str, commit: str, **more: str) -> dict[str, str]:
    """Return the variables that GitHub sets."""
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTOR": "octocat",
        "GITHUB_REF": ref,
        "GITHUB_REF_NAME": ref.removeprefix("refs/heads/").removeprefix("refs/pull/"),
        "GITHUB_REF_TYPE": "branch",
        "GITHUB_REPOSITORY": "acme/flights",
        "GITHUB_RUN_ID": "17",
        "GITHUB_SERVER_URL": "https://git.example",
        "GITHUB_SHA": commit,
        "GITHUB_STEP_SUMMARY": str(hosting.summary),
        "GITHUB_WORKSPACE": str(hosting.workspace),
        "RUNNER_TEMP": str(hosting.temporary),
        **more,
    }


def push(hosting: Hosting, branch: str) -> Finished:
    """Run the job of a push."""
    ref = f"refs/heads/{branch}"
    environment = "production" if branch == "main" else "staging"
    choice = "github.ref_name == 'main' && 'production' || 'staging'"
    values = {choice: environment, "github.event.repository.default_branch": "main"}
    variables = github(hosting, ref, hosting.check_out(ref, branch), GITHUB_EVENT_NAME="push")
    return hosting.run(read_github(GITHUB, "run", values), variables)


def pull(hosting: Hosting, files: dict[str, str], target: str = "develop") -> Finished:
    """Run the job of a pull request that writes these files."""
    ref = "refs/pull/12/merge"
    hosting.git(hosting.author, "checkout", "--quiet", target)
    hosting.push("better", files, ref=ref)
    environment = "production" if target == "main" else "staging"
    choice = "github.base_ref == 'main' && 'production' || 'staging'"
    values = {choice: environment, "github.event.repository.default_branch": "main"}
    variables = github(
        hosting,
        ref,
        hosting.check_out(ref),
        GITHUB_EVENT_NAME="pull_request",
        GITHUB_BASE_REF=target,
        GITHUB_HEAD_REF="better",
    )
    return hosting.run(read_github(GITHUB, "gates", values), variables)


def read_results(directory: Path) -> str:
    """Return the summary that a job has written, beside a log and a report that can be read."""
    sarif = json.loads((directory / "gates.sarif").read_text())
    jsonschema.validate(sarif, json.loads(SCHEMA.read_text()))
    assert 0 < len(sarif["runs"]) <= 20, "GitHub takes 20"
    suites = ElementTree.parse(directory / "gates.xml").getroot()  # nosec B314  # ours
    assert list(suites.iter("testcase"))
    return (directory / "summary.md").read_text()


def update_advisories(hosting: Hosting) -> None:
    """Do what the step would that fetches advisories, with a record of today."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    record = hosting.home / "PYSEC-2026-1.json"
    record.write_text(json.dumps(osv_record("PYSEC-2026-1", modified=now, published=now)))
    job = read_github(GITHUB, "gates", _ANY)
    (step,) = [one for one in job.steps if one.name == "Update the advisories"]
    command = f"{step.command} --add --from {record}"
    hosting.workspace.mkdir(parents=True)
    done = hosting.run(Job({}, (Step("update", command),)), {})
    hosting.workspace.rmdir()
    assert done.code == 0, str(done)


_ANY = {
    "github.base_ref == 'main' && 'production' || 'staging'": "staging",
    "github.event.repository.default_branch": "main",
}


def test_push_to_develop_runs_proves_and_reports(hosting: Hosting) -> None:
    done = push(hosting, "develop")

    assert done.code == 0, str(done)
    assert done.left_out == INSTALLING, "nothing else"
    assert "passed: 3 ran" in done.output and "signed: model.pkl" in done.output
    summary = read_results(hosting.temporary / "ml-assets")
    assert "| `metrics.json` | `rows` | 2 | 1 | **+1** |" in summary
    assert "No deployment is configured for `staging`" in summary
    assert hosting.summary.read_text() == summary
    runner = JobRunner().read(done.errors)
    assert [data for _, data in runner.of("group")] == ["prepare", "train", "evaluate"]
    assert runner.of("error") == [], "what a stage prints is no command"
    assert "::error file=train.py::a stage said so" in runner.shown
    assert any(one.startswith("notice: github job of develop at") for one in runner.shown)


def test_pull_request_that_is_clean_passes(hosting: Hosting) -> None:
    done = pull(hosting, {"notes.txt": "nothing\n"})

    assert done.code == 0, str(done)
    assert "notice: github job of pull request 12 of better into develop at" in done.errors
    assert "## Gates for staging" in read_results(hosting.temporary / "ml-assets")


def test_pull_request_with_a_failing_gate_fails_and_says_where(hosting: Hosting) -> None:
    done = pull(hosting, {"shell.py": DIRTY, ".ml-assets/policy.toml": LOOSE})

    assert done.code == 1, str(done)
    assert "has another version: .ml-assets/policy.toml" in done.errors
    assert "❌ failed" in hosting.summary.read_text()
    assert "B602" in read_results(hosting.temporary / "ml-assets")
    places = [properties for properties, _ in JobRunner().read(done.errors).of("error")]
    assert {"title": "code-security: B602", "file": "shell.py", "line": "3", "col": "1"} in places


def test_pull_request_into_main_is_judged_as_production_asks(hosting: Hosting) -> None:
    old = pull(hosting, {"notes.txt": "nothing\n"}, "main")

    assert old.code == 3, f"advisories that are too old are no pass: {old}"
    assert "dependencies of source: error" in old.errors


def test_pull_request_into_main_passes_with_advisories_of_today(hosting: Hosting) -> None:
    update_advisories(hosting)

    done = pull(hosting, {"notes.txt": "nothing\n"}, "main")

    assert done.code == 0, str(done)
    assert "## Gates for production" in hosting.summary.read_text()


def gitlab(hosting: Hosting, commit: str, **more: str) -> dict[str, str]:
    """Return the variables that GitLab sets."""
    return {
        "GITLAB_CI": "true",
        "GITLAB_USER_LOGIN": "tanuki",
        "CI_COMMIT_SHA": commit,
        "CI_DEFAULT_BRANCH": "main",
        "CI_PROJECT_DIR": str(hosting.workspace),
        "ENVIRONMENT": "staging",
        **more,
    }


def test_gitlab_pushes_run(hosting: Hosting) -> None:
    variables = gitlab(hosting, hosting.check_out("refs/heads/develop"), CI_COMMIT_BRANCH="develop")

    done = hosting.run(read_gitlab(GITLAB, "run", variables), {})

    assert done.code == 0, str(done)
    assert "develop/model.pkl" in done.output, "named by the job: HEAD is detached"
    assert "section_start:" in done.errors
    assert "rows" in read_results(hosting.workspace / ".ml-assets/state/job")
    status = hosting.git(hosting.workspace, "status", "--porcelain", "--untracked-files=normal")
    assert "state" not in status, "results lie where Git looks away"


def test_gitlab_merge_request_with_a_failing_gate_fails(hosting: Hosting) -> None:
    hosting.git(hosting.author, "checkout", "--quiet", "develop")
    hosting.push("better", {"shell.py": DIRTY}, ref="refs/merge-requests/12/head")
    variables = gitlab(
        hosting,
        hosting.check_out("refs/merge-requests/12/head"),
        CI_MERGE_REQUEST_IID="12",
        CI_MERGE_REQUEST_SOURCE_BRANCH_NAME="better",
        CI_MERGE_REQUEST_TARGET_BRANCH_NAME="develop",
    )

    done = hosting.run(read_gitlab(GITLAB, "gates", variables), {})

    assert done.code == 1, str(done)
    assert "B602" in read_results(hosting.workspace / ".ml-assets/state/job")


def test_summary_is_written_by_nobody_who_is_not_told_to(hosting: Hosting) -> None:
    commit = hosting.check_out("refs/heads/develop", "develop")
    variables = github(hosting, "refs/heads/develop", commit)
    job = Job({}, (Step("check", "ml-assets check format --json"),))

    done = hosting.run(job, variables)

    assert done.code == 0 and not hosting.summary.exists()
    assert json.loads(done.output)["verdict"] == "passed", "one document, and commands elsewhere"
    assert "::stop-commands::" in done.errors


def test_shallow_clone_is_told_once_what_it_is_not_enough_for(hosting: Hosting) -> None:
    origin = f"file://{hosting.origin}"
    hosting.git(hosting.home, "clone", "--quiet", "--depth=1", origin, str(hosting.workspace))
    job = Job({}, (Step("check", "ml-assets check format"), Step("plan", "ml-assets plan")))

    done = hosting.run(job, {})

    assert done.code == 0, str(done)
    assert done.errors.count("notice: shallow clone: ") == 1
    assert "fetch-depth: 0" in done.errors


def test_shallow_clone_without_the_protected_branch_judges_nothing(hosting: Hosting) -> None:
    origin = f"file://{hosting.origin}"
    one = ("--depth=1", "--branch=develop", origin, str(hosting.workspace))
    hosting.git(hosting.home, "clone", "--quiet", *one)

    done = hosting.run(Job({}, (Step("check", "ml-assets check"),)), {})

    assert done.code == 2, str(done)
    assert "the protected branch is not in this clone: main" in done.errors
    assert "fetch-depth: 0" in done.errors
