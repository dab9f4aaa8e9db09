"""Remotes that are servers: over HTTP with and without a password, and S3."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .http_store import serve
from .published import LARGE, build, cached, clone, present, publish, recorded
from .repository import Repository

PASSWORD = "open-sesame-4711"


@pytest.fixture(scope="module")
def origin(template: Repository, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository that is published to a directory; only ever cloned."""
    repository = template.copy(tmp_path_factory.mktemp("remotes") / "origin")
    build(repository)
    publish(repository, str(repository.outside / "store"))
    return repository


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


@pytest.fixture
def bucket() -> Iterator[str]:
    """An S3 server with a bucket; gives its address."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="tester",
        aws_secret_access_key=PASSWORD,
    )
    client.create_bucket(Bucket="data")
    yield url
    server.stop()


def in_s3(repository: Repository, url: str) -> None:
    lead(
        repository,
        url="s3://data/store",
        endpointurl=url,
        region="us-east-1",
        access_key_id="tester",
        secret_access_key=PASSWORD,
    )


def test_data_is_fetched_from_s3(
    origin: Repository, fresh: Repository, bucket: str, tmp_path: Path
) -> None:
    pusher = clone(origin, tmp_path / "pusher")
    shutil.copytree(origin.project / ".dvc" / "cache", pusher.project / ".dvc" / "cache")
    in_s3(pusher, bucket)
    pusher.dvc("push", "--quiet")
    in_s3(fresh, bucket)
    fresh.edit("dvc.yaml", "wc -c < large.txt", "wc -l < large.txt")
    assert sorted(fresh.run("--pull").ran) == ["count", "size"]
    assert os.path.getsize(fresh.project / "large.txt") == len(LARGE)


def test_object_that_s3_does_not_have_is_named(fresh: Repository, bucket: str) -> None:
    in_s3(fresh, bucket)
    finished = fresh.ml_assets("run", "--pull", "--json")
    assert finished.code == 3, finished
    message = finished.document["error"]["message"]
    assert "parts" in message and recorded(fresh, "parts") in message
    assert PASSWORD not in finished.stdout + finished.stderr
