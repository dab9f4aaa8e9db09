"""Imports whose credentials only the broker has: it reads what the protected branch names."""

import os
import shutil
from pathlib import Path

import pytest

from .published import clone, recorded
from .repository import Finished, Repository
from .s3_server import REGION, SECRET, USER, S3Server
from .test_remotes import Bucket, new_bucket

VARIABLES = {
    "AWS_ACCESS_KEY_ID": USER,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_EC2_METADATA_DISABLED": "true",  # nothing answers here, which takes a minute to find out
}
PART = 9_000_000  # bytes: more than one request


@pytest.fixture
def bucket(s3_server: S3Server) -> Bucket:
    """A bucket with a file and a directory."""
    made = new_bucket(s3_server)
    s3_server.put(made.name, "in/rows.csv", b"1,2\n")
    s3_server.put(made.name, "in/folder/large", bytes(range(250)) * (PART // 250))
    s3_server.put(made.name, "in/folder/deep/small", b"small\n")
    s3_server.put(made.name, "private/key", b"private\n")
    return made


@pytest.fixture
def fresh(origin: Repository, tmp_path: Path) -> Repository:
    return clone(origin, tmp_path / "clone")


def settings(bucket: Bucket) -> dict[str, str]:
    return {"endpointurl": bucket.server, "region": REGION}


def import_url(repository: Repository, bucket: Bucket, key: str, name: str) -> None:
    """Write what ``dvc import-url --no-download`` writes."""
    dep = {"path": f"s3://{bucket.name}/{key}", "fs_config": settings(bucket)}
    repository.write_yaml(f"{name}.dvc", {"frozen": True, "deps": [dep], "outs": [{"path": name}]})
    ignored = repository.project / ".gitignore"
    ignored.write_text(f"{ignored.read_text()}/{name}\n")
    repository.commit("an import")


def protect(repository: Repository) -> None:
    """Let the protected branch have the current commit."""
    repository.git("update-ref", "refs/remotes/origin/main", "HEAD")


def run(repository: Repository, target: str, **variables: str) -> Finished:
    words = ("run", "--select", target, "--json")
    return repository.ml_assets(*words, extra=variables or VARIABLES)


def test_import_of_the_protected_branch_is_read(fresh: Repository, bucket: Bucket) -> None:
    import_url(fresh, bucket, "in/rows.csv", "rows.csv")
    import_url(fresh, bucket, "in/folder", "folder")
    protect(fresh)
    finished = run(fresh, "rows.csv.dvc,folder.dvc")
    assert finished.code == 0, str(finished)
    assert (fresh.project / "rows.csv").read_bytes() == b"1,2\n"
    assert (fresh.project / "folder" / "large").read_bytes() == bytes(range(250)) * (PART // 250)
    assert (fresh.project / "folder" / "deep" / "small").read_bytes() == b"small\n"
    status = fresh._run_forked(fresh.tools.dvc, ["status", "rows.csv.dvc"], fresh.project, {})
    assert status.code == 0 and "up to date" in status.stdout


def test_import_below_a_remote_is_read(fresh: Repository, bucket: Bucket) -> None:
    for name, value in {"url": f"s3://{bucket.name}/in", **settings(bucket)}.items():
        fresh.dvc("config", "--local", f"remote.source.{name}", value)
    dep = {"path": "remote://source/rows.csv"}
    fresh.write_yaml("rows.csv.dvc", {"frozen": True, "deps": [dep], "outs": ["rows.csv"]})
    fresh.edit("rows.csv.dvc", "- rows.csv", "- path: rows.csv")
    fresh.commit("an import")
    finished = run(fresh, "rows.csv.dvc")
    assert finished.code == 0, str(finished)
    assert (fresh.project / "rows.csv").read_bytes() == b"1,2\n"


@pytest.mark.parametrize("key", ["private/key", "in/../private/key", "input/rows.csv"])
def test_address_of_a_branch_is_refused_with_a_hint_that_works(
    fresh: Repository, bucket: Bucket, key: str
) -> None:
    import_url(fresh, bucket, "in/rows.csv", "rows.csv")
    protect(fresh)
    fresh.git("checkout", "--quiet", "-b", "feature")
    import_url(fresh, bucket, key, "stolen")
    finished = run(fresh, "stolen.dvc")
    assert finished.code != 0 and not (fresh.project / "stolen").exists()
    assert "an address that the protected branch does not name" in str(finished)
    assert f"dvc config --local remote.NAME.url s3://{bucket.name}/{key}" in str(finished)
    if key != "private/key":
        return
    for name, value in {"url": f"s3://{bucket.name}/private", **settings(bucket)}.items():
        fresh.dvc("config", "--local", f"remote.own.{name}", value)
    finished = run(fresh, "stolen.dvc")
    assert finished.code == 0, str(finished)
    assert (fresh.project / "stolen").read_bytes() == b"private\n"


def test_endpoint_of_a_branch_gets_nothing(fresh: Repository, bucket: Bucket) -> None:
    import_url(fresh, bucket, "in/rows.csv", "rows.csv")
    protect(fresh)
    fresh.git("checkout", "--quiet", "-b", "feature")
    fresh.edit("rows.csv.dvc", bucket.server, "http://127.0.0.1:9")
    fresh.commit("another endpoint")
    finished = run(fresh, "rows.csv.dvc")
    assert finished.code != 0
    assert "an address that the protected branch does not name" in str(finished)


def test_missing_file_and_missing_credentials_are_said(fresh: Repository, bucket: Bucket) -> None:
    import_url(fresh, bucket, "in/absent.csv", "absent.csv")
    protect(fresh)
    finished = run(fresh, "absent.csv.dvc")
    assert finished.code != 0 and "absent.csv" in str(finished)
    wrong = run(fresh, "absent.csv.dvc", AWS_ACCESS_KEY_ID=USER, AWS_SECRET_ACCESS_KEY="mistaken")
    assert wrong.code == 3, str(wrong)
    assert "cannot reach the remote" in str(wrong) and "mistaken" not in str(wrong)


def test_stage_cannot_add_an_address_to_the_protected_branch(
    fresh: Repository, bucket: Bucket
) -> None:
    """A file that a stage writes into the working tree is no address of the commit."""
    import_url(fresh, bucket, "private/key", "stolen")
    (fresh.project / "stolen.dvc").rename(fresh.outside / "stolen.dvc")
    fresh.commit("no import")
    protect(fresh)
    (fresh.outside / "stolen.dvc").rename(fresh.project / "stolen.dvc")
    finished = run(fresh, "stolen.dvc")
    assert finished.code != 0 and not (fresh.project / "stolen").exists()
    assert "an address that the protected branch does not name" in str(finished)


def test_import_that_the_remote_holds_is_fetched_through_the_broker(
    fresh: Repository, bucket: Bucket
) -> None:
    import_url(fresh, bucket, "in/rows.csv", "rows.csv")
    remote = {"url": f"s3://{bucket.name}/store", **settings(bucket)}
    for name, value in remote.items():
        fresh.dvc("config", f"remote.store.{name}", value)
    fresh.commit("a remote in the bucket")
    protect(fresh)
    assert run(fresh, "rows.csv.dvc").code == 0
    pushed = fresh._run_forked(fresh.tools.dvc, ["push", "rows.csv.dvc"], fresh.project, VARIABLES)
    assert pushed.code == 0, str(pushed)
    fresh.commit("imported")
    protect(fresh)
    fresh.remove("rows.csv", ".dvc/cache")
    finished = run(fresh, "rows.csv.dvc")
    assert finished.code == 0, str(finished)
    assert (fresh.project / "rows.csv").read_bytes() == b"1,2\n"


@pytest.fixture
def source(origin: Repository, bucket: Bucket, tmp_path: Path) -> Repository:
    """Another repository, with its data in the bucket."""
    source = clone(origin, tmp_path / "source")
    for name, value in {"url": f"s3://{bucket.name}/store", **settings(bucket)}.items():
        source.dvc("config", f"remote.store.{name}", value)
    source.commit("its data is in the bucket")
    os.symlink(origin.project / ".dvc" / "cache", source.project / ".dvc" / "cache")
    source._run_forked(source.tools.dvc, ["push"], source.project, VARIABLES)
    (source.project / ".dvc" / "cache").unlink()
    return source


def import_from(repository: Repository, source: Repository, *names: str) -> None:
    """Write what ``dvc import`` writes."""
    head = source.git("rev-parse", "HEAD").strip()
    for name in names:
        dep = {"path": name, "repo": {"url": str(source.root), "rev_lock": head}}
        md5 = recorded(source, name)
        out = {"md5": md5, "hash": "md5", "path": f"imported-{name}"}
        file = f"imported-{name}.dvc"
        repository.write_yaml(file, {"frozen": True, "deps": [dep], "outs": [out]})
    repository.dvc("config", "--unset", "core.remote")  # it has the data as well
    repository.commit("imports from a repository")
    protect(repository)
    shutil.rmtree(repository.project / ".dvc" / "cache", ignore_errors=True)


def test_import_from_a_repository_with_a_remote_that_counts(
    fresh: Repository, source: Repository, bucket: Bucket
) -> None:
    for name, value in {"url": f"s3://{bucket.name}/store", **settings(bucket)}.items():
        fresh.dvc("config", "--local", f"remote.other.{name}", value)
    import_from(fresh, source, "raw.csv", "parts")
    finished = run(fresh, "imported-raw.csv.dvc,imported-parts.dvc")
    assert finished.code == 0, str(finished)
    assert (fresh.project / "imported-raw.csv").read_text() == "1,2\n3,4\n"
    assert (fresh.project / "imported-parts" / "deep" / "two").read_text() == "1,2\n3,4\n"


def test_import_from_a_repository_with_an_unknown_remote_says_what_to_do(
    fresh: Repository, source: Repository, bucket: Bucket
) -> None:
    import_from(fresh, source, "raw.csv")
    finished = run(fresh, "imported-raw.csv.dvc")
    assert finished.code in (2, 3), str(finished)
    assert not (fresh.project / "imported-raw.csv").exists()
    assert f"dvc config --local remote.NAME.url s3://{bucket.name}/store" in str(finished)
    assert "remote.NAME.endpointurl VALUE" in str(finished)
