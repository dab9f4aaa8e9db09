"""A gate whose tool is missing could not judge: exit code 3, with what to do about it."""

import json

import pytest

from ml_assets.cli import main
from tests.integration.contract.repository import Repository
from tests.unit.security.gates.gate_tasks import remove_packages

WORKFLOW = "on: push\njobs: {}\n"


@pytest.mark.parametrize("gate", ["format", "lint", "code-security", "secrets", "workflows"])
def test_gate_without_its_tool_is_an_error(
    project: Repository,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    gate: str,
) -> None:
    project.write(".github/workflows/ci.yml", WORKFLOW)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(project.home / "configuration"))
    words = ["--project", str(project.project), "check", "--json", gate]
    assert main(words) in (0, 1), "judged while its tool is there"
    capsys.readouterr()
    remove_packages(monkeypatch)

    code = main(words)

    (found,) = json.loads(capsys.readouterr().out)["gates"]
    assert (code, found["verdict"], found["cached"]) == (3, "error", False), found
    assert "tool missing" in found["reason"]
    assert "install ml-assets again" in found["reason"]
