"""A change cannot loosen the gate that judges it: what rules is the protected branch's."""

from typing import Any

import pytest

from tests.integration.contract.repository import Finished, Repository
from tests.integration.gates.gated_project import CLEAN, DIRTY, HARMLESS

WORKFLOW = """\
on: push
jobs:
  greet:
    runs-on: ubuntu-latest
    steps:
      - run: echo ${{ github.event.issue.title }}
"""
UNTYPED = "def double(value: int) -> str:\n    return value  ;  1/0\n"
WAIVER = """
[[waivers]]
gate = "code-security"
finding = "B602"
reason = "it is only for a day"
owner = "me@example.com"
expires = {day}
"""
#: What a branch would have to write to make each static gate look away.
PLANTED = {
    ".flake8": "[flake8]\nexclude = *\n",
    "setup.cfg": "[flake8]\nexclude = *\n[mypy]\nignore_errors = True\n",
    "tox.ini": "[flake8]\nexclude = *\n",
    "mypy.ini": "[mypy]\nignore_errors = True\n",
    ".bandit": "[bandit]\nskips: B602\n",
    ".ml-assets/bandit-baseline.json": '{"results": []}',
    ".secrets.baseline": "{}",
    "zizmor.yml": "rules:\n  template-injection:\n    disable: true\n",
    "pyproject.toml": (
        "[tool.black]\nexclude = '.*'\n"
        "[tool.bandit]\nskips = ['B602']\nexclude_dirs = ['.']\n"
        "[tool.mypy]\nignore_errors = true\n"
    ),
}
#: Everything that a branch could want of the settings of gates.
SETTINGS = """\
[gates]
python = "tools/python"
[gates.unit-tests]
paths = ["nowhere"]
[gates.code-security]
command = ["true"]
[gates.cheat]
command = ["touch", "cheated"]
"""
GATES_OFF = """\
version = 1
[environments.materialize]
default = { level = "off" }
"""


def build(project: Repository) -> None:
    project.write("train.py", CLEAN.format(model=HARMLESS) + DIRTY + UNTYPED)
    project.write("key.py", "AWS = 'AKIA" + "Z7VRSQ5TJN2XMPLE'\n")
    project.write(".github/workflows/ci.yml", WORKFLOW)
    project.commit("what gates mind")


STATIC = ("format", "lint", "code-security", "secrets", "workflows")


def findings(done: Finished) -> dict[str, Any]:
    """Return what gates of the source found in what is not planted, by their names."""
    return {
        gate["name"]: [
            (one["status"], one["id"], one["path"], one["line"])
            for one in gate["findings"]
            if one["path"] not in PLANTED and not one["path"].startswith("tools/")
        ]
        for gate in done.document["gates"]
    }


def test_tool_configuration_of_a_branch_has_no_effect_and_is_named(project: Repository) -> None:
    build(project)
    before = project.ml_assets("check", "--json", *STATIC)
    assert all(findings(before).values()), before
    project.git("switch", "--quiet", "--create", "feature")
    for path, text in PLANTED.items():
        project.write(path, text)
    project.commit("look away")

    done = project.ml_assets("check", "--json", *STATIC)

    assert findings(done) == findings(before)
    assert done.code == before.code == 1
    for path in set(PLANTED) - {"mypy.ini"}:
        assert any(
            line.startswith("notice: ignored") and line.endswith(f"in {path}")
            for line in done.stderr.splitlines()
        ), (path, done.stderr)


def test_tool_configuration_of_the_protected_branch_works(project: Repository) -> None:
    build(project)
    project.write(".flake8", PLANTED[".flake8"])
    project.write("pyproject.toml", "[tool.bandit]\nskips = ['B602']\n")
    project.commit("main decides")

    done = project.ml_assets("check", "--json", "code-security", "lint")

    assert not [one for one in findings(done)["code-security"] if one[1] == "B602"], done
    assert "notice: not used" not in done.stderr


def test_gates_that_a_branch_adds_or_redirects_are_not_its_own(project: Repository) -> None:
    build(project)
    project.write("tests/unit/test_fails.py", "def test_fails():\n    assert False\n")
    project.commit("a test that fails")
    project.git("switch", "--quiet", "--create", "feature")
    project.write("ml-assets.toml", SETTINGS)
    project.write("tools/python", "#!/bin/sh\ntouch cheated\nexit 0\n", executable=True)
    project.commit("my gates")

    done = project.ml_assets("check", "--json", "code-security", "unit-tests")
    unknown = project.ml_assets("check", "--json", "cheat")

    verdicts = {gate["name"]: gate["verdict"] for gate in done.document["gates"]}
    assert verdicts["code-security"] == "failed"
    assert verdicts["unit-tests"] in ("warned", "error"), "what materializing wants of it"
    assert "another version: gate settings" in done.stderr
    assert unknown.code == 2 and "unknown gate: cheat" in unknown.stdout
    assert not list(project.root.rglob("cheated"))


