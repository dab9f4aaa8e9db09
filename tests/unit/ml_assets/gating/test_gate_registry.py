"""The registry of gates: a file and a line add a gate, and no other file knows a gate's name."""

import ast
import json
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from ml_assets.cli import main
from ml_assets.project.settings.gates import GateSettings
from security.gates.registry import BUILT_IN
from tests.unit.ml_assets.gating.license_gate import LINE
from tests.unit.resources.dvc_project import DvcProject

Captured = pytest.CaptureFixture[str]

ROOT = Path(__file__).parents[4]
PACKAGES = ("ml_assets", "security", "resources", "sensors")
#: The drill attacks a policy by turning this gate off.
DOCUMENTED = {("ml_assets/proof/drill/file_attacks.py", "code-security")}
#: Words that are keys of settings and of documents as well; only comparisons with them are counted.
WORDS = {"data", "dependencies", "format", "performance", "types"}


@pytest.fixture
def licenses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate of one file, with its line in the registry."""
    monkeypatch.setitem(BUILT_IN, LINE.name, LINE)


@pytest.fixture
def project(repository: DvcProject, monkeypatch: pytest.MonkeyPatch) -> DvcProject:
    repository.stages({"one": {"cmd": "echo 1 > one.txt", "outs": ["one.txt"]}})
    repository.write("a.py", "# Apache-2.0\n")
    monkeypatch.chdir(repository.root)
    return repository


def check(capsys: Captured, *words: str) -> tuple[int, dict[str, Any]]:
    code = main(["check", "licenses", "--json", *words])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, document["gates"][0]


@pytest.mark.process
def test_gate_of_one_file_and_one_line_judges_and_is_reported(
    licenses: None, project: DvcProject, capsys: Captured
) -> None:
    assert check(capsys)[1]["verdict"] == "passed"

    project.write("b.py", "b = 1\n")
    _, gate = check(capsys, "--sarif", "gates.sarif")

    assert (gate["name"], gate["verdict"]) == ("licenses", "warned")  # the policy only advises it
    (run,) = json.loads(Path("gates.sarif").read_text())["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert "security" in rule["properties"]["tags"]


def test_settings_have_a_table_of_the_described_type_for_each_gate_with_settings() -> None:
    defaults = GateSettings()
    described = {
        name.replace("-", "_"): one.settings for name, one in BUILT_IN.items() if one.settings
    }
    own = {"python", "timeout", "commands"}

    assert {one.name for one in fields(defaults)} - own == described.keys()
    for name, kind in described.items():
        assert isinstance(getattr(defaults, name), kind), name


@pytest.mark.parametrize("name", BUILT_IN)
def test_description_of_a_gate_is_that_of_its_class(name: str) -> None:
    description = BUILT_IN[name]
    module, _, name_of_class = description.implementation.partition(":")
    gate = getattr(import_module(module), name_of_class)
    declared = getattr(gate, "__dataclass_fields__", {})
    kind = declared["kind"].default if "kind" in declared else gate.kind

    assert kind is description.kind
    assert hasattr(gate, "from_context") or gate().name == name


def own_module(name: str) -> str:
    """Return the module of a gate, or its package, as a path."""
    path = BUILT_IN[name].implementation.partition(":")[0].replace(".", "/")
    return path if (ROOT / f"{path}.py").is_file() else f"{path}/__init__"


def names_in(path: Path) -> set[str]:
    """Return the names of gates among a file's string constants."""
    tree = ast.parse(path.read_bytes())
    found = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in BUILT_IN and node.value not in WORDS
    }
    compared = [node for node in ast.walk(tree) if isinstance(node, ast.Compare | ast.MatchValue)]
    gate = [node for node in compared if "gate" in ast.unparse(node)]
    return found | {
        inner.value
        for node in gate
        for inner in ast.walk(node)
        if isinstance(inner, ast.Constant) and inner.value in BUILT_IN
    }


def test_no_file_but_the_registry_and_the_gate_itself_names_a_gate() -> None:
    named = {
        (path.relative_to(ROOT).as_posix(), name)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for name in names_in(path)
    }
    own = {("security/gates/registry.py", name) for name in BUILT_IN}
    own |= {(f"{own_module(name)}.py", name) for name in BUILT_IN}

    assert named - own - DOCUMENTED == set()
