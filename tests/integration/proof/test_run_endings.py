"""Every run ends alike: the same commit leaves the same statements, by the rules of its start.

In each of the runs the protected branch moves to a commit whose policy nothing here passes.
"""

import hashlib

import pytest

from tests.integration.proof.triggers import START, Ending, Triggers, protected_commit

SUMMARY = "https://slsa.dev/verification_summary/v1"
RESULT = "urn:ml-assets:gate-result:v1"
MODEL_SIGNATURE = "https://model_signing/signature/v1.0"
NAMES = ("command", "dagster", "branch")


@pytest.fixture(scope="module")
def triggers(tmp_path_factory: pytest.TempPathFactory) -> Triggers:
    """A repository with a pipeline, and nothing run."""
    return Triggers(tmp_path_factory.mktemp("endings"))


@pytest.fixture(scope="module")
def endings(triggers: Triggers) -> dict[str, Ending]:
    """One run of the same commit by each trigger, each in a clone of its own."""
    found = (triggers.run_command(), triggers.materialize(), triggers.run_branch())
    return dict(zip(NAMES, found, strict=True))


@pytest.mark.parametrize("name", NAMES[1:])
def test_statements_have_the_same_kinds_and_subjects(endings: dict[str, Ending], name: str) -> None:
    assert endings[name].kinds() == endings["command"].kinds()


@pytest.mark.parametrize("name", NAMES)
def test_results_of_data_and_performance_are_signed(endings: dict[str, Ending], name: str) -> None:
    bindings = [one["binding"] for one in endings[name].of_type(RESULT)]
    judged = {(one["gate"], one["subject"]) for one in bindings}
    assert {("performance", "model.pkl"), ("model-file", "model.pkl")} <= judged
    assert ("data", "data.txt") in judged
    assert len(list(endings[name].of_type(MODEL_SIGNATURE))) == 1


@pytest.mark.parametrize("name", NAMES)
def test_policy_of_the_start_admits_and_signs_and_is_named_by_its_commit(
    triggers: Triggers, endings: dict[str, Ending], name: str
) -> None:
    assert protected_commit(triggers.pushed, endings[name]) == triggers.strict
    (summary,) = endings[name].of_type(SUMMARY)
    assert summary["verificationResult"] == "PASSED"
    assert summary["policy"]["digest"] == {
        "sha256": hashlib.sha256(START.encode()).hexdigest(),
        "gitCommit": triggers.commit,
    }