@pytest.mark.parametrize("text", [GATES_OFF, "version = 1\n" + WAIVER.format(day="2999-01-01")])
def test_policy_of_a_branch_has_no_effect_and_is_named(project: Repository, text: str) -> None:
    build(project)
    project.git("switch", "--quiet", "--create", "feature")
    project.write(".ml-assets/policy.toml", text)
    project.commit("my policy")

    done = project.ml_assets("check", "--json", "code-security")
    run = project.ml_assets("run", "--json", "--select", "prepare")

    assert done.code == run.code == 1
    assert done.document["policy"]["from"].startswith("main at ")
    assert "has another version: .ml-assets/policy.toml" in done.stderr
    assert "prepare" not in run.ran


def test_settings_in_the_working_tree_count_no_more_than_a_branch(project: Repository) -> None:
    build(project)
    project.write(".ml-assets/policy.toml", GATES_OFF)

    done = project.ml_assets("check", "--json", "code-security")

    assert done.code == 1
    assert "has another version: .ml-assets/policy.toml" in done.stderr


def test_protected_branch_of_the_remote_outranks_a_local_one(project: Repository) -> None:
    build(project)
    project.git("update-ref", "refs/remotes/origin/main", "HEAD")
    project.write(".ml-assets/policy.toml", GATES_OFF)
    project.commit("my own main")

    done = project.ml_assets("check", "--json", "code-security")

    assert done.code == 1
    assert done.document["policy"]["from"].startswith("origin/main at ")


def waive(project: Repository, day: str) -> Finished:
    build(project)
    project.write(".ml-assets/policy.toml", "version = 1\n" + WAIVER.format(day=day))
    project.commit("a waiver")
    return project.ml_assets("check", "--summary", "summary.md")


def test_waiver_of_the_protected_branch_is_honoured_and_shown(project: Repository) -> None:
    done = waive(project, "2999-01-01")

    assert done.code == 0, done
    said = "code-security: waived until 2999-01-01 by me@example.com: B602: it is only for a day"
    assert said in done.stdout
    assert "me@example.com" in (project.outside / "summary.md").read_text()


def test_waiver_that_has_expired_waives_nothing_and_is_reported(project: Repository) -> None:
    done = waive(project, "2024-01-01")

    assert done.code == 1
    assert "unused waiver, until 2024-01-01: code-security: B602" in done.stdout


def test_waiver_that_nothing_needs_is_reported(project: Repository) -> None:
    text = WAIVER.format(day="2999-01-01").replace("B602", "B301")
    project.write(".ml-assets/policy.toml", f"version = 1\n{text}")
    project.commit("a waiver")

    done = project.ml_assets("check", "--json")

    assert done.document["unused_waivers"] == ["code-security: B301"]


@pytest.mark.parametrize("comment", ["nosec", "nosec B602", "noqa"])
def test_comment_does_not_let_code_pass_and_is_counted(project: Repository, comment: str) -> None:
    text = DIRTY.rstrip("\n") + f"  # {comment}\n"
    project.write("train.py", CLEAN.format(model=HARMLESS) + text)

    done = project.ml_assets("check", "--json", "code-security")

    (gate,) = done.document["gates"]
    (finding,) = [one for one in gate["findings"] if one["id"] == "B602"]
    assert done.code == 1 and finding["status"] == "failing"
    assert finding["silenced"] == ("comment" if "nosec" in comment else None)


def test_allow_list_pragma_does_not_let_a_secret_pass(project: Repository) -> None:
    project.write("key.py", "AWS = 'AKIA" + "Z7VRSQ5TJN2XMPLE'  # pragma: allowlist secret\n")

    done = project.ml_assets("check", "--json", "--environment", "staging", "secrets")

    (gate,) = done.document["gates"]
    assert done.code == 1 and gate["findings"][0]["silenced"] == "comment"


def test_command_does_not_stand_in_for_a_gate_that_is_built_in(project: Repository) -> None:
    project.write("ml-assets.toml", '[gates.code-security]\ncommand = ["true"]\n')
    project.commit("not even on main")

    done = project.ml_assets("check", "--json", "code-security")

    assert done.code == 2, done
    assert "a gate of this name is built in: code-security" in done.stdout


def test_gate_of_the_projects_own_judges_by_its_exit_code(project: Repository) -> None:
    settings = '[gates.audit]\ncommand = ["sh", "-c", "test ! -e forbidden.py"]\n'
    project.write("ml-assets.toml", settings)
    project.commit("an own gate")
    clean = project.ml_assets("check", "--json", "audit")
    project.write("forbidden.py", "")

    done = project.ml_assets("check", "--json", "audit")

    assert clean.document["gates"][0]["verdict"] == "passed", clean
    assert done.document["gates"][0]["verdict"] in ("warned", "failed"), done
    assert len(done.document["gates"][0]["findings"]) == 1
