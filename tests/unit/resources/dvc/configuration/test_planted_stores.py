"""Stores of DVC that a stage or another user can write: reading them would run code."""

import os
import pickle
from collections.abc import Callable
from hashlib import md5, sha256
from pathlib import Path

import pytest
from dvc.repo import Repo
from dvc_data.hashfile.cache import Cache

from ml_assets.project.project import Project
from resources.dvc.cache.remote import Remote, open_here
from resources.dvc.configuration.repository import Repository
from resources.dvc.graph.manifest import Stage
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process

DATA = b"1,2\n"
ID = md5(DATA, usedforsecurity=False).hexdigest()


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self._marker),)


@pytest.fixture
def project(
    empty_project: DvcProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> DvcProject:
    """A project with an import and a remote, whose data is only there."""
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    made = empty_project.copy(tmp_path / "project")
    store = tmp_path / "store" / "files" / "md5" / ID[:2]
    store.mkdir(parents=True)
    (store / ID[2:]).write_bytes(DATA)
    config = f"[core]\n    remote = r\n['remote \"r\"']\n    url = {tmp_path / 'store'}\n"
    made.write(".dvc/config", config)
    made.write("here.txt", "1\n")
    made.write(
        "in.txt.dvc",
        "deps:\n- path: here.txt\n  md5: b026324c6904b2a9cb4b88d6d61c81d1\n  hash: md5\n  size: 2\n"
        f"outs:\n- path: in.txt\n  md5: {ID}\n  hash: md5\n  size: 4\n",
    )
    made.commit()
    return made


def plant(project: DvcProject, marker: Path) -> Path:
    """Fill every store that DVC would open with a payload, as keys and as values."""
    with Repo(os.fspath(project.root)) as repo:
        site = Path(repo.site_cache_dir)
        name = sha256(repo.cloud.get_remote_odb().path.encode()).hexdigest()
    payload = pickle.dumps(Payload(marker), protocol=4)
    for below in ("links", "hashes/local", f"index/{name}", "index/data"):
        (site / below).mkdir(parents=True, exist_ok=True)
        with Cache(str(site / below)) as cache:
            for path in ("in.txt", str(project.root / "in.txt"), ID):
                cache[path] = "value"
            cache._sql("UPDATE Cache SET mode = 4, value = ?", (payload,))
            cache._sql(
                "INSERT INTO Cache(key, raw, store_time, access_time, mode, value)"
                " VALUES (?, 0, 0, 0, 4, ?)",
                (payload, payload),
            )
    return site


def find_unused_links(project: DvcProject) -> None:
    with Repo(os.fspath(project.root)) as repo:
        repo.state.get_unused_links([], repo.fs)


def test_dvc_itself_runs_a_planted_payload(project: DvcProject, tmp_path: Path) -> None:
    plant(project, tmp_path / "marker")
    with pytest.raises(TypeError):  # the payload is no path
        find_unused_links(project)
    assert (tmp_path / "marker").exists()


def read_the_graph(at: Project, stage: Stage) -> None:
    assert at.load_manifest().stages


def open_the_repository(at: Project, stage: Stage) -> None:
    with Repository(at.root, at.remotes) as repo:
        repo.state.get_unused_links([], repo.fs)
        assert list(repo.index.stages)


def check_an_import(at: Project, stage: Stage) -> None:
    assert at.open_checkout(pull=False).fallback.find_reasons(stage)


def fetch_an_import(at: Project, stage: Stage) -> None:
    at.open_checkout(pull=False).fallback.fetch(stage)
    assert (at.root / "in.txt").read_bytes() == DATA


def fetch_an_object(at: Project, stage: Stage) -> None:
    checkout = at.open_checkout(pull=False)
    Remote(checkout.cache, open_here(at.root, at.remotes)(None)).fetch([ID])
    assert checkout.cache.holds(ID)


@pytest.mark.parametrize(
    "use",
    [read_the_graph, open_the_repository, check_an_import, fetch_an_import, fetch_an_object],
)
def test_planted_payload_is_not_run(
    project: DvcProject, tmp_path: Path, use: Callable[[Project, Stage], None]
) -> None:
    at = Project(project.root)
    (stage,) = at.load_manifest().stages
    site = plant(project, tmp_path / "marker")
    before = sorted(site.rglob("*"))
    for file in (project.root / ".ml-assets" / "state" / "manifest").glob("*"):
        file.unlink()
    use(at, stage)
    assert not (tmp_path / "marker").exists()
    assert sorted(site.rglob("*")) == before


def test_no_directory_of_dvc_is_left_for_others(project: DvcProject) -> None:
    with Repository(project.root, None) as first, Repository(project.root, None) as second:
        assert first.site_cache_dir != second.site_cache_dir
        assert not os.path.exists(first.site_cache_dir)
        first.fetch()
        assert not os.path.exists(first.site_cache_dir)


def test_unchanged_file_of_an_import_is_read_once(project: DvcProject) -> None:
    checkout = Project(project.root).open_checkout(pull=False)
    (stage,) = checkout.manifest.stages
    checkout.fallback.fetch(stage)
    with Repository(project.root, None, store=checkout.store) as repo:
        (out,) = repo.index.outs
        assert out.status() == {}
    assert checkout.store.recall(str(project.root / "in.txt")) is not None
