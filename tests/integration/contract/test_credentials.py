"""Credentials of remotes: only the broker's processes have them, and a run works with them."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from .published import LARGE, clone, present, recorded
from .repository import Repository
from .s3_server import REGION, SECRET, USER, S3Server
from .test_remotes import Bucket, in_s3, new_bucket

VARIABLES = {
    "AWS_ACCESS_KEY_ID": USER,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AZURE_STORAGE_KEY": SECRET,
    "GOOGLE_APPLICATION_CREDENTIALS": f"/{SECRET}",
    "SOME_SERVICE_TOKEN": SECRET,
    "ML_ASSETS_KEY_PASSPHRASE": SECRET,
}
#: Looks for the secret in the variables of the process and of all processes that it can see.
LOOK = f"""\
import os
from pathlib import Path
seen = [name for name, value in os.environ.items() if {SECRET!r} in value]
for one in Path("/proc").glob("[0-9]*/environ"):
    try:
        if {SECRET.encode()!r} in one.read_bytes():
            seen.append(str(one))
    except OSError:
        pass
Path("seen.txt").write_text(repr(seen))
"""


@pytest.fixture
def fresh(origin: Repository, tmp_path: Path) -> Repository:
    """A fresh clone in which the last stage has to run."""
    repository = clone(origin, tmp_path / "clone")
    repository.write("count.txt", "changed\n")
    return repository


@pytest.fixture
def bucket(s3_server: S3Server, origin: Repository, tmp_path: Path) -> Bucket:
    """A bucket with all data of the origin."""
    made = new_bucket(s3_server)
    pusher = clone(origin, tmp_path / "pusher")
    in_s3(pusher, made)
    os.symlink(origin.project / ".dvc" / "cache", pusher.project / ".dvc" / "cache")
    pusher.dvc("push", "--quiet")
    return made


def address(repository: Repository, bucket: Bucket) -> None:
    """Configure a remote without credentials."""
    settings = {"url": f"s3://{bucket.name}/store", "endpointurl": bucket.server, "region": REGION}
    for name, value in settings.items():
        repository.dvc("remote", "modify", "--local", "store", name, value)


def test_run_pulls_with_credentials_of_the_environment(fresh: Repository, bucket: Bucket) -> None:
    address(fresh, bucket)
    finished = fresh.ml_assets("run", "--pull", "--json", extra=VARIABLES)
    assert finished.code == 0, str(finished)
    assert list(finished.ran) == ["count"]
    assert present(fresh, "all.txt") == ["all.txt"]


def test_added_data_is_pulled_without_the_option(fresh: Repository, bucket: Bucket) -> None:
    address(fresh, bucket)
    finished = fresh.ml_assets(
        "run", "--select", "large.txt.dvc", "--json", "--keep-going", extra=VARIABLES
    )
    assert (fresh.project / "large.txt").read_bytes() == LARGE, finished


def test_without_credentials_nothing_is_pulled(fresh: Repository, bucket: Bucket) -> None:
    address(fresh, bucket)
    finished = fresh.ml_assets("run", "--pull", "--json")
    assert finished.code == 3, str(finished)
    assert recorded(fresh, "parts") in finished.document["error"]["message"]


def test_stage_and_main_process_have_no_credential(fresh: Repository, bucket: Bucket) -> None:
    address(fresh, bucket)
    fresh.write("look.py", LOOK)
    fresh.edit("dvc.yaml", "cat count.txt all.txt", "python look.py && cat count.txt all.txt")
    finished = fresh.ml_assets_script("run", "--pull", "--json", extra=VARIABLES)
    assert finished.code == 0, str(finished)
    assert (fresh.project / "seen.txt").read_text() == "[]"
    assert "not passed to stages" in finished.stderr and "AWS_SECRET_ACCESS_KEY" in finished.stderr
    assert SECRET not in finished.stdout + finished.stderr


@pytest.mark.parametrize("names", [("one", "two"), ("one", "one")], ids=["two-clones", "one-clone"])
def test_two_runs_pull_into_one_cache_at_once(
    origin: Repository, bucket: Bucket, tmp_path: Path, names: tuple[str, str]
) -> None:
    clones = {name: clone(origin, tmp_path / name) for name in set(names)}
    for repository in clones.values():
        address(repository, bucket)
        repository.dvc("config", "--local", "cache.dir", str(tmp_path / "cache"))
        repository.write("count.txt", "changed\n")
    running = [
        subprocess.Popen(
            clones[name].script("run", "--pull", "--json"),
            cwd=clones[name].outside,
            env=clones[name].environment(VARIABLES),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    ended = [(one.communicate(timeout=200), one.returncode) for one in running]
    assert [code for _, code in ended] == [0, 0], ended
    for repository in clones.values():
        assert present(repository, "all.txt", "count") == ["all.txt", "count"]
    files = [one for one in (tmp_path / "cache" / "files").rglob("*") if one.is_file()]
    for one in files:
        found = hashlib.md5(one.read_bytes(), usedforsecurity=False).hexdigest()
        assert one.parent.name + one.name.removesuffix(".dir") == found
    assert [one.name for one in (tmp_path / "cache" / "files").iterdir()] == ["md5"]
