"""The system components of the tests: what is missing, and whether it may be installed."""

import os
from pathlib import Path

import pytest

from tools import system_packages


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty directory the only one on PATH."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    return directory


def put(directory: Path, name: str, script: str = "exit 0") -> None:
    """Put an executable program on PATH."""
    (directory / name).write_text(f"#!/bin/sh\n{script}\n")
    (directory / name).chmod(0o755)


@pytest.fixture
def debian(tmp_path: Path) -> Path:
    """Write the os-release file of a Debian."""
    path = tmp_path / "os-release"
    path.write_text('PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\n')
    return path


def test_component_is_found_under_any_of_its_names(programs: Path) -> None:
    assert system_packages.find_executable("chromium") is None
    put(programs, "google-chrome")
    assert system_packages.find_executable("chromium") == str(programs / "google-chrome")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("ID=debian\n", True),
        ("ID=ubuntu\nID_LIKE=debian\n", True),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', True),
        ('ID="fedora"\n', False),
        ("", False),
    ],
)
def test_debian_and_its_children_are_told_from_others(
    tmp_path: Path, content: str, expected: bool
) -> None:
    path = tmp_path / "os-release"
    path.write_text(content)
    assert system_packages.is_debian(path) is expected


def test_system_without_os_release_is_no_debian(tmp_path: Path) -> None:
    assert not system_packages.is_debian(tmp_path / "missing")


def test_root_on_debian_may_install(
    programs: Path, debian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(programs, "apt-get")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert system_packages.refusal({}, debian) is None


@pytest.mark.process
def test_user_may_install_only_with_sudo_that_does_not_ask(
    programs: Path, debian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(programs, "apt-get")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert system_packages.refusal({}, debian) == "neither root nor passwordless sudo"
    put(programs, "sudo", "exit 1")
    assert system_packages.refusal({}, debian) == "neither root nor passwordless sudo"
    put(programs, "sudo")
    assert system_packages.refusal({}, debian) is None


def test_nothing_is_installed_where_there_is_no_apt(programs: Path, debian: Path) -> None:
    assert system_packages.refusal({}, debian) == "not Debian or Ubuntu"


def test_user_may_decline(programs: Path, debian: Path) -> None:
    put(programs, "apt-get")
    assert system_packages.refusal({"SYSTEM_PACKAGES": "no"}, debian) == "SYSTEM_PACKAGES=no"


def test_missing_component_says_what_to_type(programs: Path) -> None:
    text = system_packages.explain_missing("chromium", {"SYSTEM_PACKAGES": "no"})
    assert text == (
        "chromium is not installed (SYSTEM_PACKAGES=no); "
        "install it, for example: apt-get install chromium fonts-liberation"
    )


@pytest.mark.process
def test_apt_is_called_for_what_is_missing_and_not_again(
    programs: Path, debian: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    put(programs, "env", 'shift; exec "$@"')
    put(programs, "apt-get", f'echo "$@" >> {log}; echo > {programs}/chromium')
    put(programs, "chmod")
    only = (system_packages.find_component("chromium"),)
    monkeypatch.setattr(system_packages, "COMPONENTS", only)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(system_packages, "OS_RELEASE", debian)
    assert system_packages.main(dict(os.environ)) == 0
    assert log.read_text().splitlines() == [
        "-qq update",
        "-qq install --yes --no-install-recommends chromium fonts-liberation",
    ]
    put(programs, "chromium")
    assert system_packages.main(dict(os.environ)) == 0
    assert len(log.read_text().splitlines()) == 2
