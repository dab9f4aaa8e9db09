"""What is installed, what a wheel holds, what is declared, and under which licences."""

import ast
import email
import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = ("ml_assets", "resources", "security", "sensors")
# Told from the text of their licence, because their metadata names none.
LICENCES_READ = {"huey": "MIT", "sigstore-models": "MIT"}
# pygit2 (by way of DVC's scmrepo) is GPLv2 with an exception that lets any program link to it.
LINKING_EXCEPTIONS = {"pygit2"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with the locked back end."""
    output = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir"]
    command += [str(output), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (path,) = output.glob("*.whl")
    return path


def test_no_other_distribution_owns_one_of_our_four_names() -> None:
    owners = {
        (name, distribution.metadata["Name"])
        for distribution in importlib.metadata.distributions()
        for path in distribution.files or []
        for name in PACKAGES
        if path.parts[0] in (name, f"{name}.py")
    }
    assert {owner for _, owner in owners} <= {"ml-assets"}


def test_our_four_names_are_imported_from_our_distribution() -> None:
    assert importlib.metadata.version("ml-assets") == PROJECT["project"]["version"]
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.origin == str(ROOT / name / "__init__.py")


def test_wheel_holds_the_four_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    information = {top for top in tops if top.endswith(".dist-info")}
    assert tops - information == set(PACKAGES)
    assert len(information) == 1


def test_wheel_holds_every_module_and_typing_mark(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    wanted = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }
    assert wanted <= names
    assert {f"{package}/py.typed" for package in PACKAGES} <= names


def test_wheel_holds_the_bundled_advisories_with_their_attribution(wheel: Path) -> None:
    directory = ROOT / "security" / "advisories" / "data"
    with zipfile.ZipFile(wheel) as archive:
        for path in directory.iterdir():
            assert archive.read(str(path.relative_to(ROOT))) == path.read_bytes()
        (notice,) = [one for one in archive.namelist() if one.endswith("licenses/NOTICE")]
        assert archive.read(notice) == (ROOT / "NOTICE").read_bytes()
    assert {"ATTRIBUTION.md", "CVSS-V4-LICENSE"} < {path.name for path in directory.iterdir()}


def test_wheel_holds_the_built_in_policy_and_its_schema(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in ("policy.toml", "policy.schema.json"):
            path = ROOT / "security" / "policy" / "data" / name
            assert archive.read(f"security/policy/data/{name}") == path.read_bytes()


def test_wheel_is_private_and_carries_the_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [one for one in archive.namelist() if one.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(archive.read(name))
        licence = archive.read(name.replace("METADATA", "licenses/LICENSE"))
    assert "Private :: Do Not Upload" in metadata.get_all("Classifier", [])
    assert metadata["License-Expression"] == "Apache-2.0"
    assert licence == (ROOT / "LICENSE").read_bytes()


def test_installed_wheel_answers_help_from_any_directory(wheel: Path, tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", target, wheel], check=True, capture_output=True)
    program = (
        "import ml_assets.cli as cli, sys; print(cli.__file__); sys.exit(cli.main(['--help']))"
    )
    answer = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env={**os.environ, "PYTHONPATH": str(target)},
        cwd=elsewhere,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith(str(target))
    assert "usage: ml-assets" in answer.stdout


def test_console_script_answers_help(tmp_path: Path) -> None:
    script = Path(sys.executable).parent / "ml-assets"
    answer = subprocess.run(
        [script, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert "usage: ml-assets" in answer.stdout


def imported_names(directories: tuple[str, ...]) -> set[str]:
    """Return the top-level names that the code below some directories imports."""
    names: set[str] = set()
    for path in (path for one in directories for path in (ROOT / one).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                names.add(node.module.split(".")[0])
    return names


def undeclared(names: set[str], groups: list[str]) -> set[str]:
    """Return the imported names that no distribution declared in these groups brings."""
    project = PROJECT["project"]
    requirements = list(project["dependencies"])
    for group in groups:
        requirements += project["optional-dependencies"][group]
    declared = {canonicalize_name(Requirement(one).name) for one in requirements}
    owners = importlib.metadata.packages_distributions()
    return {
        name
        for name in names
        if not declared & {canonicalize_name(owner) for owner in owners.get(name, [])}
    }


def own_names() -> set[str]:
    """Return the names that are not anybody else's: the standard library's and the repository's."""
    local = {path.name for parent in (ROOT, ROOT / "src") for path in parent.iterdir()}
    beside = {
        path.stem for path in (ROOT / "tests").rglob("*.py")
    }  # found by pytest, not installed
    return local | beside | set(sys.stdlib_module_names)


@pytest.mark.parametrize(
    ("directories", "groups"),
    [
        (PACKAGES, []),
        (("src", "scripts"), ["example"]),
        (("tools", "benchmarks", "tests"), ["example", "dev"]),
    ],
    ids=["packages", "example", "development"],
)
def test_every_import_is_declared(directories: tuple[str, ...], groups: list[str]) -> None:
    names = imported_names(directories) - own_names()
    # The lazily imported extras of the four packages are held by the import contracts instead.
    extras = groups or ["registry", "pkcs11"]
    assert undeclared(names, extras) == set()


def test_undeclared_import_is_noticed() -> None:
    assert undeclared({"matplotlib"}, ["example"]) == {"matplotlib"}


def licence_texts() -> Iterator[tuple[str, str]]:
    """Yield the name and the stated licence of each installed distribution but our own."""
    for distribution in importlib.metadata.distributions():
        metadata = distribution.metadata.json
        name = canonicalize_name(str(metadata["name"]))
        classifiers = [
            one.rpartition(" :: ")[2]
            for one in metadata.get("classifier", [])
            if one.startswith("License ::")
        ]
        stated = str(metadata.get("license_expression") or metadata.get("license") or "").strip()
        in_full = "\n" in stated  # the text of a licence, not its name
        text = " OR ".join(classifiers) if classifiers and (in_full or not stated) else stated
        if name != "ml-assets":
            yield name, LICENCES_READ.get(name, text)


def binds_our_users(licence: str) -> bool:
    """Say whether every choice that a licence leaves is the GPL or the AGPL."""
    choices = re.split(r"\s+OR\s+|\s*\|\s*", licence)
    return all(
        re.search(r"\bA?GPL|Affero|GNU General Public", choice)
        and not re.search(r"LGPL|Lesser", choice)
        for choice in choices
    )


def test_no_dependency_binds_our_users_by_its_licence() -> None:
    texts = dict(licence_texts())
    assert {name for name, text in texts.items() if not text} == set()
    assert {name for name, text in texts.items() if binds_our_users(text)} <= LINKING_EXCEPTIONS


@pytest.mark.parametrize(
    ("licence", "binds"),
    [
        ("GPL-3.0-or-later", True),
        ("GNU Affero General Public License v3", True),
        ("AGPL-3.0-only OR GPL-2.0-only", True),
        ("Apache-2.0 OR GPL-2.0-or-later", False),
        ("GPLv2 | EPLv1", False),
        ("LGPL-2.1-or-later", False),
        ("MIT", False),
    ],
)
def test_licence_is_judged_by_its_best_choice(licence: str, binds: bool) -> None:
    assert binds_our_users(licence) is binds
