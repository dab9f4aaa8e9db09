"""The translator: keys, groups, kinds, owners, lineage, and what the code version covers."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from ml_assets.graph.translator import Asset, Translator, asset_key
from resources.dvc.graph.manifest import Artifact, Dep, Layout, Manifest, Out, Params, Plot, Stage

RAW = Stage(
    "raw.csv.dvc", "", "raw.csv.dvc", ".", None, outs=(Out("raw.csv", "raw.csv", recorded={}),)
)
PREPARE = Stage(
    name="prepare",
    key="prepare",
    file="dvc.yaml",
    wdir=".",
    command="python prepare.py",
    deps=(Dep("raw.csv", "raw.csv", ("raw.csv",)), Dep("prepare.py", "prepare.py")),
    params=(Params("params.yaml", "params.yaml", ("rate",)),),
    outs=(Out("clean", "clean"),),
    upstream=("raw.csv.dvc",),
)
TRAIN = Stage(
    name="sub/dvc.yaml:train@a",
    key="train@a",
    file="sub/dvc.yaml",
    wdir="sub",
    command=["python train.py", "echo done"],
    deps=(Dep("../clean", "clean", ("clean",)),),
    outs=(
        Out("model.onnx", "sub/model.onnx", labels=("l",)),
        Out("m.json", "sub/m.json", role="metric", cache=False),
        Out("p.csv", "sub/p.csv", role="plot"),
    ),
    upstream=("prepare",),
)
NOTIFY = Stage(
    "notify", "notify", "dvc.yaml", ".", "echo", deps=(Dep("m", "sub/m.json", ("sub/m.json",)),)
)
ARTIFACT = Artifact("flights", "sub/model.onnx", "model", "predicts", ("x", "y"))
MANIFEST = Manifest((RAW, PREPARE, TRAIN, NOTIFY), Layout("/cache"), artifacts=(ARTIFACT,))


def describe(
    manifest: Manifest = MANIFEST,
    branch: str = "main",
    identities: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Asset]:
    """Describe assets by their names without the branch."""
    translator = Translator(
        manifest,
        branch,
        identify={"prepare.py": "1", "raw.csv": "2", **(identities or {})}.get,
        read_params=lambda stage: {p.path: dict(params or {"rate": 1}) for p in stage.params},
        **more,
    )
    return {asset.name.removeprefix(f"{branch}/"): asset for asset in translator.describe()}


def with_out(out: Out) -> Manifest:
    return replace(MANIFEST, stages=(replace(PREPARE, outs=(out,)),), artifacts=())


def test_each_out_is_an_asset_in_the_order_of_the_stages() -> None:
    assert list(describe()) == ["raw.csv", "clean", "sub/model.onnx", "sub/m.json", "sub/p.csv"] + [
        "notify"
    ]


@pytest.mark.parametrize(
    ("branch", "location", "key"),
    [
        ("main", "a/b.csv", ("main", "a", "b.csv")),
        ("feature/x", "a", ("feature", "x", "a")),
        ("main", "with space/ü, \"q'", ("main", "with space", "ü, \"q'")),
        ("main", "/abs/x", ("main", "/", "abs", "x")),
        ("main", "s3://bucket/x", ("main", "s3:", "bucket", "x")),
    ],
)
def test_key_is_the_branch_and_the_path(branch: str, location: str, key: tuple[str, ...]) -> None:
    assert asset_key(branch, location) == key


def test_two_branches_share_no_key_and_no_group() -> None:
    one, other = describe(branch="main"), describe(branch="develop")

    assert not {a.key for a in one.values()} & {a.key for a in other.values()}
    assert not {a.group for a in one.values()} & {a.group for a in other.values()}


@pytest.mark.parametrize("branch", ["main", "feature/x-1", "größe", "a.b"])
def test_groups_are_names_that_dagster_accepts(branch: str) -> None:
    for asset in describe(branch=branch).values():
        assert asset.group.replace("_", "a").isalnum() and asset.group.isascii()


def test_groups_are_the_stages_so_that_collapsed_they_are_the_graph_of_dvc() -> None:
    assert {name: asset.group for name, asset in describe().items()} == {
        "raw.csv": "main_sources",
        "clean": "main_prepare",
        "sub/model.onnx": "main_sub_train",
        "sub/m.json": "main_sub_train",
        "sub/p.csv": "main_sub_train",
        "notify": "main_notify",
    }


def test_what_a_plot_of_the_project_is_drawn_from_is_a_plot() -> None:
    manifest = replace(with_out(Out("clean", "clean")), plots=(Plot("roc", ("clean/roc.csv",)),))
    (asset,) = describe(manifest).values()
    assert asset.kinds == {"dvc", "plot"}

    beside = replace(manifest, plots=(Plot("roc", ("cleaner.csv",)),))
    (asset,) = describe(beside).values()
    assert asset.kinds == {"dvc"}


@pytest.mark.parametrize(
    ("out", "kinds"),
    [
        (Out("clean", "clean"), {"dvc"}),
        (Out("clean.CSV", "clean.CSV"), {"dvc", "csv"}),
        (Out("m.json", "m.json", role="metric"), {"dvc", "metric", "json"}),
        (Out("m.onnx", "m.onnx", role="metric", type="model"), {"dvc", "model", "onnx"}),
        (Out("d.parquet", "d.parquet", type="dataset"), {"dvc", "dataset", "parquet"}),
    ],
)
def test_kinds_are_at_most_three(out: Out, kinds: set[str]) -> None:
    (asset,) = describe(with_out(out)).values()

    assert asset.kinds == kinds


@pytest.mark.parametrize("kind", ["time series", "modèle", "x" * 64])
def test_type_that_dagster_will_not_take_as_a_kind_does_no_harm(kind: str) -> None:
    import dagster as dg

    (asset,) = describe(with_out(Out("clean", "clean", type=kind))).values()

    @dg.multi_asset(outs={"out": dg.AssetOut(key=list(asset.key), kinds=set(asset.kinds))})
    def clean() -> None: ...

    assert clean.keys == {dg.AssetKey(asset.key)}


def test_lineage_comes_from_what_stages_write_and_not_from_code() -> None:
    assets = describe()

    assert assets["clean"].deps == (("main", "raw.csv"),)
    assert assets["sub/model.onnx"].deps == assets["sub/m.json"].deps == (("main", "clean"),)
    assert assets["notify"].deps == (("main", "sub", "m.json"),)
    assert assets["raw.csv"].deps == ()


def test_dependency_on_a_directory_of_outs_is_one_on_each_of_them_once() -> None:
    both = (Dep("sub", "sub", ("sub/m.json", "sub/p.csv")), Dep("m", "sub/m.json", ("sub/m.json",)))
    manifest = replace(MANIFEST, stages=(TRAIN, replace(NOTIFY, deps=both)))

    assert describe(manifest)["notify"].deps == (
        ("main", "sub", "m.json"),
        ("main", "sub", "p.csv"),
    )


def test_stage_without_outs_is_an_asset_beside_its_file() -> None:
    asset = describe()["notify"]

    assert (asset.location, asset.stage) == (None, "notify")
    below = replace(NOTIFY, name="sub/dvc.yaml:notify", file="sub/dvc.yaml")
    assert "sub/notify" in describe(replace(MANIFEST, stages=(below,)))


def test_stage_without_outs_never_takes_the_key_of_an_out() -> None:
    taken = replace(PREPARE, outs=(Out("notify", "notify"),))

    assets = describe(replace(MANIFEST, stages=(RAW, taken, NOTIFY)))

    assert {name: asset.stage for name, asset in assets.items()} == {
        "raw.csv": "raw.csv.dvc",
        "notify": "prepare",
        "notify.stage": "notify",
    }
    both = replace(PREPARE, outs=(Out("notify", "notify"), Out("notify.stage", "notify.stage")))
    assert "notify.stage.stage" in describe(replace(MANIFEST, stages=(RAW, both, NOTIFY)))


def version(**changes: Any) -> str:
    return describe(**changes)["clean"].code_version


def test_code_version_changes_with_command_parameters_and_code() -> None:
    other_command = replace(MANIFEST, stages=(RAW, replace(PREPARE, command="python x.py")))
    versions = {
        version(),
        version(manifest=other_command),
        version(params={"rate": 2}),
        version(params={"rate": "1"}),
        version(params={"rate": 1, "more": 1}),
        version(identities={"prepare.py": "other"}),
        version(identities={"prepare.py": None}),
    }

    assert len(versions) == 7


def test_code_version_does_not_change_with_data_descriptions_or_the_branch() -> None:
    described = replace(PREPARE, desc="other")

    assert version() == version(identities={"raw.csv": "other"})
    assert version() == version(manifest=replace(MANIFEST, stages=(RAW, described)))
    assert version() == describe(branch="develop")["clean"].code_version


def test_command_as_a_list_is_another_than_as_a_text() -> None:
    as_list = replace(MANIFEST, stages=(RAW, replace(PREPARE, command=["python prepare.py"])))

    assert version() != version(manifest=as_list)


def test_all_outs_of_a_stage_have_one_code_version() -> None:
    assets = describe()

    assert len({assets[name].code_version for name in ("sub/model.onnx", "sub/m.json")}) == 1


def test_parameter_that_json_has_no_word_for_is_covered_too() -> None:
    assert version(params={"day": date(2020, 1, 1)}) != version(params={"day": date(2020, 1, 2)})


def test_parameter_table_with_keys_of_several_kinds_is_covered() -> None:
    assert version(params={"table": {1: "a", "b": "c"}}) != version(params={"table": {1: "x"}})


def test_owners_are_asked_by_location_and_for_stages_without_outs_by_name() -> None:
    assets = describe(owners=lambda place: (f"team:{place}",))

    assert assets["sub/model.onnx"].owners == ("team:sub/model.onnx",)
    assert assets["notify"].owners == ("team:notify",)


def test_description_is_the_nearest_one_that_somebody_wrote() -> None:
    out = Out("clean", "clean", desc="of the out")
    stage = replace(PREPARE, desc="of the stage", outs=(out,))
    artifact = Artifact("a", "clean", desc="of the artifact")

    def described(stage: Stage, *artifacts: Artifact) -> str:
        manifest = replace(MANIFEST, stages=(stage,), artifacts=artifacts)
        return describe(manifest)["clean"].description

    assert described(stage, artifact) == "of the artifact"
    assert described(stage) == "of the out"
    assert described(replace(stage, outs=(Out("clean", "clean"),))) == "of the stage"
    assert described(PREPARE) == "`clean`, written by stage `prepare`."


def test_metadata_says_where_an_asset_comes_from() -> None:
    assets = describe(source_url="https://host.invalid/x")

    assert assets["sub/model.onnx"].metadata == {
        "dvc/stage": "sub/dvc.yaml:train@a",
        "dvc/file": "sub/dvc.yaml",
        "dvc/command": "python train.py\necho done",
        "dvc/path": "sub/model.onnx",
        "dvc/artifact": "flights",
        "dvc/labels": "l, x, y",
        "source": "https://host.invalid/x",
    }
    assert "dvc/command" not in assets["raw.csv"].metadata
    assert "source" not in describe()["clean"].metadata
    frozen = replace(MANIFEST, stages=(RAW, replace(PREPARE, frozen=True)))
    assert describe(frozen)["clean"].metadata["dvc/frozen"] is True


@pytest.mark.process
def test_neither_dagster_nor_dvc_is_needed() -> None:
    program = (
        "import sys, ml_assets.graph.translator\n"
        "print([n for n in sys.modules if n.split('.')[0] in ('dagster', 'dvc')])"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert finished.stdout == "[]\n"
