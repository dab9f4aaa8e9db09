"""Selections: names, patterns, what lies up- and downstream, Dagster's syntax, and nothing."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ml_assets.graph.translator import Translator
from ml_assets.runs.selection import select_stages
from resources.dvc.graph.manifest import Dep, Layout, Manifest, Out, Params, Stage
from resources.errors import ConfigurationError


def stage(name: str, outs: Sequence[str], upstream: Sequence[tuple[str, str]] = ()) -> Stage:
    return Stage(
        name=name,
        key=name,
        file="dvc.yaml",
        wdir=".",
        command="x",
        deps=tuple(Dep(place, place, (place,)) for _, place in upstream),
        outs=tuple(Out(out, out) for out in outs),
        upstream=tuple(up for up, _ in upstream),
    )


PREPARE = replace(
    stage("prepare", ["data/clean.csv", "data/extra.csv"]),
    deps=(Dep("data/raw.csv", "data/raw.csv"),),
    params=(Params("params.yaml", "params.yaml", ("clean", "seed")),),
)
MANIFEST = Manifest(
    (
        PREPARE,
        stage("train@a", ["models/a.onnx"], [("prepare", "data/clean.csv")]),
        stage("train@b", ["models/b.onnx"], [("prepare", "data/clean.csv")]),
        stage("evaluate", ["report"], [("train@a", "models/a.onnx"), ("train@b", "models/b.onnx")]),
        stage("odd [1], x", ["odd, out"]),
        stage("notify", [], [("evaluate", "report")]),
        replace(stage("sub/dvc.yaml:s1", ["sub/o"]), file="sub/dvc.yaml", wdir="sub"),
        replace(stage("sub/dvc.yaml:g@x", ["sub/deep/x"]), file="sub/dvc.yaml", wdir="sub"),
        replace(
            stage("sub/dvc.yaml:prepare", ["sub/p"]),
            params=(Params("conf.toml", "sub/conf.toml"),),
            file="sub/dvc.yaml",
        ),
    ),
    Layout("/cache"),
)
ASSETS = Translator(
    MANIFEST,
    "main",
    identify=lambda place: None,
    read_params=lambda stage: {},
    owners=lambda place: ("team:ml",) if place.startswith("models/") else (),
).describe()
ALL = {stage.name for stage in MANIFEST.stages}
#: What depends on ``prepare``, and itself.
READERS = {"prepare", "train@a", "train@b", "evaluate", "notify"}
SUB = {"sub/dvc.yaml:s1", "sub/dvc.yaml:g@x", "sub/dvc.yaml:prepare"}


def select(*selections: str, here: str = ".") -> set[str]:
    return select_stages(selections, MANIFEST, ASSETS, here)


def test_no_selection_means_everything() -> None:
    assert select() == ALL


@pytest.mark.parametrize(
    ("selection", "stages"),
    [
        ("prepare", {"prepare"}),
        ("data/clean.csv", {"prepare"}),
        ("main/models/a.onnx", {"train@a"}),
        ("notify", {"notify"}),
        ("main/notify", {"notify"}),
        ("train@a,train@b", {"train@a", "train@b"}),
        (" train@a , notify ", {"train@a", "notify"}),
        ("train@*", {"train@a", "train@b"}),
        ("models/*", {"train@a", "train@b"}),
        ("main/*", ALL),
        ("*", ALL),
        ("train@?", {"train@a", "train@b"}),
        ("train@[ab]", {"train@a", "train@b"}),
        ("+train@a", {"prepare", "train@a"}),
        ("train@a+", {"train@a", "evaluate", "notify"}),
        ("+evaluate", {"prepare", "train@a", "train@b", "evaluate"}),
        ("prepare+", READERS),
        ("+models/a.onnx", {"prepare", "train@a"}),
        ("+train@*", {"prepare", "train@a", "train@b"}),
        ("notify+", {"notify"}),
        ("+prepare", {"prepare"}),
        ("odd*", {"odd [1], x"}),
    ],
)
def test_names_and_patterns_choose_stages(selection: str, stages: set[str]) -> None:
    assert select(selection) == stages


@pytest.mark.parametrize(
    ("selection", "stages"),
    [
        ("train", {"train@a", "train@b"}),
        ("+train", {"prepare", "train@a", "train@b"}),
        ("./data/clean.csv", {"prepare"}),
        ("models", {"train@a", "train@b"}),
        ("models/", {"train@a", "train@b"}),
        ("sub/dvc.yaml", SUB),
        ("./sub/dvc.yaml", SUB),
        ("sub", SUB),
        ("sub/deep", {"sub/dvc.yaml:g@x"}),
        ("sub/dvc.yaml:g", {"sub/dvc.yaml:g@x"}),
        (".", ALL),
    ],
)
def test_groups_files_and_directories_are_selections(selection: str, stages: set[str]) -> None:
    assert select(selection) == stages


@pytest.mark.parametrize(
    ("selection", "stages"),
    [
        ("s1", {"sub/dvc.yaml:s1"}),
        ("g", {"sub/dvc.yaml:g@x"}),
        ("o", {"sub/dvc.yaml:s1"}),
        ("./deep/x", {"sub/dvc.yaml:g@x"}),
        ("dvc.yaml", SUB),
        (".", SUB),
        ("prepare", {"sub/dvc.yaml:prepare"}),  # as in DVC, before the stage of the root
        ("conf.toml+", {"sub/dvc.yaml:prepare"}),
        ("../data/clean.csv", {"prepare"}),
        ("..", ALL),
        ("train@a", {"train@a"}),
        ("models/a.onnx", {"train@a"}),
    ],
)
def test_names_are_looked_up_in_the_users_directory_first(selection: str, stages: set[str]) -> None:
    assert select(selection, here="sub") == stages


@pytest.mark.parametrize(
    ("selection", "stages"),
    [
        ("data/raw.csv+", READERS),
        ("./data/raw.csv+", READERS),
        ("data/raw*+", READERS),
        ("params.yaml+", READERS),
        ("params.yaml:seed+", READERS),
        ("params.yaml:clean.rows+", READERS),
        ("sub/conf.toml:any.key+", {"sub/dvc.yaml:prepare"}),
    ],
)
def test_input_with_a_plus_means_what_reads_it(selection: str, stages: set[str]) -> None:
    assert select(selection) == stages


def test_several_selections_add_up() -> None:
    assert select("train@a", "notify") == {"train@a", "notify"}


@pytest.mark.parametrize(
    ("selection", "hint"),
    [
        ("data/raw.csv", "data/raw.csv+"),
        ("params.yaml:seed", "params.yaml:seed+"),
        ("trein", "did you mean train"),
        ("evalute", "did you mean evaluate"),
        ("data/raw.cvs+", "did you mean data/raw.csv+"),
        ("params.yaml:seeds+", "ml-assets plan"),
    ],
)
def test_what_selects_nothing_says_what_would(selection: str, hint: str) -> None:
    with pytest.raises(ConfigurationError, match="not a selection: ") as error:
        select(selection)

    assert hint in error.value.hint
    assert "AssetKey" not in error.value.message


@pytest.mark.parametrize(
    ("selection", "stages"),
    [
        ('key:"main/models/*"', {"train@a", "train@b"}),
        ('key:"main/models/a.onnx"+', {"train@a", "evaluate", "notify"}),
        ('key:"main/models/a.onnx"+1', {"train@a", "evaluate"}),
        ('key:"main/models/a.onnx" or key:"main/report"', {"train@a", "evaluate"}),
        ('owner:"team:ml"', {"train@a", "train@b"}),
        ('roots(key:"main/report")', {"evaluate"}),
    ],
)
def test_all_else_is_read_as_dagster_reads_it(selection: str, stages: set[str]) -> None:
    assert select(selection) == stages


@pytest.mark.parametrize(
    ("selection", "stages"),
    [
        ('+key:"main/report"', {"prepare", "train@a", "train@b", "evaluate"}),
        ('1+key:"main/report"', {"train@a", "train@b", "evaluate"}),
        ('kind:"onnx" and not key:"main/models/a.onnx"', {"train@b"}),
        ('group:"main_prepare" and kind:"csv"', {"prepare"}),
        ('group:"main_train"', {"train@a", "train@b"}),
    ],
)
def test_upstream_groups_and_complements_are_those_of_dagster(
    selection: str, stages: set[str]
) -> None:
    assert select(selection) == stages


@pytest.mark.parametrize("selection", ['status:"x"', 'job:"x"', 'code_location:"x"', 'column:"x"'])
def test_selection_by_what_only_a_deployment_knows_is_refused(selection: str) -> None:
    with pytest.raises(ConfigurationError, match="not a selection: .*: attribute of a Dagster"):
        select(selection)


def test_plus_signs_in_a_row_are_not_taken_for_one() -> None:
    with pytest.raises(ConfigurationError, match="not a selection: "):
        select("++train@a")


def test_upstream_and_downstream_of_a_stage_leave_its_siblings_out() -> None:
    assert select("+train@a+") == {"prepare", "train@a", "evaluate", "notify"}


@pytest.mark.parametrize(
    "selection",
    ["nothing", "", " ", ",", "+", "++", "trains", "Train@a", "prepare,nothing", "nothing*", "main"]
    + ['key:"nothing"', 'kind:"nothing"', 'group:"x"', "key:", "((", "a &&& b", 'key:"a', "\\", "'"]
    + ['key:"main/*" and not key:"main/*"', "tag:x=", "ü", "a=b", "1", "-1", "train@a train@b"],
)
def test_selection_of_nothing_is_an_error_and_never_everything(selection: str) -> None:
    with pytest.raises(ConfigurationError, match="empty selection: |not a selection: ") as error:
        select(selection)

    assert selection.strip() in error.value.message
    assert "ml-assets plan" in error.value.hint


@pytest.mark.process
def test_name_costs_no_import_of_dagster() -> None:
    program = (
        "import sys\n"
        "from ml_assets.runs.selection import select_stages\n"
        "from ml_assets.graph.translator import Translator\n"
        "from resources.dvc.graph.manifest import Layout, Manifest, Out, Stage\n"
        "stage = Stage('a', 'a', 'dvc.yaml', '.', 'x', outs=(Out('o', 'o'),))\n"
        "manifest = Manifest((stage,), Layout('/c'))\n"
        "ignore = lambda *_: {}\n"
        "assets = Translator(manifest, 'm', identify=ignore, read_params=ignore).describe()\n"
        "assert select_stages(['+a*'], manifest, assets) == {'a'}\n"
        "print([n for n in sys.modules if n.split('.')[0] in ('dagster', 'dvc')])"
    )

    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert finished.stdout == "[]\n", finished.stderr


@pytest.mark.parametrize(
    "selection", ["params.yaml:sede+", "+params.yaml:sede", "params.yaml:sede"]
)
def test_unknown_parameter_is_named_with_similar_ones(selection: str) -> None:
    with pytest.raises(ConfigurationError, match="unknown parameter: .*params.yaml:sede") as raised:
        select_stages([selection], MANIFEST, ASSETS)
    assert "did you mean params.yaml:seed+" in raised.value.hint


def test_unknown_parameter_of_the_users_directory_is_named() -> None:
    reads_one = replace(
        MANIFEST.stages[-1], params=(Params("conf.toml", "sub/conf.toml", ("lr",)),)
    )
    manifest = replace(MANIFEST, stages=(*MANIFEST.stages[:-1], reads_one))
    with pytest.raises(ConfigurationError, match="unknown parameter: conf.toml:lrr[+]"):
        select_stages(["conf.toml:lrr+"], manifest, ASSETS, "sub")
