"""Python environments: read as text, complete, and never run beyond the bare interpreter."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from security.gates.interface import GateError, Task
from security.gates.tool.installed_package import canonical_name
from security.gates.tool.python_environment import (
    PythonEnvironment,
    environment_of,
    read_environment,
)

pytestmark = pytest.mark.process

VARIABLES = {"PATH": os.defpath, "HOME": "/nonexistent"}
REAL = Path(sys.executable)


class Venv:
    """A virtual environment, made by hand because that takes no time."""

    def __init__(self, root: Path, settings: str = "include-system-site-packages = false") -> None:
        self.python = root / "bin" / "python"
        name = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.site = root / "lib" / name / "site-packages"
        self.site.mkdir(parents=True)
        self.python.parent.mkdir()
        self.python.symlink_to(REAL.resolve())
        (root / "pyvenv.cfg").write_text(f"home = {REAL.resolve().parent}\n{settings}\n")

    def install(self, directory: str, metadata: str, **files: str) -> Path:
        """Add one ``*.dist-info``."""
        location = self.site / directory
        location.mkdir()
        (location / "METADATA").write_text(metadata)
        for name, text in files.items():
            (location / f"{name}.json").write_text(text)
        return location

    def read(self) -> PythonEnvironment:
        """Describe it."""
        return read_environment(self.python, VARIABLES)


@pytest.fixture
def venv(tmp_path: Path) -> Venv:
    return Venv(tmp_path / "venv")


def metadata(name: str, version: str) -> str:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: a description\n"


def test_packages_are_those_that_the_interpreter_would_import() -> None:
    environment = read_environment(REAL, VARIABLES)
    assert environment.version == ".".join(map(str, sys.version_info[:3]))
    assert environment.version_of("PyTest") == pytest.__version__
    assert Path(environment.prefix) == Path(sys.prefix)
    assert not environment.unreadable and not environment.duplicates


def test_installed_package_is_found_under_every_spelling(venv: Venv) -> None:
    venv.install("ruamel.yaml-0.18.dist-info", metadata("ruamel.yaml", "0.18"))
    environment = venv.read()
    assert [(one.name, one.version) for one in environment.packages()] == [("ruamel.yaml", "0.18")]
    assert environment.version_of("Ruamel_YAML") == "0.18"
    assert environment.version_of("other") is None
    assert canonical_name("A__b.-C") == "a-b-c"


def test_no_code_of_the_environment_runs(venv: Venv, tmp_path: Path) -> None:
    proof = tmp_path / "ran"
    code = f"import pathlib; pathlib.Path({str(proof)!r}).touch()\n"
    (venv.site / "evil.pth").write_text(code)
    (venv.site / "sitecustomize.py").write_text(code)
    (venv.site / "usercustomize.py").write_text(code)
    (venv.site / "os.py").write_text(code)
    venv.read()
    assert not proof.exists()


def test_system_packages_belong_to_it_only_where_its_settings_say_so(tmp_path: Path) -> None:
    alone = Venv(tmp_path / "alone").read()
    both = Venv(tmp_path / "both", "include-system-site-packages = TRUE").read()
    assert len(alone.paths) == 1
    assert set(alone.paths).isdisjoint(both.paths) and len(both.paths) > 1


def test_editable_and_direct_installs_say_where_they_are_from(venv: Venv, tmp_path: Path) -> None:
    editable = '{"url": "file:///p", "dir_info": {"editable": true}}'
    pinned = '{"url": "git+https://example.invalid/q", "vcs_info": {"commit_id": "abc"}}'
    venv.install("p-1.dist-info", metadata("p", "1"), direct_url=editable)
    venv.install("q-1.dist-info", metadata("q", "1"), direct_url=pinned)
    work = tmp_path / "work"
    (work / "r.egg-info").mkdir(parents=True)
    (work / "r.egg-info" / "PKG-INFO").write_text(metadata("r", "2"))
    (venv.site / "r.pth").write_text(f"# mine\n\n{work}\nimport os\n/nonexistent\n")
    p, q, r = venv.read().packages()
    assert (p.editable, p.direct_url) == (True, "file:///p")
    assert (q.editable, q.revision) == (False, "abc")
    assert (r.editable, r.version) == (True, "2")


@pytest.mark.parametrize(
    "text",
    ["", "Name: a\n", "Version: 1\n", metadata("b", "1"), "Name: a\nName: a\nVersion: 1\n"]
    + ["Name: a\nVersion: 1\nVersion: 2\n", "Name: a\nVersion: 1 or 2\n", "\n\nName: a\nVersion: 1"]
    + ["Name: a\x1b[31m\nVersion: 1\n", f"{'X: y' * 20000}\nName: a\nVersion: 1\n"],
)
def test_broken_metadata_is_reported_not_dropped(venv: Venv, text: str) -> None:
    location = venv.install("a-1.dist-info", text)
    environment = venv.read()
    assert environment.packages() == ()
    assert [one.startswith(f"{location}: ") for one in environment.unreadable] == [True]


def test_missing_metadata_pipes_eggs_and_broken_origins_are_reported(venv: Venv) -> None:
    (venv.site / "a-1.dist-info").mkdir()
    (venv.site / "b-1.dist-info").mkdir()
    os.mkfifo(venv.site / "b-1.dist-info" / "METADATA")
    (venv.site / "c-1.egg").mkdir()
    venv.install("d-1.dist-info", metadata("d", "1"), direct_url="[" * 50000)
    venv.install("e-1.dist-info", metadata("e", "1"), direct_url="{}")
    environment = venv.read()
    assert len(environment.unreadable) == 5 and not environment.packages()


def test_package_that_is_there_twice_is_no_answer(venv: Venv) -> None:
    venv.install("a-1.dist-info", metadata("a", "1"))
    venv.install("A-2.dist-info", metadata("A", "2"))
    environment = venv.read()
    assert sorted(one.version for one in environment.packages()) == ["1", "2"]
    assert environment.duplicates == ("a",)
    with pytest.raises(GateError, match="installed twice"):
        environment.version_of("a")


def test_earlier_directory_hides_the_later(venv: Venv, tmp_path: Path) -> None:
    venv.install("a-1.dist-info", metadata("a", "1"))
    planted = tmp_path / "checkout" / "a-9.dist-info"
    planted.mkdir(parents=True)
    (planted / "METADATA").write_text(metadata("a", "9"))
    (venv.site / "checkout.pth").write_text(f"{planted.parent}\n")
    assert venv.read().version_of("a") == "1"


def test_every_change_of_what_is_installed_changes_the_digest(venv: Venv) -> None:
    digests = [venv.read().sha256]
    venv.install("a-1.dist-info", metadata("a", "1"))
    digests.append(venv.read().sha256)
    venv.install("b-1.dist-info", "nothing")
    digests.append(venv.read().sha256)
    (venv.site / "a-1.dist-info").rename(venv.site / "a-2.dist-info")
    (venv.site / "a-2.dist-info" / "METADATA").write_text(metadata("a", "2"))
    digests.append(venv.read().sha256)
    assert len(set(digests)) == 4


def test_digest_is_the_same_in_another_place(tmp_path: Path) -> None:
    one, two = Venv(tmp_path / "one"), Venv(tmp_path / "two")
    for venv in (one, two):
        venv.install("a-1.dist-info", metadata("a", "1"))
    assert one.read().sha256 == two.read().sha256


def test_second_question_starts_no_process(venv: Venv) -> None:
    first = venv.read()
    begin = time.perf_counter()
    assert venv.read() is first
    assert time.perf_counter() - begin < 0.01


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exit 0", "not a Python"),
        ("echo 3.11.7", "not a Python"),
        (r"printf 'ml-assets environment\0003.11\000/\000'", "not a Python"),
        (r"printf 'ml-assets environment\0003.11\000rel\000rel\000ml-assets environment'", "not a"),
        ('"%s" "$@"; exit 3' % REAL, "not a Python"),
        ("exec yes", "interpreter"),
        ("sleep 60", "interpreter"),
        ("kill -9 $$", "interpreter|not a Python"),
    ],
)
def test_what_is_no_python_is_an_error(tmp_path: Path, script: str, why: str) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    with pytest.raises(GateError, match=why) as caught:
        read_environment(python, VARIABLES, timeout=0.3 if "sleep" in script else 2.0)
    assert "gates.python" in caught.value.hint


def test_missing_interpreter_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="interpreter missing"):
        read_environment(tmp_path / "python", VARIABLES)
    task = Task("source", tmp_path, (), tmp_path, VARIABLES)
    with pytest.raises(GateError, match="the project has no Python environment"):
        environment_of(task)
