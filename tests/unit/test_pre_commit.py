"""The pre-commit hooks: the tools of `make check` before a commit, the unit lane before a push."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()


def read_hooks() -> dict[str, dict[str, Any]]:
    """Read the hooks by name; each must be local."""
    document = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [one["repo"] for one in document["repos"]] == ["local"], "no code from elsewhere"
    return {hook["id"]: hook for hook in document["repos"][0]["hooks"]}


def test_each_tool_is_the_one_that_make_check_runs() -> None:
    hooks = read_hooks()
    assert list(hooks) == ["black", "flake8", "mypy", "lint-imports", "test-fast"]
    for name in ("black", "flake8", "mypy", "lint-imports"):
        assert hooks[name]["entry"] in MAKEFILE, name


def test_unit_lane_runs_before_a_push_only() -> None:
    hook = read_hooks()["test-fast"]
    assert hook["stages"] == ["pre-push"] and hook["entry"] == "make test-fast"
    assert "\ntest-fast: " in MAKEFILE
