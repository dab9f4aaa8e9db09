"""A rebuild: a deterministic stage gives the same bytes again, any other is named."""

import base64
import json
from typing import Any

import pytest

from tests.integration.contract.repository import Repository


def rebuilt(project: Repository, subject: str) -> dict[str, Any]:
    document = project.ml_assets("verify", subject, "--rebuild", "--json").document
    (step,) = [one for one in document["steps"] if one["name"] == "rebuild"]
    assert isinstance(step, dict)
    return step


def stated(project: Repository) -> list[dict[str, Any]]:
    found = []
    for path in (project.project / ".ml-assets" / "state" / "ledger").rglob("*.json"):
        payload = json.loads(path.read_bytes())["dsseEnvelope"]["payload"]
        statement = json.loads(base64.b64decode(payload))
        if statement["predicateType"] == "urn:ml-assets:rebuild:v1":
            found.append(statement["predicate"])
    return found


def test_deterministic_stage_gives_the_same_bytes(proven: Repository) -> None:
    step = rebuilt(proven, "model.pkl")
    assert step["verdict"] == "passed", step
    assert "identical" in step["detail"]
    (statement,) = stated(proven)
    assert statement["identical"] == ["model.pkl"]
    assert statement["differing"] == {}


def test_stage_that_is_not_deterministic_is_named_with_its_files(repository: Repository) -> None:
    command = "mkdir -p d && cat in > d/same && date +%s%N > d/other"
    repository.stages({"dice": {"cmd": command, "deps": ["in"], "outs": ["d"]}})
    repository.write("in", "1")
    repository.commit()
    repository.run()
    step = rebuilt(repository, "d")
    assert step["verdict"] == "failed", step
    assert step["detail"] == "dice is not deterministic: d/other"
    (statement,) = stated(repository)
    assert statement["differing"] == {"d": ["d/other"]}


def test_run_on_uncommitted_code_cannot_be_rebuilt(proven: Repository) -> None:
    proven.write("train.py", (proven.project / "train.py").read_text() + "\n# changed\n")
    proven.run()
    step = rebuilt(proven, "model.pkl")
    assert step["verdict"] == "error"
    assert "uncommitted code" in step["detail"]


@pytest.mark.parametrize("mark", ["--assume-unchanged", "--skip-worktree"])
def test_code_that_git_is_told_to_overlook_is_uncommitted(proven: Repository, mark: str) -> None:
    proven.git("update-index", mark, "train.py")
    proven.write("train.py", (proven.project / "train.py").read_text() + "\n# changed\n")
    assert proven.git("diff", "--name-only", "HEAD", "--", "train.py") == ""
    proven.run()
    step = rebuilt(proven, "model.pkl")
    assert (step["verdict"], "uncommitted code" in step["detail"]) == ("error", True)


def test_code_that_an_earlier_stage_writes_is_uncommitted(repository: Repository) -> None:
    """The first stage has been attested when the code of the second one changes."""
    change = "sleep 1; echo '# changed' >> second.sh"
    repository.stages(
        {
            "first": {"cmd": "cp in one", "deps": ["in"], "outs": ["one"]},
            "other": {"cmd": f"{change}; cp one two", "deps": ["one"], "outs": ["two"]},
            "second": {"cmd": "sh second.sh", "deps": ["second.sh", "two"], "outs": ["three"]},
        }
    )
    repository.write("in", "1")
    repository.write("second.sh", "cp two three\n")
    repository.commit()
    repository.run()
    step = rebuilt(repository, "three")
    assert (step["verdict"], "uncommitted code" in step["detail"]) == ("error", True)


def test_rebuild_leaves_the_project_alone(proven: Repository) -> None:
    before = proven.git("status", "--porcelain")
    rebuilt(proven, "model.pkl")
    assert proven.git("status", "--porcelain") == before


def test_data_that_nobody_made_is_not_rebuilt(proven: Repository) -> None:
    assert rebuilt(proven, "raw.txt")["verdict"] == "error"
