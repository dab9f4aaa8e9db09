"""The run cache: DVC's own directories and bytes, and nothing believed that does not fit."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from resources.dvc.cache.run_cache import RunCache
from tests.file_version import read_version
from tests.unit.resources.dvc_project import DvcProject

MD5 = "d41d8cd98f00b204e9800998ecf8427e"
Entry = dict[str, Any]


def entry(command: str = "x", md5: str = MD5) -> Entry:
    return {
        "cmd": command,
        "deps": [{"path": "in", "hash": "md5", "md5": MD5, "size": 3}],
        "params": {"params.yaml": {"rate": 1e-05}},
        "outs": [{"path": "out", "hash": "md5", "md5": md5, "size": 4}],
    }


def start(found: Entry) -> Entry:
    """Return what is known of a stage before it runs."""
    return {**found, "outs": [{"path": out["path"]} for out in found["outs"]]}


def files(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def pipeline(project: DvcProject) -> None:
    """Stages with everything that goes into a key."""
    project.write("in.txt", "in\n")
    project.write("code/run.sh", "mkdir -p tree; cp in.txt tree/a; cp in.txt tree/b\n")
    project.write("params.yaml", "rate: 0.00001\nname: ünï\nlayers: [1, 2]\nunused: 1\n")
    project.write("other.json", '{"deep": {"er": null}}')
    project.write("sub/here.txt", "x")
    project.stages(
        {
            "tree": {
                "cmd": "sh code/run.sh",
                "deps": ["in.txt", "code"],
                "params": ["rate", "name", "layers", {"other.json": ["deep.er"]}],
                "outs": ["tree"],
            },
            "measure": {
                "cmd": ["echo '{\"a\": 1}' > metric.json", "echo a > plot.csv; echo 1 > z.txt"],
                "deps": ["tree"],
                "outs": ["z.txt"],
                "metrics": [{"metric.json": {"cache": False}}],
                "plots": ["plot.csv"],
            },
            "below": {"cmd": "cp here.txt t", "wdir": "sub", "deps": ["here.txt"], "outs": ["t"]},
        }
    )


@pytest.mark.process
def test_entries_have_the_names_and_bytes_that_dvc_gives_them(project: DvcProject) -> None:
    pipeline(project)
    project.reproduce()
    recorded = project.locked()
    ours = RunCache(project.root / "ours")

    for found in recorded.values():
        ours.keep(found)

    theirs = files(project.root / ".dvc" / "cache" / "runs")
    assert len(theirs) == 3
    assert files(project.root / "ours" / "runs") == theirs


@pytest.mark.process
def test_entry_that_dvc_kept_is_found_by_its_inputs(project: DvcProject) -> None:
    pipeline(project)
    project.reproduce()
    recorded = project.locked()
    runs = RunCache(project.root / ".dvc" / "cache")

    for found in recorded.values():
        assert runs.find(start(found)) == found


@pytest.fixture
def runs(tmp_path: Path) -> RunCache:
    """A run cache with one entry."""
    runs = RunCache(tmp_path)
    runs.keep(entry())
    return runs


def kept(tmp_path: Path) -> Path:
    (path,) = (path for path in (tmp_path / "runs").rglob("*") if path.is_file())
    return path


def other_command(found: Entry) -> None:
    found["cmd"] = "y"


def other_dep(found: Entry) -> None:
    found["deps"][0]["md5"] = "0" * 32


def other_param(found: Entry) -> None:
    found["params"]["params.yaml"]["rate"] = 2e-05


def one_more_out(found: Entry) -> None:
    found["outs"].append({"path": "second"})


@pytest.mark.parametrize("change", [other_command, other_dep, other_param, one_more_out])
def test_other_inputs_find_nothing(runs: RunCache, change: Any) -> None:
    assert runs.find(start(entry())) == entry()
    asked = start(entry())
    change(asked)

    assert runs.find(asked) is None


def test_sizes_are_no_part_of_the_key(runs: RunCache) -> None:
    asked = start(entry())
    del asked["deps"][0]["size"]

    assert runs.find(asked) == entry()


def test_newest_of_several_runs_is_taken(runs: RunCache, tmp_path: Path) -> None:
    os.utime(kept(tmp_path), (1, 1))
    newer = entry(md5="0" * 32)

    runs.keep(newer)

    assert runs.find(start(entry())) == newer


def test_run_that_is_kept_already_is_left_alone(runs: RunCache, tmp_path: Path) -> None:
    before = read_version(kept(tmp_path))

    runs.keep(entry())

    assert read_version(kept(tmp_path)) == before


GARBAGE = {
    "no YAML": b"{",
    "nothing": b"",
    "a list": b"- a\n",
    "a text": b"hello\n",
    "no UTF-8": b"\xff\xfe",
    "no outs": b"cmd: x\n",
    "outs of another kind": b"cmd: x\nouts: 1\n",
    "out of another kind": b"cmd: x\nouts:\n- 1\n",
    "out without a digest": b"cmd: x\nouts:\n- path: out\n",
    "digest of another kind": b"cmd: x\nouts:\n- path: out\n  md5: 1\n",
    "digest that is a path": b"cmd: x\nouts:\n- path: out\n  md5: ../../../../etc/passwd\n",
    "digest that is too short": b"cmd: x\nouts:\n- path: out\n  md5: d41d\n",
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_as_if_it_were_not_there(runs: RunCache, tmp_path: Path, garbage: bytes) -> None:
    path = kept(tmp_path)
    path.chmod(0o644)
    path.write_bytes(garbage)

    assert runs.find(start(entry())) is None


@pytest.mark.parametrize("garbage", [b"{", b"cmd: x\nouts: 1\n"])
def test_garbage_does_not_hide_an_older_run(runs: RunCache, tmp_path: Path, garbage: bytes) -> None:
    kept(tmp_path).with_name("garbage").write_bytes(garbage)

    assert runs.find(start(entry())) == entry()


def test_entry_planted_under_the_key_of_other_inputs_is_refused(
    runs: RunCache, tmp_path: Path
) -> None:
    planted = {**entry(), "cmd": "other"}
    kept(tmp_path).write_text(yaml.safe_dump(planted))

    assert runs.find(start(entry())) is None


def test_directory_in_place_of_an_entry_is_no_entry(runs: RunCache, tmp_path: Path) -> None:
    path = kept(tmp_path)
    path.unlink()
    path.mkdir()

    assert runs.find(start(entry())) is None


def test_empty_cache_finds_nothing(tmp_path: Path) -> None:
    assert RunCache(tmp_path / "missing").find(start(entry())) is None
