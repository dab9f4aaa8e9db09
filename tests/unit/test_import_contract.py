"""The import contracts: in force, without exceptions, and able to fail."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ml_assets", "resources", "security", "sensors")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the four packages and their contracts, to break them."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Judge the imports below a directory."""
    linter = Path(sys.executable).parent / "lint-imports"
    command = [str(linter), "--no-logo", "--no-cache", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_contracts_have_no_exceptions() -> None:
    assert not [one["id"] for one in CONTRACTS["contracts"] if "ignore_imports" in one]
    assert CONTRACTS["include_external_packages"] is True


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("security/planted.py", "import dagster", "judge"),
        ("security/planted.py", "import requests.sessions", "judge"),
        ("security/planted.py", "def lazily():\n    import dvc.repo", "judge"),
        ("security/planted.py", "from resources import errors", "layers"),
        ("resources/errors.py", "import ml_assets.project.settings.settings", "layers"),
        ("resources/errors.py", "import sensors", "layers"),
        ("sensors/planted.py", "from ml_assets import definitions", "layers"),
        ("ml_assets/project/settings/settings.py", "from ml_assets import pipeline", "layers"),
        ("ml_assets/orchestration/jobs.py", "def lazily():\n    from dvc.repo import Repo", "dvc"),
        ("resources/errors.py", "import dvc", "dvc"),
        ("ml_assets/cli.py", "import mlflow.tracking", "vendors"),
        ("resources/errors.py", "from sigstore import sign", "sigstore"),
        ("ml_assets/proof/signer.py", "def lazily():\n    import pkcs11", "pkcs11"),
        ("resources/git/repository.py", "from resources import dvc", "resources"),
        ("resources/git/__init__.py", "from resources import signing", "resources"),
        ("resources/a_new_one.py", "", "resources"),
    ],
)
def test_planted_import_breaks_its_contract(
    copy: Path, module: str, statement: str, contract: str
) -> None:
    path = copy / module
    before = path.read_text() if path.exists() else '"""A planted module."""\n'
    path.write_text(f"{before}\n{statement}\n")
    answer = lint(copy, "--contract", contract)
    assert answer.returncode == 1, answer.stdout
    importer = module.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
    assert importer in answer.stdout.partition("BROKEN")[2]


def test_gates_are_under_contract_as_soon_as_there_are_some() -> None:
    containers = [name for one in CONTRACTS["contracts"] for name in one.get("containers", [])]
    assert not (ROOT / "security" / "gates").exists() or "security.gates" in containers
