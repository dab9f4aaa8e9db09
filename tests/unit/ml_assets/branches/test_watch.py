"""The watch over a repository without a checkout, as each process opens it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from ml_assets.branches.watch import find_watch, watch_repository
from ml_assets.signer.user_directories import PROJECT_VARIABLE
from resources.errors import UnavailableError

pytestmark = pytest.mark.process


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv(PROJECT_VARIABLE, raising=False)
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", remote], check=True)
    subprocess.run(
        ["git", "-C", remote, "commit", "--quiet", "--allow-empty", "--message", "Start"],
        check=True,
    )
    return str(remote)


def test_next_process_opens_the_same_repository(address: str, tmp_path: Path) -> None:
    watch = watch_repository(address)
    moved = tmp_path / "moved"
    shutil.copytree(watch.home, moved)  # this process has created no repository there

    assert find_watch(str(moved)).url == address
    assert find_watch(str(moved)).mirror.read_remote(["main"]).heads.keys() == {"main"}


def test_mirror_without_an_address_is_refused_and_started_anew(address: str) -> None:
    watch = watch_repository(address)
    mirror = watch.home / "mirror.git"
    command = ["git", f"--git-dir={mirror}", "config", "--unset", "remote.origin.url"]
    subprocess.run(command, check=True)

    with pytest.raises(UnavailableError, match="config"):
        find_watch(str(watch.home))

    assert watch_repository(address).mirror.read_remote(["main"]).heads.keys() == {"main"}
