"""Damaged caches and full disks: never used, never taken for a result, mended where possible."""

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .refusal import (
    CONFIGURATION,
    FAILED,
    NOT_JUDGED,
    assert_error_document,
    assert_two_lines,
    good,
    write_stages,
)
from .repository import Finished, Repository


def with_added_data(repository: Repository) -> None:
    """Added data whose copy in the working tree is gone, so that only the cache has it."""
    good(repository)
    repository.write("data.csv", "1\n")
    repository.dvc("add", "--quiet", "data.csv")
    repository.edit("dvc.yaml", "deps:\n    - input.txt", "deps:\n    - data.csv\n    - input.txt")
    repository.remove("data.csv")


def object_of(repository: Repository, digest: str) -> str:
    """Return the path of an object in the cache."""
    return f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}"


ONE_LINE = "b026324c6904b2a9cb4b88d6d61c81d1"


def corrupt(repository: Repository) -> None:
    """Change the bytes of the object and keep its name."""
    path = repository.project / object_of(repository, ONE_LINE)
    path.chmod(0o644)
    path.write_bytes(b"2\n")


def make_directory(repository: Repository) -> None:
    """Put a directory where the object should be: nobody can read it as a file, not even root."""
    repository.remove(object_of(repository, ONE_LINE))
    (repository.project / object_of(repository, ONE_LINE)).mkdir()


def make_dangling(repository: Repository) -> None:
    """Put a link to nowhere where the object should be."""
    repository.remove(object_of(repository, ONE_LINE))
    (repository.project / object_of(repository, ONE_LINE)).symlink_to("nowhere")


DAMAGES = (corrupt, make_dangling)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda step: step.__name__)
def test_damaged_object_of_added_data_is_never_used(
    repository: Repository, damage: Callable[[Repository], None]
) -> None:
    with_added_data(repository)
    damage(repository)
    finished = repository.ml_assets("run", "--json")
    assert finished.code in (FAILED, CONFIGURATION, NOT_JUDGED), finished
    assert_error_document(finished, "data.csv")
    assert "one" not in finished.ran
    data = repository.project / "data.csv"
    assert not data.exists() or data.read_bytes() == b"1\n"
    plain = repository.ml_assets("run")
    assert_two_lines(plain, "data.csv")
    repository.write("data.csv", "1\n")
    assert "one" in repository.run().ran


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda step: step.__name__)
def test_damaged_object_of_a_stage_is_made_again(
    repository: Repository, damage: Callable[[Repository], None]
) -> None:
    """A run cache entry that leads to a damaged object restores nothing: the stage runs again."""
    good(repository)
    repository.edit("dvc.yaml", "deps:\n    - input.txt\n    ", "")
    repository.edit("dvc.yaml", "cp input.txt one.txt", "echo 1 > one.txt")
    repository.edit("dvc.yaml", "cmd: echo 1", "deps: [dep]\n    cmd: echo 1")
    repository.write("dep", "dep\n")
    repository.run()
    repository.remove("one.txt", "dvc.lock")
    damage(repository)
    finished = repository.run()
    assert "one" in finished.ran, finished
    assert (repository.project / "one.txt").read_bytes() == b"1\n"
    path = repository.project / object_of(repository, ONE_LINE)
    assert path.is_file() and path.read_bytes() == b"1\n", "the cache is mended"
    assert repository.repro().ran.keys() <= {"two"}


def test_object_that_cannot_be_read_is_could_not_judge(repository: Repository) -> None:
    with_added_data(repository)
    make_directory(repository)
    finished = repository.ml_assets("run", "--json", "--keep-going")
    assert finished.code == NOT_JUDGED, finished
    assert_error_document(finished, "data.csv")
    assert sorted(finished.ran) == ["two"]
    plain = repository.ml_assets("run")
    assert plain.code == NOT_JUDGED and plain.ran == {}, plain
    assert_two_lines(plain, object_of(repository, ONE_LINE))
    repository.remove(object_of(repository, ONE_LINE))
    repository.write("data.csv", "1\n")
    assert sorted(repository.run().ran) == ["one"]


def test_corrupted_object_under_a_hard_link_is_not_taken_for_fresh(repository: Repository) -> None:
    """A stage that writes in place through a hard link changes the object: both are wrong."""
    repository.dvc("config", "cache.type", "hardlink")
    good(repository)
    repository.run()
    out = repository.project / "one.txt"
    assert out.stat().st_nlink == 2
    out.chmod(0o644)
    with out.open("r+b") as file:
        file.write(b"9\n")
    finished = repository.run()
    assert "one" in finished.ran, finished
    assert out.read_bytes() == b"1\n"
    assert (repository.project / object_of(repository, ONE_LINE)).read_bytes() == b"1\n"


def mount_small(path: Path, size: str) -> None:
    """Mount a file system with little room, or leave the test out with the reason."""
    path.mkdir(parents=True, exist_ok=True)
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    command = [*prefix, "mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "tmpfs", str(path)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")


def unmount(path: Path) -> None:
    """Unmount what `mount_small` mounted."""
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    subprocess.run([*prefix, "umount", str(path)], check=True)


@pytest.mark.parametrize("place", [".dvc/cache", ".ml-assets"])
def test_full_disk_is_could_not_judge(repository: Repository, place: str) -> None:
    """The cache, or our own state, lies on a disk that is too small for one run."""
    good(repository)
    write_stages("  big:\n    cmd: head -c 999999 /dev/zero > big\n    outs: [big]\n")(repository)
    full = repository.project / place
    mount_small(full, "128k")
    try:
        finished = repository.ml_assets("run")
    finally:
        unmount(full)
    assert finished.code == NOT_JUDGED, finished
    assert_two_lines(finished)
    assert repository.dvc("status", "--json").code == 0
    mended = repository.run()
    assert "big" in mended.ran or (repository.project / "big").stat().st_size == 999999
    assert repository.repro().ran == {}
    assert repository.dvc("status", "--json").stdout.strip() == "{}"


def test_file_that_cannot_be_written_in_full_is_could_not_judge(repository: Repository) -> None:
    """As a full disk, where nothing can be mounted: our process may write files of 2 MiB only."""
    good(repository)
    big = "ulimit -S -f unlimited; head -c 5000000 /dev/zero > big"
    write_stages(f"  big:\n    cmd: {big}\n    outs: [big]\n")(repository)
    repository.write(".dvc/config", "[cache]\n    type = copy\n")
    command = f"ulimit -S -f 4096; exec {shlex.join(repository.script('run', '--keep-going'))}"
    limited = subprocess.run(
        ["sh", "-c", command],
        env=repository.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    finished = Finished(limited.returncode, limited.stdout, limited.stderr, repository.ran())
    assert finished.code == NOT_JUDGED, finished
    assert_two_lines(finished, "big")
    lock = (repository.project / "dvc.lock").read_text(encoding="utf-8")
    assert "  one:" in lock and "  two:" in lock and "  big:" not in lock
    assert sorted(repository.run().ran) == ["big"]
    assert repository.dvc("status", "--json").stdout.strip() == "{}"
