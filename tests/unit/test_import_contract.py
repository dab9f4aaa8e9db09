"""The import contract: in force, without exceptions, complete, and able to fail."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ml_assets", "resources", "security", "sensors")

#: Module, statement that is added to it, and the name of the contract that this breaks.
PLANTED = [
    ("security/finding.py", "import dagster", "2."),
    ("security/verdict.py", "import requests.sessions", "2."),
    ("security/content/digest.py", "def lazily():\n    import dvc.repo", "2."),
    ("security/errors.py", "from resources import files", "1."),
    ("resources/files.py", "import ml_assets.cli", "1."),
    ("resources/ci_job.py", "import sensors", "1."),
    ("ml_assets/definitions.py", "from sensors import branch_sensor", "1."),
    ("ml_assets/orchestration/jobs.py", "def lazily():\n    from dvc.repo import Repo", "3a."),
    ("resources/errors.py", "import dvc", "3a."),
    ("ml_assets/cli.py", "import mlflow.tracking", "3b."),
    ("resources/stores/result_store.py", "from sigstore import sign", "3c."),
    ("ml_assets/signer/service.py", "def lazily():\n    import pkcs11", "3d."),
    ("ml_assets/project/protection.py", "from ml_assets.runs import run", "4. rooms of ml"),
    ("ml_assets/gating/advisories.py", "from ml_assets.gating import admission", "4. layers of"),
    ("resources/git/mirror.py", "from resources.signing import keyring", "4. resources are"),
    ("resources/a_new_one.py", "", "4. resources are"),
    ("security/policy/waiver.py", "from security.verify import lineage", "4. rooms of security"),
    ("security/gates/code/lint.py", "from security.gates.code import format", "4. gates of code"),
    ("resources/advisory_feed/errors.py", "from resources.advisory_feed import store", "5."),
]


def read_contracts() -> configparser.ConfigParser:
    """Read the contract."""
    parser = configparser.ConfigParser()
    parser.read_string((ROOT / ".importlinter").read_text("utf-8"))
    return parser


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Break a copy of the four packages in every planted way; return reports by contract name."""
    copy = tmp_path_factory.mktemp("planted")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package)
    shutil.copy(ROOT / ".importlinter", copy)
    for module, statement, _ in PLANTED:
        path = copy / module
        before = path.read_text() if path.exists() else '"""A planted module."""\n'
        path.write_text(f"{before}\n{statement}\n")
    linter = Path(sys.executable).parent / "lint-imports"
    command = [str(linter), "--no-logo", "--no-cache"]
    environment = {"PATH": "/usr/bin:/bin", "COLUMNS": "400"}
    answer = subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 1, answer.stdout
    details = answer.stdout.partition("Broken contracts")[2]
    return {
        name: text
        for name, text in re.findall(
            r"^(\d\w?\. [^\n]+)\n-+\n(.*?)(?=^\d\w?\. |\Z)", details, re.M | re.S
        )
    }


@pytest.mark.process
@pytest.mark.parametrize(("module", "statement", "contract"), PLANTED)
def test_planted_import_breaks_its_contract(
    broken: dict[str, str], module: str, statement: str, contract: str
) -> None:
    reports = [text for name, text in broken.items() if name.startswith(contract)]
    importer = module.removesuffix(".py").replace("/", ".")
    names = {importer, importer.rpartition(".")[2]}
    assert any(re.search(rf"\b{re.escape(one)}\b", text) for text in reports for one in names)


def test_contracts_have_no_exceptions() -> None:
    contracts = read_contracts()
    assert not [name for name in contracts.sections() if "ignore_imports" in contracts[name]]
    assert contracts["importlinter"].getboolean("include_external_packages")


def test_each_room_has_a_contract_that_names_all_of_it() -> None:
    contracts = read_contracts()
    covered = {
        container
        for name in contracts.sections()
        if contracts[name].getboolean("exhaustive", fallback=False)
        for container in contracts[name]["containers"].split()
    }
    rooms = [
        directory
        for package in PACKAGES
        for directory in [ROOT / package, *(ROOT / package).iterdir()]
        if (directory / "__init__.py").is_file()
        and len([one for one in directory.iterdir() if is_module(one)]) > 1
    ]
    assert {".".join(one.relative_to(ROOT).parts) for one in rooms} <= covered


def is_module(path: Path) -> bool:
    """Whether a path is a module or package inside of a room."""
    return (path / "__init__.py").is_file() or (path.suffix == ".py" and path.name != "__init__.py")
