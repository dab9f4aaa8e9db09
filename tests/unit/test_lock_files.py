"""The lock files: hashed, without addresses, consistent with each other and with pyproject.toml."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
HASH = re.compile(r"^--hash=sha256:[0-9a-f]{64}$")
# An address, a host with a common ending, or an option that sets one.
ADDRESS = re.compile(
    r"://|\b[\w-]+\.(?:com|org|net|io|dev|cloud)\b|--(?:index|extra-index|find-links|trusted)"
    r"|(?:^|\s)-[if]\s",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Pin:
    """One locked requirement with its hashes."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """Name, version and marker: what two lock files have to agree on."""
        name = canonicalize_name(self.requirement.name)
        return name, str(self.requirement.specifier), str(self.requirement.marker or "")


def parse_lock(text: str) -> list[Pin]:
    """Parse a lock file; a line that is neither pin, hash nor comment is an error."""
    logical = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [parse_pin(line) for line in logical if line.strip() and not line.startswith("#")]


def parse_pin(line: str) -> Pin:
    """Parse one logical line."""
    specification, *hashes = re.split(r"\s+(?=--)", line.strip())
    wrong = [value for value in hashes if not HASH.match(value)]
    if wrong or not hashes:
        raise ValueError(f"without a sha256, or with more than hashes: {line[:80]}")
    pin = Pin(Requirement(specification), tuple(hashes))
    if not re.fullmatch(r"==[^*,]+", str(pin.requirement.specifier)):
        raise ValueError(f"not pinned to one version: {line[:80]}")
    return pin


def read_pins(name: str) -> list[Pin]:
    """Read the pins of one lock file."""
    return parse_lock((ROOT / "requirements" / f"{name}.lock").read_text())


def declared_requirements() -> Iterator[Requirement]:
    """Yield everything that pyproject.toml asks for, the build back end included."""
    project = PROJECT["project"]
    groups = [
        PROJECT["build-system"]["requires"],
        project["dependencies"],
        *project["optional-dependencies"].values(),
        *PROJECT["dependency-groups"].values(),
    ]
    for group in groups:
        yield from map(Requirement, group)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_pin_has_one_version_and_hashes(path: Path) -> None:
    assert parse_lock(path.read_text())


@pytest.mark.parametrize(
    "line",
    [
        "dvc==3.67.1",
        "dvc>=3 --hash=sha256:" + "0" * 64,
        "dvc==3.* --hash=sha256:" + "0" * 64,
        "dvc==3.67.1 --hash=md5:" + "0" * 32,
        "dvc==3.67.1 --hash=sha256:" + "0" * 64 + " --index-url=x",
    ],
)
def test_unhashed_or_loose_pin_is_noticed(line: str) -> None:
    with pytest.raises(ValueError, match="without a sha256|not pinned"):
        parse_lock(line)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_no_lock_file_names_an_address(path: Path) -> None:
    named = [line for line in path.read_text().splitlines() if ADDRESS.search(line)]
    assert named == []


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://mirror.example/simple",
        "-i mirror",
        "--extra-index-url=mirror",
        "dvc @ file:///wheels/dvc.whl",
        "# from mirror.example.org",
        "--trusted-host mirror",
    ],
)
def test_address_is_noticed(line: str) -> None:
    assert ADDRESS.search(line)


def test_the_three_lock_files_are_there() -> None:
    assert [path.name for path in LOCKS] == ["build.lock", "dev.lock", "run.lock"]


@pytest.mark.parametrize("name", ["build", "run"])
def test_smaller_lock_is_a_subset_with_equal_versions_and_hashes(name: str) -> None:
    everything = {pin.key: set(pin.hashes) for pin in read_pins("dev")}
    for pin in read_pins(name):
        assert everything.get(pin.key) == set(pin.hashes), pin.key


def test_every_declared_dependency_is_locked_within_its_bounds() -> None:
    locked: dict[str, list[Requirement]] = {}
    for pin in read_pins("dev"):
        locked.setdefault(canonicalize_name(pin.requirement.name), []).append(pin.requirement)
    for declared in declared_requirements():
        pins = locked.get(canonicalize_name(declared.name))
        assert pins, f"not locked: {declared}"
        for locked_one in pins:
            version = str(locked_one.specifier).removeprefix("==")
            assert declared.specifier.contains(version, prereleases=True), f"{declared}: {version}"


def test_run_lock_covers_what_make_run_needs() -> None:
    project = PROJECT["project"]
    needed = [
        *project["dependencies"],
        *project["optional-dependencies"]["example"],
        *PROJECT["build-system"]["requires"],
    ]
    locked = {canonicalize_name(pin.requirement.name) for pin in read_pins("run")}
    assert {canonicalize_name(Requirement(one).name) for one in needed} <= locked


def test_one_version_of_each_package_for_all_python_versions() -> None:
    names = [name for name, _, _ in {pin.key for pin in read_pins("dev")}]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("lock", ["dev", "run", "build"])
def test_what_has_extras_is_pinned_without_them_as_well(lock: str) -> None:
    """Otherwise pip may meet the bare name first, and take a version that has no hash here."""
    pins = read_pins(lock)
    bare = {pin.key: pin.hashes for pin in pins if not pin.requirement.extras}
    for pin in pins:
        if pin.requirement.extras:
            assert bare.get(pin.key) == pin.hashes, pin.requirement
