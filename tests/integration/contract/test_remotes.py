"""Remotes that are servers: over HTTP with and without a password, and S3."""

import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from .http_store import serve
from .published import LARGE, cached, clone, present, recorded
from .repository import Repository
from .s3_server import REGION, SECRET, USER, S3Server, free_ports, s3

PASSWORD = "open-sesame-4711"


@pytest.fixture
def fresh(origin: Repository, tmp_path: Path) -> Repository:
    """A fresh clone in which the last stage has to run."""
    repository = clone(origin, tmp_path / "clone")
    repository.write("count.txt", "changed\n")
    return repository


def store_of(origin: Repository) -> Path:
    return origin.outside / "store"


def lead(repository: Repository, **values: str) -> None:
    """Configure the remote, where nobody commits it."""
    for name, value in values.items():
        repository.dvc("remote", "modify", "--local", "store", name, value)


def test_data_is_fetched_over_http(origin: Repository, fresh: Repository) -> None:
    with serve(store_of(origin)) as store:
        lead(fresh, url=store.url)
        assert list(fresh.run("--pull").ran) == ["count"]
        files = [path for path in store.served if not path.endswith(".dir")]
    md5 = recorded(fresh, "all.txt")
    assert files == [f"/files/md5/{md5[:2]}/{md5[2:]}"]
    assert present(fresh, "raw.csv", "parts", "all.txt") == ["all.txt"]


def test_password_is_given(origin: Repository, fresh: Repository) -> None:
    with serve(store_of(origin), f"joe:{PASSWORD}") as store:
        lead(fresh, url=store.url, auth="basic", user="joe", password=PASSWORD)
        assert list(fresh.run("--pull").ran) == ["count"]


@pytest.mark.parametrize("given", [f"not-{PASSWORD}", None])
def test_wrong_password_is_told_and_not_shown(
    origin: Repository, fresh: Repository, given: str | None
) -> None:
    with serve(store_of(origin), f"joe:{PASSWORD}") as store:
        lead(fresh, url=store.url)
        if given is not None:
            lead(fresh, auth="basic", user="joe", password=given)
        finished = fresh.ml_assets("run", "--pull", "--json")
    assert finished.code == 3, finished
    assert finished.document["error"]["kind"] == "unavailable"
    assert recorded(fresh, "parts") in finished.document["error"]["message"]
    assert PASSWORD not in finished.stdout + finished.stderr
    assert present(fresh, "all.txt") == []


def test_password_in_an_address_is_not_shown(origin: Repository, fresh: Repository) -> None:
    with serve(store_of(origin), "joe:other") as store:
        lead(fresh, url=store.url.replace("//", f"//joe:{PASSWORD}@"))
        finished = fresh.ml_assets("run", "--pull", "--json")
    assert finished.code == 3, finished
    assert PASSWORD not in finished.stdout + finished.stderr


def test_server_that_is_down_is_no_failure_of_the_stage(fresh: Repository) -> None:
    with serve(fresh.outside) as store:
        url = store.url
    lead(fresh, url=url)
    finished = fresh.ml_assets("run", "--pull", "--json")
    assert finished.code == 3, finished
    assert finished.document["error"]["kind"] == "unavailable"
    assert fresh.git("status", "--porcelain").split() == ["M", "count.txt"]


def test_run_goes_on_where_a_killed_server_has_stopped_it(
    origin: Repository, fresh: Repository
) -> None:
    fresh.edit("dvc.yaml", "cat parts/deep/two", "tail -n 1 parts/deep/two")
    fresh.edit("dvc.yaml", "wc -c < large.txt", "wc -l < large.txt")
    with serve(store_of(origin), lives=2) as store:
        lead(fresh, url=store.url)
        finished = fresh.ml_assets("run", "--pull", "--json", "--keep-going", "--jobs", "1")
    assert finished.code == 3, finished
    before = cached(fresh)
    assert before
    with serve(store_of(origin)) as store:
        lead(fresh, url=store.url)
        fresh.run("--pull")
        fresh.dvc("pull", "--quiet")
    assert set(before) <= set(cached(fresh))
    assert (fresh.project / "large.txt").read_bytes() == LARGE
    assert fresh.dvc("status", "--json").stdout.strip() == "{}"


@dataclass(frozen=True)
class Bucket:
    """A bucket, that is there or not, of a server that is there or not."""

    server: str
    name: str


@pytest.fixture
def bucket(s3_server: S3Server) -> Bucket:
    """A new bucket."""
    return new_bucket(s3_server)


def new_bucket(server: S3Server) -> Bucket:
    name = f"data-{uuid.uuid4()}"
    server.make_bucket(name)
    return Bucket(server.url, name)


def in_s3(repository: Repository, bucket: Bucket, secret: str = SECRET) -> None:
    lead(
        repository,
        url=f"s3://{bucket.name}/store",
        endpointurl=bucket.server,
        region=REGION,
        access_key_id=USER,
        secret_access_key=secret,
    )


