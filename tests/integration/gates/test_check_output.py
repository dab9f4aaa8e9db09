"""What ``ml-assets check`` writes: one document, valid SARIF and JUnit, a summary, exit codes."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from tests.integration.contract.repository import Finished, Repository
from tests.integration.gates.gated_project import CLEAN, DIRTY, HARMLESS

SCHEMA = Path(__file__).parents[2] / "assets" / "sarif-schema-2.1.0.json"
_OUTPUTS = {"sarif": "gates.sarif", "junit": "gates.xml", "summary": "summary.md"}


def check_all(project: Repository, *gates: str) -> Finished:
    """Check with every output there is, written outside of the project."""
    words = [f"--{name}={project.outside / file}" for name, file in _OUTPUTS.items()]
    return project.ml_assets("check", "--json", *words, *gates)


def read(project: Repository, name: str) -> str:
    return (project.outside / _OUTPUTS[name]).read_text(encoding="utf-8")


def verdicts(done: Finished) -> dict[str, str]:
    return {gate["name"]: gate["verdict"] for gate in done.document["gates"]}


def test_every_output_of_a_real_check_can_be_read(project: Repository) -> None:
    project.write("train.py", CLEAN.format(model=HARMLESS) + DIRTY)

    done = check_all(project)

    sarif = json.loads(read(project, "sarif"))
    jsonschema.validate(sarif, json.loads(SCHEMA.read_text()))
    results = [one for run in sarif["runs"] for one in run["results"]]
    (place,) = [one["locations"][0] for one in results if one["ruleId"].endswith("B602")]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "train.py"
    assert place["physicalLocation"]["region"]["startLine"] == 4
    suites = ElementTree.fromstring(read(project, "junit"))  # nosec B314  # what we wrote
    assert len(list(suites.iter("testcase"))) >= len(done.document["gates"])
    assert len(list(suites.iter("failure"))) == 1
    summary = read(project, "summary")
    assert "| gate | subject | verdict |" in summary
    rows = [line for line in summary.splitlines() if line.startswith("| ")]
    for name in verdicts(done):
        assert any(name in row for row in rows), name
    assert done.code == 1 and json.loads(done.stdout)["verdict"] == "failed"
    assert "code-security of source: failed" in done.stderr


def test_ten_thousand_findings_go_through_every_output(project: Repository) -> None:
    project.write("many.py", "import subprocess\n" + "subprocess.call('ls', shell=True)\n" * 5000)
    project.write("more.py", "eval(input())\n" * 5000)

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = check_all(project, "code-security")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    shown = project.ml_assets("check", "code-security")

    (gate,) = done.document["gates"]
    assert len(gate["findings"]) >= 10_000
    sarif = json.loads(read(project, "sarif"))
    assert sum(len(run["results"]) for run in sarif["runs"]) >= 10_000
    assert len(shown.stdout.splitlines()) < 60, "people are shown the first ones"
    assert seconds < 20, "of processor time"


def test_failed_outranks_error(project: Repository) -> None:
    project.write("train.py", CLEAN.format(model=HARMLESS) + DIRTY)
    project.write("tests/unit/empty.py", "")

    done = project.ml_assets("check", "--json", "code-security", "unit-tests")

    assert verdicts(done) == {"code-security": "failed", "unit-tests": "error"}
    assert done.code == 1 and done.document["verdict"] == "failed"


def test_error_that_is_advisory_is_told_by_check_and_does_not_block_a_run(
    project: Repository,
) -> None:
    project.write("tests/unit/empty.py", "")

    done = project.ml_assets("check", "--json", "unit-tests")

    assert done.code == 3 and verdicts(done) == {"unit-tests": "error"}
    assert done.document["gates"][0]["blocks"] is False
    assert "train" in project.run().ran


def test_gate_that_was_named_and_has_nothing_to_judge_has_not_passed(project: Repository) -> None:
    named = project.ml_assets("check", "--json", "workflows")
    whole = project.ml_assets("check", "--json")

    assert named.code == 3 and verdicts(named) == {"workflows": "error"}
    assert "nothing to judge" in named.document["gates"][0]["reason"]
    assert "workflows" not in verdicts(whole)


def test_project_without_mypy_or_pytest_is_told_what_to_install(project: Repository) -> None:
    project.write("tests/unit/test_a.py", "def test_a() -> None:\n    assert True\n")
    bare = project.home / "empty" / "bin" / "python3"
    bare.parent.mkdir(parents=True)
    (project.home / "empty" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    bare.symlink_to(Path("/usr/bin/python3").resolve())
    path = f"{bare.parent}:/usr/bin:/bin"

    done = project.ml_assets("check", "--json", "types", "unit-tests", extra={"PATH": path})

    reasons = {gate["name"]: gate["reason"] for gate in done.document["gates"]}
    assert done.code == 3, done
    assert "tool missing: mypy in" in reasons["types"] and "pip install mypy" in reasons["types"]
    assert "tool missing: pytest in" in reasons["unit-tests"]


def cached(done: Finished) -> dict[str, bool]:
    return {gate["name"]: gate["cached"] for gate in done.document["gates"]}


def test_what_did_not_change_is_not_judged_again(project: Repository) -> None:
    project.write("other.py", "A = 1\n")
    project.write("README.md", "one\n")
    first = project.ml_assets("check", "--json")
    assert not any(cached(first).values()), first
    assert all(cached(project.ml_assets("check", "--json")).values())

    project.write("README.md", "two\n")
    readme = cached(project.ml_assets("check", "--json"))
    project.write("other.py", "A = 2\n")
    source = cached(project.ml_assets("check", "--json"))
    staging = cached(project.ml_assets("check", "--json", "--environment", "staging"))

    assert [name for name, hit in readme.items() if not hit] == ["secrets"]
    assert not any(source[one] for one in ("format", "lint", "types", "code-security", "secrets"))
    assert source["dependencies"]
    assert all(staging[name] for name in source), "another rule, the same results"


def test_other_policy_uses_the_same_results(project: Repository) -> None:
    project.write("train.py", CLEAN.format(model=HARMLESS) + DIRTY)
    project.commit("dirty")
    assert project.ml_assets("check", "--json", "code-security").code == 1
    project.write(
        ".ml-assets/policy.toml",
        'version = 1\n[environments.materialize]\ndefault = { level = "advisory", '
        'severity = "critical", missing-severity = "warn" }\n',
    )
    project.commit("a milder policy")

    done = project.ml_assets("check", "--json", "code-security")

    assert (done.code, cached(done)) == (0, {"code-security": True}), done


@pytest.mark.parametrize(("report", "left_out"), [("report.txt", True), ("train.py", False)])
def test_output_that_a_pipeline_writes_into_the_project_is_not_judged(
    project: Repository, report: str, left_out: bool
) -> None:
    """The console script has its own view of the files, where it cannot look at ``tee``."""
    script = Path(sys.executable).with_name("ml-assets")
    done = subprocess.run(
        ["sh", "-c", f"{script} check secrets 2>&1 | tee {report}"],
        cwd=project.project,
        env=project.environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = f"notice: not judged, receives the output of this command: {report}\n"
    assert (said in done.stdout) is left_out, done.stdout
    assert "passed: 1 judged" in done.stdout or not left_out
