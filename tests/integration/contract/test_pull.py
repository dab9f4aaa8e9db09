"""Data that is not here: what is fresh is so without it, and only what is read is fetched."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from .published import LARGE, cached, clone, present, publish, recorded, stored
from .repository import Finished, Repository
from .running import Running

DATA = ("raw.csv", "large.txt", "parts", "gathered/part", "size.txt", "all.txt")


@pytest.fixture
def fresh(origin: Repository, tmp_path: Path) -> Repository:
    """A fresh clone with a copy of the remote of its own."""
    repository = clone(origin, tmp_path / "clone")
    store = repository.outside / "store"
    shutil.copytree(origin.outside / "store", store)
    repository.dvc("remote", "modify", "--local", "store", "url", str(store))
    return repository


def store_of(repository: Repository) -> Path:
    return repository.outside / "store"


def actions(finished: Finished) -> dict[str, str]:
    return {one["stage"]: one["action"] for one in finished.document["assets"]}


def changed(repository: Repository) -> str:
    return repository.dvc("status", "--json").stdout.strip()


def test_nothing_is_fetched_where_all_is_fresh(fresh: Repository) -> None:
    lock = (fresh.project / "dvc.lock").read_bytes()
    plan = fresh.ml_assets("plan", "--pull", "--json")
    assert set(actions(plan).values()) == {"skip"}, plan
    ran = fresh.run("--pull")
    assert set(actions(ran).values()) == {"skip"}
    assert ran.ran == {}
    assert present(fresh, *DATA) == []
    assert (fresh.project / "dvc.lock").read_bytes() == lock
    assert fresh.git("status", "--porcelain") == ""
    # Only which files directories hold that stages read a part of.
    assert [md5 for md5 in cached(fresh) if not md5.endswith(".dir")] == []


def test_digest_of_what_is_not_here_is_none(fresh: Repository) -> None:
    digests = {one["key"]: one["digest"] for one in fresh.run("--pull").document["assets"]}
    assert digests["main/parts"] == {"sha256": None, "md5": recorded(fresh, "parts")}
    assert len(digests["main/count"]["sha256"]) == 64


def test_without_the_option_data_that_is_not_here_is_missing(fresh: Repository) -> None:
    plan = actions(fresh.ml_assets("plan", "--json"))
    assert plan["raw.csv.dvc"] == "restore"
    assert plan["split"] == "run"


def test_setting_does_what_the_option_does(fresh: Repository) -> None:
    fresh.write("ml-assets.toml", "pull = true\n")
    assert set(actions(fresh.ml_assets("plan", "--json")).values()) == {"skip"}


def test_only_what_a_stage_reads_is_fetched(fresh: Repository) -> None:
    fresh.write("count.txt", "rows\nand another\n")
    ran = fresh.run("--pull")
    assert actions(ran)["count"] == "run"
    assert list(ran.ran) == ["count"]
    assert present(fresh, *DATA) == ["all.txt"]
    assert (fresh.project / "count").read_text().strip() == "5"


def test_dvc_finds_nothing_changed_of_what_was_supplied(fresh: Repository) -> None:
    fresh.write("count.txt", "rows\nand another\n")
    fresh.run("--pull")
    assert "all.txt" not in changed(fresh) and "count" not in changed(fresh)
    fresh.dvc("pull", "--quiet")
    assert changed(fresh) == "{}"
    assert (fresh.project / "large.txt").read_bytes() == LARGE


def test_directory_is_supplied_for_what_lies_inside(fresh: Repository) -> None:
    fresh.edit("dvc.yaml", "cat parts/deep/two", "tail -n 1 parts/deep/two")
    ran = fresh.run("--pull")
    assert list(ran.ran) == ["part", "all", "count"]
    assert present(fresh, *DATA) == ["parts", "gathered/part", "all.txt"]
    assert (fresh.project / "parts" / "one").read_text() == "1,2\n3,4\n"
    assert "parts" not in changed(fresh)


def test_outs_inside_of_a_directory_that_is_read_are_supplied(fresh: Repository) -> None:
    fresh.write("gathered/note.txt", "tracked by Git, and changed\n")
    ran = fresh.run("--pull")
    assert list(ran.ran) == ["all", "count"]
    assert present(fresh, *DATA) == ["gathered/part", "all.txt"]
    assert (fresh.project / "all.txt").read_text().startswith("tracked by Git, and changed\n")


def test_large_file_is_linked_and_read_only(fresh: Repository) -> None:
    fresh.edit("dvc.yaml", "wc -c < large.txt", "wc -l < large.txt")
    fresh.run("--pull")
    status = os.stat(fresh.project / "large.txt")
    assert (fresh.project / "large.txt").read_bytes() == LARGE
    assert status.st_nlink == 1 or status.st_mode & 0o222 == 0
    assert "large.txt" not in changed(fresh)


def test_persisted_out_is_a_copy_that_its_stage_goes_on_from(
    repository: Repository, tmp_path: Path
) -> None:
    repository.write("line", "one\n")
    repository.write("more.txt", LARGE)
    repository.stages(
        {
            "append": {
                "cmd": "cat line more.txt >> log.txt",
                "deps": ["line", "more.txt"],
                "outs": [{"log.txt": {"persist": True}}],
            }
        }
    )
    repository.repro()
    publish(repository, str(repository.outside / "store"))
    first = (repository.project / "log.txt").read_bytes()
    fresh = clone(repository, tmp_path / "clone")
    fresh.write("line", "two\n")
    fresh.run("--pull")
    assert (fresh.project / "log.txt").read_bytes() == first + b"two\n" + LARGE
    md5 = hashlib.md5(first, usedforsecurity=False).hexdigest()
    kept = fresh.project / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    assert kept.read_bytes() == first


def test_import_stays_fresh_without_its_data(repository: Repository, tmp_path: Path) -> None:
    (repository.outside / "source.txt").write_text("imported\n")
    repository.dvc("import-url", "--quiet", str(repository.outside / "source.txt"), "imported.txt")
    repository.write("code", "1\n")
    repository.stages(
        {
            "use": {
                "cmd": "cat imported.txt code > used",
                "deps": ["imported.txt", "code"],
                "outs": ["used"],
            }
        }
    )
    repository.repro()
    publish(repository, str(repository.outside / "store"))
    fresh = clone(repository, tmp_path / "clone")
    assert set(actions(fresh.run("--pull")).values()) == {"skip"}
    assert present(fresh, "imported.txt", "used") == []
    (repository.outside / "source.txt").write_text("changed meanwhile\n")
    fresh.write("code", "2\n")
    ran = fresh.run("--pull")
    assert actions(ran) == {"imported.txt.dvc": "skip", "use": "run"}
    assert (fresh.project / "used").read_text() == "imported\n2\n"


def test_stages_that_dvc_runs_itself_stay_fresh_without_their_data(fresh: Repository) -> None:
    """A linked cache leaves judging and running to DVC."""
    fresh.dvc("config", "cache.type", "hardlink")
    assert set(actions(fresh.run("--pull")).values()) == {"skip"}
    assert present(fresh, *DATA) == []
    fresh.write("count.txt", "changed\n")
    ran = fresh.run("--pull")
    assert list(ran.ran) == ["count"]
    assert present(fresh, *DATA) == ["all.txt"]


def test_out_that_differs_is_seen_where_what_its_stage_reads_is_absent(fresh: Repository) -> None:
    fresh.dvc("config", "cache.type", "hardlink")
    fresh.write("size.txt", "edited by hand\n")
    plan = actions(fresh.ml_assets("plan", "--pull", "--json"))
    assert plan["size"] != "skip"


def test_provenance_names_the_bytes_that_were_supplied(fresh: Repository) -> None:
    fresh.write("count.txt", "changed\n")
    fresh.run("--pull")
    # It fails: nobody has stated here what made the file that was supplied.
    traced = fresh.ml_assets("trace", "count", "--json")
    assert traced.code == 1, traced
    digests = {node["name"]: node["digest"] for node in traced.document["nodes"]}
    supplied = hashlib.sha256((fresh.project / "all.txt").read_bytes()).hexdigest()
    assert supplied in str(digests["all.txt"])
    assert all("''" not in str(digest) for digest in digests.values())


def test_corrupted_object_of_the_remote_never_reaches_the_working_tree(fresh: Repository) -> None:
    md5 = recorded(fresh, "all.txt")
    there = stored(store_of(fresh), md5)
    right = there.read_bytes()
    there.chmod(0o644)
    there.write_bytes(right.replace(b"1", b"7"))
    fresh.write("count.txt", "changed\n")
    finished = fresh.ml_assets("run", "--pull", "--json")
    assert finished.code == 1, finished
    assert "corrupted objects in the remote" in finished.document["error"]["message"]
    assert present(fresh, "all.txt") == []
    assert md5 not in cached(fresh)
    there.write_bytes(right)
    assert list(fresh.run("--pull").ran) == ["count"]


def test_protected_corrupted_object_of_the_remote_is_found_too(fresh: Repository) -> None:
    """DVC trusts what is read-only in a remote that is a directory."""
    there = stored(store_of(fresh), recorded(fresh, "all.txt"))
    content = there.read_bytes()
    there.chmod(0o644)
    there.write_bytes(content + b"more\n")
    there.chmod(0o444)
    fresh.write("count.txt", "changed\n")
    assert fresh.ml_assets("run", "--pull", "--json").code == 1
    assert present(fresh, "all.txt") == []


@pytest.mark.parametrize("name", ["../stolen", "/tmp/stolen", "a/../../stolen", ".git/config", ""])
def test_listing_that_leads_elsewhere_is_refused(fresh: Repository, name: str) -> None:
    file = hashlib.md5(b"evil\n", usedforsecurity=False).hexdigest()
    listing = json.dumps([{"md5": file, "relpath": name}]).encode()
    md5 = hashlib.md5(listing, usedforsecurity=False).hexdigest() + ".dir"
    for digest, content in ((file, b"evil\n"), (md5, listing)):
        target = stored(store_of(fresh), digest)
        target.parent.mkdir(exist_ok=True, parents=True)
        target.write_bytes(content)
    fresh.edit("dvc.lock", recorded(fresh, "parts"), md5)
    fresh.edit("dvc.yaml", "cat parts/deep/two", "tail -n 1 parts/deep/two")
    before = sorted(path for path in fresh.home.rglob("*stolen*"))
    finished = fresh.ml_assets("run", "--pull", "--json", "--keep-going")
    assert finished.code != 0, finished
    assert sorted(path for path in fresh.home.rglob("*stolen*")) == before
    assert "evil" not in (fresh.root / ".git" / "config").read_text()
    assert md5 not in cached(fresh)


def test_remote_that_lacks_a_file_of_a_directory_is_not_believed(fresh: Repository) -> None:
    stored(store_of(fresh), recorded(fresh, "raw.csv")).unlink()  # the parts are copies of it
    fresh.edit("dvc.yaml", "cat parts/deep/two", "tail -n 1 parts/deep/two")
    fresh.edit("dvc.yaml", "wc -c < large.txt", "wc -l < large.txt")
    finished = fresh.ml_assets("run", "--pull", "--json", "--keep-going")
    assert finished.code == 3, finished
    error = finished.document["error"]
    assert error["kind"] == "unavailable"
    assert "deep/two" in error["message"] or "one" in error["message"]
    status = {one["stage"]: one["status"] for one in finished.document["assets"]}
    assert status["part"] == "error"
    assert status["all"] == status["count"] == "not run"
    assert status["size"] == "passed"
    assert present(fresh, "parts") == []


def test_no_remote_says_how_to_add_one(fresh: Repository) -> None:
    fresh.dvc("config", "--unset", "core.remote")
    fresh.write("count.txt", "changed\n")
    finished = fresh.ml_assets("run", "--pull", "--json")
    assert finished.code == 1, finished
    assert finished.document["error"]["kind"] == "missing-input"
    assert "dvc remote add -d" in finished.document["error"]["hint"]


def test_what_the_cache_holds_is_taken_without_the_remote(fresh: Repository) -> None:
    fresh.dvc("fetch", "--quiet")
    shutil.rmtree(store_of(fresh))
    fresh.write("count.txt", "changed\n")
    assert list(fresh.run("--pull").ran) == ["count"]


def test_two_runs_at_once_fetch_what_they_need(fresh: Repository) -> None:
    fresh.write("count.txt", "changed\n")
    fresh.edit("dvc.yaml", "cat parts/deep/two", "tail -n 1 parts/deep/two")
    first = Running(fresh, "run", "--pull", "--json")
    other = fresh.ml_assets_script("run", "--pull", "--json")
    ended = first.finish()
    assert (ended.code, other.code) == (0, 0), (ended, other)
    fresh.dvc("pull", "--quiet")
    assert changed(fresh) == "{}"


def test_killed_placement_leaves_nothing_that_counts(fresh: Repository) -> None:
    """What is placed appears as a whole: nobody takes half of a directory for a change."""
    aside = fresh.project / ".dvc" / "tmp" / "ml-assets" / "1-killed" / "made"
    aside.mkdir(parents=True)
    (aside / "one").write_text("half\n")
    assert set(actions(fresh.run("--pull")).values()) == {"skip"}
    assert fresh.git("status", "--porcelain") == ""


def test_model_that_is_fresh_is_supplied_for_its_gate(
    repository: Repository, tmp_path: Path
) -> None:
    repository.write("weights.txt", "[1, 2]")
    repository.stages(
        {
            "train": {
                "cmd": "cp weights.txt model.json",
                "deps": ["weights.txt"],
                "outs": [{"model.json": {"type": "model"}}],
            }
        }
    )
    repository.repro()
    publish(repository, str(repository.outside / "store"))
    fresh = clone(repository, tmp_path / "clone")
    ran = fresh.run("--pull")
    assert actions(ran) == {"train": "skip"}
    assert [one["verdict"] for one in ran.document["gates"] if one["subject"] == "model.json"]
    assert present(fresh, "model.json") == ["model.json"]


def test_model_that_cannot_be_supplied_is_not_judged_and_does_not_pass(
    repository: Repository, tmp_path: Path
) -> None:
    repository.write("weights.txt", "[1, 2]")
    repository.stages(
        {
            "train": {
                "cmd": "cp weights.txt model.json",
                "deps": ["weights.txt"],
                "outs": [{"model.json": {"type": "model"}}],
            }
        }
    )
    repository.repro()
    publish(repository, str(repository.outside / "store"))
    fresh = clone(repository, tmp_path / "clone")
    shutil.rmtree(repository.outside / "store")
    finished = fresh.ml_assets("run", "--pull", "--json")
    assert finished.code == 3, finished
    verdicts = {one["verdict"] for one in finished.document["gates"]}
    assert verdicts == {"error"}