def publish_in_s3(origin: Repository, bucket: Bucket, home: Path) -> None:
    """Push everything, from a clone, because the origin is only ever cloned."""
    pusher = clone(origin, home)
    shutil.copytree(origin.project / ".dvc" / "cache", pusher.project / ".dvc" / "cache")
    in_s3(pusher, bucket)
    pusher.dvc("push", "--quiet")


def test_data_is_fetched_from_s3(
    origin: Repository, fresh: Repository, bucket: Bucket, tmp_path: Path
) -> None:
    publish_in_s3(origin, bucket, tmp_path / "pusher")
    in_s3(fresh, bucket)
    fresh.edit("dvc.yaml", "wc -c < large.txt", "wc -l < large.txt")
    assert sorted(fresh.run("--pull").ran) == ["count", "size"]
    assert os.path.getsize(fresh.project / "large.txt") == len(LARGE)


def test_object_that_s3_does_not_have_is_named(fresh: Repository, bucket: Bucket) -> None:
    in_s3(fresh, bucket)
    finished = fresh.ml_assets("run", "--pull", "--json")
    assert finished.code == 3, finished
    message = finished.document["error"]["message"]
    assert "parts" in message and recorded(fresh, "parts") in message
    assert SECRET not in finished.stdout + finished.stderr


# A stage cannot end what it has not started, so that this one waits for the server to be killed.
AWAITED = "wc -l < large.txt > size.txt; until test -e killed; do sleep 0.1; done"


@contextmanager
def killed_when(sign: Path, server: S3Server, done: Path) -> Iterator[None]:
    """Kill a server as soon as one file appears in the block, and write another file then."""

    def kill() -> None:
        while not sign.exists() and not over.wait(0.05):
            pass
        try:
            server.kill()
        finally:
            done.touch()

    over = threading.Event()
    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_signature_with_another_secret_is_refused_and_no_secret_shown(
    origin: Repository, fresh: Repository, bucket: Bucket, tmp_path: Path
) -> None:
    publish_in_s3(origin, bucket, tmp_path / "pusher")
    wrong = f"not-{SECRET}"
    in_s3(fresh, bucket, wrong)
    finished = fresh.ml_assets("run", "--pull", "--json")
    assert finished.code == 3, finished
    assert finished.document["error"]["kind"] == "unavailable"
    message = finished.document["error"]["message"]
    assert recorded(fresh, "parts") in message and "signature" in message
    assert "credentials" in finished.document["error"]["hint"]
    assert SECRET not in finished.stdout + finished.stderr
    assert present(fresh, "all.txt") == []


def test_object_in_a_bucket_that_is_missing_is_named(
    fresh: Repository, s3_server: S3Server
) -> None:
    in_s3(fresh, Bucket(s3_server.url, "nobody-made-it"))
    finished = fresh.ml_assets("run", "--pull", "--json")
    assert finished.code == 3, finished
    assert finished.document["error"]["kind"] == "unavailable"
    message = finished.document["error"]["message"]
    assert "parts" in message and recorded(fresh, "parts") in message
    assert SECRET not in finished.stdout + finished.stderr
    assert present(fresh, "all.txt") == []


@pytest.mark.slow
def test_s3_server_that_is_down_is_no_failure_of_the_stage(fresh: Repository) -> None:
    (port,) = free_ports(1)
    in_s3(fresh, Bucket(f"http://127.0.0.1:{port}", "data"))
    finished = fresh.ml_assets("run", "--pull", "--json")
    assert finished.code == 3, finished
    assert finished.document["error"]["kind"] == "unavailable"
    assert SECRET not in finished.stdout + finished.stderr
    assert fresh.git("status", "--porcelain").split() == ["M", "count.txt"]


@pytest.mark.slow
def test_run_goes_on_where_a_killed_s3_server_has_stopped_it(
    origin: Repository, fresh: Repository, tmp_path: Path
) -> None:
    """It dies while one stage runs, before what the next one reads is fetched."""
    fresh.edit("dvc.yaml", "wc -c < large.txt > size.txt", AWAITED)
    fresh.edit("dvc.yaml", "- count.txt\n", "- count.txt\n    - size.txt\n")
    (tmp_path / "s3").mkdir()
    with s3(tmp_path / "s3") as server:
        bucket = new_bucket(server)
        publish_in_s3(origin, bucket, tmp_path / "pusher")
        in_s3(fresh, bucket)
        with killed_when(fresh.project / "size.txt", server, fresh.project / "killed"):
            finished = fresh.ml_assets("run", "--pull", "--json")
        assert finished.code == 3, finished
        assert finished.document["error"]["kind"] == "unavailable"
        assert list(finished.ran) == ["size"]
        assert SECRET not in finished.stdout + finished.stderr
        assert (fresh.project / "large.txt").read_bytes() == LARGE
        assert present(fresh, "all.txt") == []
        before = cached(fresh)

        server.start()
        in_s3(fresh, Bucket(server.url, bucket.name))
        assert list(fresh.run("--pull").ran) == ["count"]
        fresh.dvc("pull", "--quiet")
    assert set(before) <= set(cached(fresh))
    assert fresh.dvc("status", "--json").stdout.strip() == "{}"
