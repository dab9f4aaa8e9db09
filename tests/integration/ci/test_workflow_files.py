"""The CI files: least rights, pinned actions, no findings of zizmor, one shape for both of them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ml_assets.project.ci_file import PATHS, read_requirement, write_ci_file
from resources.ci_job import Provider
from tests.integration.contract.repository import Repository

from .job_file import GITHUB, GITLAB, INSTALLING, OWN, RELEASE, load

ZIZMOR = Path(sys.executable).with_name("zizmor")
FILES = pytest.mark.parametrize("file", [GITHUB, OWN], ids=["template", "own"])
ALL_FILES = pytest.mark.parametrize(
    "file", [GITHUB, OWN, RELEASE], ids=["template", "own", "release"]
)
_PIN = re.compile(r"uses: [\w-]+/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


@ALL_FILES
def test_zizmor_audits_the_file_and_finds_nothing(file: Path, tmp_path: Path) -> None:
    place = tmp_path / ".github" / "workflows" / "ml-assets.yml"
    place.parent.mkdir(parents=True)
    shutil.copy(file, place)
    options = ("--offline", "--no-config", "--persona=auditor", "--color=never", "--no-progress")

    done = subprocess.run(
        [str(ZIZMOR), *options, str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout
    assert re.findall("completed (.*)", done.stderr) == [str(place)], "it was audited"


def test_zizmor_would_find_what_is_wrong(tmp_path: Path) -> None:
    place = tmp_path / ".github" / "workflows" / "ml-assets.yml"
    place.parent.mkdir(parents=True)
    unpinned = re.sub("@[0-9a-f]{40}", "@v6", GITHUB.read_text(), count=1)
    place.write_text(unpinned)

    done = subprocess.run(
        [str(ZIZMOR), "--offline", "--no-config", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0 and "unpinned-uses" in done.stdout


@ALL_FILES
def test_every_action_is_pinned_and_says_its_version(file: Path) -> None:
    lines = [line.strip().removeprefix("- ") for line in file.read_text().splitlines()]
    used = [line for line in lines if line.startswith("uses:")]

    assert len(used) == {GITHUB: 10, OWN: 12, RELEASE: 9}[file]
    assert [line for line in used if not _PIN.fullmatch(line)] == []


def test_one_action_has_one_pin() -> None:
    pins = re.findall(
        r"uses: (\S+)@(\S+) # (\S+)", GITHUB.read_text() + OWN.read_text() + RELEASE.read_text()
    )

    # The two halves of the cache come from one repository.
    homes = {(name.removesuffix("/restore").removesuffix("/save"), *pin) for name, *pin in pins}
    assert len(homes) == len({home[0] for home in homes})


@FILES
def test_rights_are_the_least(file: Path) -> None:
    document = load(file)
    rights = {name: job["permissions"] for name, job in document["jobs"].items()}

    assert document["permissions"] == {}
    assert rights == {
        **({"suite": {"contents": "read"}} if file == OWN else {}),
        "gates": {"contents": "read"},
        "run": {"contents": "read", "id-token": "write"},
        "report": {"actions": "read", "contents": "read", "security-events": "write"},
    }


@FILES
def test_no_job_with_a_right_to_write_runs_a_pull_request(file: Path) -> None:
    document = load(file)
    jobs = document["jobs"]

    assert set(document["on"]) == {"pull_request", "push"}, "pull_request_target has secrets"
    assert "event_name == 'pull_request'" in jobs["gates"]["if"]
    assert "event_name == 'push'" in jobs["run"]["if"]
    assert not [step for step in jobs["report"]["steps"] if "run" in step], "executes nothing"
    assert "environment" not in jobs["gates"] and "secrets." not in file.read_text()


@FILES
def test_pull_request_writes_no_cache(file: Path) -> None:
    steps = load(file)["jobs"]["gates"]["steps"]

    assert not [step for step in steps if "cache" in step.get("uses", "")]
    assert not [step for step in steps if "cache" in step.get("with", {})]


@FILES
def test_checkout_is_whole_and_leaves_no_token(file: Path) -> None:
    for job in load(file)["jobs"].values():
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"] == {"fetch-depth": 0, "persist-credentials": False}


@ALL_FILES
def test_nothing_of_an_event_is_pasted_into_a_shell(file: Path) -> None:
    for job in load(file)["jobs"].values():
        assert not [step for step in job["steps"] if "${{" in step.get("run", "")]


def test_only_the_signing_job_of_a_release_has_an_identity() -> None:
    document = load(RELEASE)
    rights = {name: job["permissions"] for name, job in document["jobs"].items()}

    assert document["permissions"] == {} and document["on"] == {"push": {"tags": ["v*"]}}
    assert rights == {
        "build": {"contents": "read"},
        "sign": {"contents": "read", "id-token": "write"},
        "publish": {"contents": "write"},
    }
    assert "secrets." not in RELEASE.read_text()


def test_release_publishes_what_was_signed_and_verified() -> None:
    jobs = load(RELEASE)["jobs"]
    steps = {name: [step["name"] for step in job["steps"]] for name, job in jobs.items()}

    assert jobs["sign"]["needs"] == ["build"] and jobs["publish"]["needs"] == ["build", "sign"]
    assert steps["sign"].index("Sign") < steps["sign"].index("Verify")
    assert not [step for step in jobs["publish"]["steps"] if "checkout" in step.get("uses", "")]


def test_own_file_differs_in_its_suite_and_in_what_installs_only() -> None:
    assert _shape(GITHUB) == _shape(OWN)


def _shape(file: Path) -> dict[str, Any]:
    document = load(file)
    document["env"].pop("ML_ASSETS_REQUIREMENT", None)
    document["jobs"].pop("suite", None)
    for job in document["jobs"].values():
        for step in job["steps"]:
            if step["name"] in INSTALLING[:2]:
                step["run"] = "..."
    return document


def test_gitlab_asks_the_same_as_github() -> None:
    document = load(GITLAB)
    commands = {
        name: document[name]["script"][-1].split(" --sarif")[0] for name in ("gates", "run")
    }

    for name, command in commands.items():
        steps = {step["name"]: step for step in load(GITHUB)["jobs"][name]["steps"]}
        step = steps["Judge" if name == "gates" else "Run"]
        assert step["run"].startswith(f"{command} --sarif")
    assert document["variables"]["GIT_DEPTH"] == "0"
    assert "cache" not in document["gates"] and "id_tokens" not in document["gates"]
    assert document["run"]["id_tokens"] == {"SIGSTORE_ID_TOKEN": {"aud": "sigstore"}}


@pytest.mark.parametrize("provider", list(Provider))
def test_requirement_stands_in_one_place(provider: Provider) -> None:
    stated = "ml-assets @ git+https://git.example/acme/ml-assets@0123abcd"
    text = write_ci_file(provider, stated).decode()

    assert text.count(stated) == 1
    assert write_ci_file(provider, "").decode().count('ML_ASSETS_REQUIREMENT: ""') == 1


@pytest.mark.parametrize(
    ("record", "requirement"),
    [
        (
            '{"url": "https://git.example/a", "vcs_info": {"vcs": "git", "commit_id": "0123abcd"}}',
            "ml-assets @ git+https://git.example/a@0123abcd",
        ),
        (
            '{"url": "https://user@git.example/a", "vcs_info": {"vcs": "git", "commit_id": "0a"}}',
            "",
        ),
        ('{"url": "https://git.example/a?t=1", "vcs_info": {"vcs": "git", "commit_id": "0a"}}', ""),
        ('{"url": "file:///home/me/b", "vcs_info": {"vcs": "git", "commit_id": "0a"}}', ""),
        ('{"url": "file:///home/me/b", "dir_info": {"editable": true}}', ""),
        ("{}", ""),
        ("[]", ""),
        ("no JSON", ""),
    ],
)
def test_requirement_is_the_commit_that_was_installed(record: str, requirement: str) -> None:
    assert read_requirement(record) == requirement


@pytest.mark.parametrize("provider", list(Provider))
def test_init_writes_the_file_of_the_platform(project: Repository, provider: Provider) -> None:
    done = project.ml_assets("init", "--json", "--ci", provider.value)

    assert done.code == 0 and PATHS[provider] in done.document["written"]
    text = (project.project / PATHS[provider]).read_bytes()
    assert text.splitlines()[-1] == write_ci_file(provider, "").splitlines()[-1]
    assert project.ml_assets("init", "--ci", provider.value).code == 2, "never over it"


def test_init_writes_no_file_where_none_is_wanted(project: Repository) -> None:
    done = project.ml_assets("init", "--json", "--ci", "none")

    assert done.code == 0 and not set(PATHS.values()) & set(done.document["written"])


def test_init_below_the_root_of_the_repository_leaves_it_out_and_says_so(
    project: Repository,
) -> None:
    shutil.move(project.root / ".git", project.home / ".git")

    done = project.ml_assets("init")
    asked = project.ml_assets("init", "--force", "--ci", "github")

    assert done.code == 0 and "skipped: CI workflow" in done.stdout
    assert asked.code == 2 and "root of a Git repository" in asked.stderr


def test_init_does_not_write_through_a_linked_directory(project: Repository) -> None:
    target = project.outside / "target"
    target.mkdir()
    (project.project / ".github").symlink_to(target)

    done = project.ml_assets("init")

    assert done.code == 2 and "a symbolic link" in done.stderr
    assert list(target.iterdir()) == []
