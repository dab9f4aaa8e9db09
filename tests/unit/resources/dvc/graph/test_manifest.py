"""The manifest: as JSON and back, refused when it is anything else, and its small rules."""

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from resources.dvc.graph.manifest import (
    SCHEMA,
    Artifact,
    Dep,
    Layout,
    Manifest,
    Out,
    Params,
    Plot,
    Stage,
)

TRAIN = Stage(
    name="sub/dvc.yaml:train@a b",
    key="train@a b",
    file="sub/dvc.yaml",
    wdir="sub",
    command=["python train.py", "echo ünï"],
    deps=(Dep("in", "sub/in", ("sub/in", "sub")), Dep("s3://b/x", "s3://b/x")),
    params=(Params("params.yaml", "sub/params.yaml", ("a", "b.c")), Params("p.json", "p.json")),
    outs=(
        Out("model", "sub/model", labels=("x", "y")),
        Out("m.json", "sub/m.json", role="metric", cache=False, persist=True, desc="d", type="t"),
        Out("p.csv", "sub/p.csv", role="plot", plot={"x": "a", "y": ["b", "c"]}),
    ),
    upstream=("prepare",),
    frozen=True,
    always_changed=True,
    desc="trains",
    fallback="an import",
)
SOURCE = Stage(
    name="in.dvc",
    key="",
    file="in.dvc",
    wdir=".",
    command=None,
    outs=(Out("in", "in", recorded={"hash": "md5", "md5": "0" * 32, "size": 1}),),
)
MANIFEST = Manifest(
    stages=(SOURCE, TRAIN),
    layout=Layout("/cache", ("hardlink",), shared=True, scm=False, autostage=True, remote=True),
    artifacts=(Artifact("m", "sub/model", "model", "d", ("l",)),),
    plots=(Plot("p", ("sub/p.csv",), {"y": {"sub/p.csv": ["b"]}}),),
    metrics=("sub/m.json",),
    sources=("params.yaml", "/etc/dvc/config"),
    pruned=("sub/model",),
)


def test_manifest_survives_json() -> None:
    again = Manifest.from_json(MANIFEST.to_json())

    assert again == MANIFEST
    assert again.to_json() == MANIFEST.to_json()
    assert Manifest.from_json(MANIFEST.to_json().encode()) == MANIFEST


def test_smallest_manifest_survives_json() -> None:
    smallest = Manifest(stages=(), layout=Layout("/cache"))

    assert Manifest.from_json(smallest.to_json()) == smallest


def changed(**changes: Any) -> str:
    return json.dumps({**json.loads(MANIFEST.to_json()), **changes})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"text"',
        "{}",
        changed(schema=SCHEMA - 1),
        changed(schema=SCHEMA + 1),
        changed(schema=None),
        changed(schema=str(SCHEMA)),
        changed(unknown=1),
        changed(layout={"elsewhere": 1}),
        changed(stages=[{"name": "x"}]),
        changed(stages=[{**json.loads(changed())["stages"][0], "unknown": 1}]),
        json.dumps({"schema": SCHEMA, "stages": []}),
        MANIFEST.to_json()[:-1],
    ],
)
def test_what_is_no_manifest_of_this_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Manifest.from_json(text)


@pytest.mark.process
def test_manifest_is_read_without_dvc() -> None:
    program = (
        "import sys; from resources.dvc.graph.manifest import Manifest\n"
        "assert len(Manifest.from_json(sys.stdin.read()).stages) == 2\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'dvc']\n"
    )

    subprocess.run([sys.executable, "-c", program], input=MANIFEST.to_json(), text=True, check=True)


def test_stages_are_found_by_name_and_by_what_they_write() -> None:
    assert MANIFEST.by_name == {"in.dvc": SOURCE, "sub/dvc.yaml:train@a b": TRAIN}
    assert {place: stage.name for place, stage in MANIFEST.producer.items()} == {
        "in": SOURCE.name,
        "sub/model": TRAIN.name,
        "sub/m.json": TRAIN.name,
        "sub/p.csv": TRAIN.name,
    }


@pytest.mark.parametrize(
    ("command", "commands"),
    [
        ("one", ["one"]),
        ("one\ntwo\n", ["one", "two"]),
        (["one\ntwo", "three"], ["one\ntwo", "three"]),
        (None, []),
    ],
)
def test_command_is_split_as_dvc_splits_it(
    command: str | list[str] | None, commands: list[str]
) -> None:
    assert replace(TRAIN, command=command).commands == commands


def test_stage_with_neither_inputs_nor_outs_is_a_callback() -> None:
    callback = replace(TRAIN, deps=(), params=(), outs=())

    assert callback.is_callback
    assert not replace(callback, params=(Params("p", "p"),)).is_callback
    assert not replace(callback, command=None).is_callback
    assert SOURCE.is_source and not TRAIN.is_source


def test_lock_lies_beside_the_file_that_defines_the_stage() -> None:
    assert TRAIN.lock_path == "sub/dvc.lock"
