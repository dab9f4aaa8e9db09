"""The summary of a job: metrics beside those of the protected branch, curves, deployment."""

import json
import os
import shutil
from pathlib import Path

import pytest

from ml_assets.project.project import Project, find_project
from ml_assets.project.rules import find_rules
from ml_assets.reporting.ci_summary import write_sections
from ml_assets.reporting.comparison_base import find_base
from ml_assets.reporting.value_comparison import ABSENT, ValueComparison, compare_metrics
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process

DVC = """\
stages:
  evaluate:
    cmd: "true"
    metrics:
      - metrics.json:
          cache: false
    plots:
      - roc.csv:
          cache: false
          x: fpr
          y: tpr
"""
CURVE = "fpr,tpr\n0,0\n1,1\n"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DvcProject:
    """A project whose ``main`` has metrics and a curve; ``feature`` is checked out."""
    for name in list(os.environ):
        if name.startswith(("GITHUB_", "CI_", "GITLAB_", "ML_ASSETS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    tree = DvcProject(tmp_path / "tree")
    (tree.root / ".dvc").mkdir(parents=True)
    tree.git("init", "--quiet", "--initial-branch=main")
    tree.write(".dvc/config", "[core]\n    analytics = false\n")
    tree.write(".gitignore", "/.ml-assets/state\n/.dvc/tmp\n/.dvc/.gitignore\n/.dvc/cache\n")
    tree.write("dvc.yaml", DVC)
    tree.write("metrics.json", json.dumps({"auc": 0.5, "by": {"a": 1, "b": True}, "gone": 3}))
    tree.write("roc.csv", CURVE)
    tree.commit()
    tree.git("checkout", "--quiet", "-b", "feature")
    return tree


def project(tree: DvcProject) -> Project:
    return find_project(tree.root)


def sections(tree: DvcProject) -> str:
    opened = project(tree)
    return "\n\n".join(
        write_sections(opened, find_rules(opened.root), opened.open_checkout(), "staging")
    )


def compared(tree: DvcProject) -> list[ValueComparison]:
    opened = project(tree)
    return compare_metrics(opened.open_checkout(), find_base(opened, find_rules(opened.root)))[0]


def test_metrics_stand_beside_those_of_the_protected_branch(tree: DvcProject) -> None:
    tree.write("metrics.json", json.dumps({"auc": 0.75, "by": {"a": 1}, "new": 2}))
    commit = tree.commit()
    assert commit

    assert compared(tree) == [
        ValueComparison("metrics.json", "auc", 0.75, 0.5),
        ValueComparison("metrics.json", "by.a", 1, 1),
        ValueComparison("metrics.json", "new", 2, ABSENT),
        ValueComparison("metrics.json", "gone", ABSENT, 3),
    ]
    text = sections(tree)
    base = tree.git("rev-parse", "main")[:12]
    assert f"| file | metric | here | `main at {base}` | difference |" in text
    assert "| `metrics.json` | `auc` | 0.75 | 0.5 | **+0.25** |" in text
    assert "| `metrics.json` | `by.a` | 1 | 1 | 0 |" in text
    assert "3 of 4 differ." in text


def test_target_of_the_pull_request_is_compared_with(
    tree: DvcProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.git("branch", "develop")
    tree.write("metrics.json", json.dumps({"auc": 0.9}))
    tree.commit()
    tree.git("branch", "--force", "develop")
    tree.git("checkout", "--quiet", "-b", "other")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_BASE_REF", "develop")
    tree.write("metrics.json", json.dumps({"auc": 0.8}))
    tree.commit()

    assert compared(tree) == [ValueComparison("metrics.json", "auc", 0.8, 0.9)]


def test_protected_branch_itself_is_compared_with_the_commit_before(tree: DvcProject) -> None:
    tree.git("checkout", "--quiet", "main")
    tree.write("metrics.json", json.dumps({"auc": 0.6}))
    tree.commit()

    assert compared(tree)[0] == ValueComparison("metrics.json", "auc", 0.6, 0.5)
    assert "`the parent commit at " in sections(tree)


def test_first_commit_is_compared_with_nothing_and_that_is_said(tree: DvcProject) -> None:
    tree.git("checkout", "--quiet", "main")

    assert "No comparison: `the parent commit is not in this clone`" in sections(tree)


def test_file_that_cannot_be_read_is_named(tree: DvcProject) -> None:
    tree.write("metrics.json", "{")
    assert "unreadable: `metrics.json`" in sections(tree)

    (tree.root / "metrics.json").unlink()
    assert "unreadable: `metrics.json`" in sections(tree)


def test_link_out_of_the_project_is_not_shown(tree: DvcProject, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('{"token": 4711}')
    (tree.root / "metrics.json").unlink()
    (tree.root / "metrics.json").symlink_to(tmp_path / "secret.json")

    assert "4711" not in sections(tree)


def test_curve_is_drawn_beside_the_one_that_it_was(tree: DvcProject) -> None:
    assert "Lines in order: `tpr`" in sections(tree)
    tree.write("roc.csv", "fpr,tpr\n0,0\n0.1,0.9\n1,1\n")

    text = sections(tree)

    assert text.count("    line [") == 2
    assert f"Lines in order: `tpr`, `tpr` of `main at {tree.git('rev-parse', 'main')[:12]}`" in text


def test_hostile_metric_is_code_in_the_table(tree: DvcProject) -> None:
    tree.write("metrics.json", json.dumps({"a|b`\n## c <b> @team": float("nan")}))

    (row,) = [line for line in sections(tree).splitlines() if "team" in line]

    assert row.count("|") == 6 and "\\n## c" in row and " nan |" in row


def test_no_deployment_is_promised(tree: DvcProject) -> None:
    assert "No deployment is configured for `staging`." in sections(tree)


def test_metrics_in_the_cache_of_dvc_are_compared_too(
    tree: DvcProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree.root)
    tree.stages(
        {"score": {"cmd": "cp in.json out.json", "deps": ["in.json"], "metrics": ["out.json"]}}
    )
    tree.git("checkout", "--quiet", "main")
    for value in (0.25, 0.5):
        tree.write("in.json", json.dumps({"auc": value}))
        with tree.dvc() as repo:
            repo.reproduce()
        tree.commit()

    assert compared(tree) == [ValueComparison("out.json", "auc", 0.5, 0.25)]

    shutil.rmtree(tree.root / ".dvc" / "cache")
    assert compared(tree) == [ValueComparison("out.json", "auc", 0.5, ABSENT)]
