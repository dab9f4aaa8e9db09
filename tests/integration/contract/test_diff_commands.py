"""`ml-assets metrics diff` and `params diff`, against DVC's commands of the same names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .repository import Repository

METRICS = {
    "auc": 0.5,
    "name": "first",
    "ok": True,
    "none": None,
    "list": [1, 2],
    "deep": {"b": 1, "s": "t", "with.dot": 1},
    "gone": 3,
    "big": 1e300,
    "same": 7,
}
CHANGED = {
    "auc": 0.75,
    "name": "second",
    "ok": False,
    "none": 1,
    "list": [1, 3],
    "deep": {"b": 2, "s": "u", "with.dot": 2},
    "new": 3,
    "big": "1",
    "same": 7,
}


@pytest.fixture
def compared(repository: Repository) -> Repository:
    """A project whose metrics and parameters differ from those of its commit."""
    repository.write("source.json", json.dumps(METRICS))
    repository.write("params.yaml", "lr: 0.1\ntext: abc\nlist: [1, 2]\nunused: 5\ngone: 1\n")
    repository.write("other.yaml", "x: 1\ny: 2\n")
    repository.write("sub/top.toml", "t = 1\n")
    repository.write("by_hand.yaml", "v: 1\n")
    repository.stages(
        {
            "evaluate": {
                "cmd": "cp source.json cached.json; cp source.json plain.json",
                "deps": ["source.json"],
                "params": ["lr", {"other.yaml": ["x"]}],
                "metrics": ["cached.json", {"plain.json": {"cache": False}}],
            }
        },
        params=["sub/top.toml"],
        metrics=["by_hand.yaml"],
    )
    repository.repro()
    repository.commit("before")
    repository.write("source.json", json.dumps(CHANGED))
    repository.write("params.yaml", "lr: 0.2\ntext: abd\nlist: [1, 3]\nunused: 6\nnew: 1\n")
    repository.write("other.yaml", "x: 2\ny: 3\n")
    repository.write("sub/top.toml", "t = 2\n")
    repository.write("by_hand.yaml", "v: 2\n")
    repository.repro()
    return repository


def diff(repository: Repository, *words: str) -> dict[str, dict[str, dict[str, Any]]]:
    finished = repository.ml_assets(words[0], "diff", "--json", *words[1:])
    assert finished.code == 0 and finished.document["unreadable"] == [], finished
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for one in finished.document["values"]:
        found.setdefault(one["file"], {})[one["name"]] = one
    return found


def dvc_diff(repository: Repository, *words: str) -> dict[str, dict[str, dict[str, Any]]]:
    found = json.loads(repository.dvc(words[0], "diff", "--json", *words[1:]).stdout)
    assert isinstance(found, dict) and found
    return found


@pytest.mark.parametrize("values", ["metrics", "params"])
@pytest.mark.parametrize("more", [(), ("--all",), ("HEAD",)])
def test_values_are_those_of_dvc(compared: Repository, values: str, more: tuple[str, ...]) -> None:
    ours, theirs = diff(compared, values, *more), dvc_diff(compared, values, *more)
    for file, names in theirs.items():
        assert names
        for name, one in names.items():
            found = ours[file][name]
            for key, other in (("before", "old"), ("now", "new")):
                value = found.get(key)  # DVC writes a list of parameters as a text
                assert one[other] in (value, str(value)), name
            if "diff" in one and not isinstance(one["new"], bool):
                assert found["change"] == pytest.approx(one["diff"])


def test_lists_and_files_that_dvc_leaves_out_are_compared(compared: Repository) -> None:
    assert diff(compared, "metrics")["plain.json"]["list"] == {
        "file": "plain.json",
        "name": "list",
        "before": [1, 2],
        "now": [1, 3],
    }
    assert diff(compared, "params")["other.yaml"]["x"]["change"] == 1


def test_unchanged_values_are_shown_on_request_only(compared: Repository) -> None:
    assert "same" not in diff(compared, "metrics")["cached.json"]
    assert diff(compared, "metrics", "--all")["cached.json"]["same"]["change"] == 0


def test_null_is_told_from_a_value_that_does_not_exist(compared: Repository) -> None:
    found = diff(compared, "metrics")["cached.json"]
    assert found["none"] == {"file": "cached.json", "name": "none", "before": None, "now": 1}
    assert "before" not in found["new"] and "now" not in found["gone"]


def test_people_see_a_table(compared: Repository) -> None:
    finished = compared.ml_assets("params", "diff")
    assert finished.code == 0
    rows = [line.split() for line in finished.stdout.splitlines()]
    assert ["params.yaml", "lr", "0.1", "0.2", "+0.1"] in rows
    assert ["params.yaml", "gone", "1", "–", "–"] in rows
    assert finished.stdout.splitlines()[-1].endswith("values differ from HEAD")


def test_damaged_or_missing_file_is_named_and_hides_no_other(compared: Repository) -> None:
    compared.write("by_hand.yaml", "v: [1\n")
    compared.remove("plain.json")
    finished = compared.ml_assets("metrics", "diff", "--json")
    assert finished.code == 0, finished
    assert sorted(finished.document["unreadable"]) == ["by_hand.yaml", "plain.json"]
    assert any(one["file"] == "cached.json" for one in finished.document["values"])


def test_numbers_that_json_cannot_hold_leave_one_document(compared: Repository) -> None:
    compared.write("by_hand.yaml", "v: .nan\nw: .inf\nday: 2020-01-01\n")
    by_hand = diff(compared, "metrics")["by_hand.yaml"]
    assert (by_hand["v"]["now"], by_hand["w"]["now"]) == ("nan", "inf")
    assert by_hand["day"]["now"] == "2020-01-01"


def test_file_that_a_later_commit_has_dropped_is_compared(compared: Repository) -> None:
    compared.edit("dvc.yaml", "metrics:\n- by_hand.yaml\n", "")
    found = diff(compared, "metrics")
    assert found["by_hand.yaml"]["v"]["change"] == 1


@pytest.mark.parametrize("revision", ["no-such-branch", "--output=/tmp/x", ":/", "HEAD:dvc.yaml"])
def test_revision_that_is_no_commit_is_a_usage_error(compared: Repository, revision: str) -> None:
    finished = compared.ml_assets("metrics", "diff", "--json", revision)
    assert finished.code == 2, finished
    assert finished.document["error"]["hint"]
