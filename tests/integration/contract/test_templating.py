"""Templating: vars, foreach, matrix, interpolation in every field; each against `dvc repro`."""

import pytest

from .comparison import Feature, Pair, assert_equals_dvc_repro
from .repository import Repository


def foreach(repository: Repository) -> None:
    """Stages made from a list, a dict, a list of dicts, and a list from params.yaml."""
    repository.write("params.yaml", "models: [small, large]\nalpha: {one: 1, two: 2}\n")
    repository.write("input.txt", "1\n")
    repository.stages(
        {
            "from_list": {
                "foreach": ["a", "b", 3, True, 1.5],
                "do": {
                    "cmd": "cat input.txt > ${item}.txt",
                    "deps": ["input.txt"],
                    "outs": ["${item}.txt"],
                },
            },
            "from_dict": {
                "foreach": {"us": {"epochs": 3, "rate": 1e-5}, "gb": {"epochs": 10, "rate": 0.1}},
                "do": {
                    "cmd": "echo ${key} ${item.epochs} ${item.rate} > dict_${key}.txt",
                    "outs": ["dict_${key}.txt"],
                },
            },
            "from_dicts": {
                "foreach": [{"name": "x", "n": 1}, {"name": "y", "n": 2}],
                "do": {"cmd": "echo ${item.n} > ${item.name}.out", "outs": ["${item.name}.out"]},
            },
            "from_params": {
                "foreach": "${models}",
                "do": {
                    "cmd": "cp a.txt ${item}.model",
                    "deps": ["a.txt"],
                    "params": ["alpha.one"],
                    "outs": ["${item}.model"],
                },
            },
            "from_params_dict": {
                "foreach": "${alpha}",
                "do": {"cmd": "echo ${key}=${item} > ${key}.alpha", "outs": ["${key}.alpha"]},
            },
            "after": {
                "cmd": "cat small.model large.model > all.txt",
                "deps": ["small.model", "large.model"],
                "outs": ["all.txt"],
            },
        }
    )


def add_model(repository: Repository) -> None:
    """Add an item to the list in params.yaml, sorted before the others."""
    repository.edit("params.yaml", "[small, large]", "[base, small, large]")


def remove_model(repository: Repository) -> None:
    """Remove an item: its entry stays in the lock."""
    repository.edit("params.yaml", "base, ", "")


def change_dict_item(repository: Repository) -> None:
    """Change one value of one item."""
    repository.edit("dvc.yaml", "epochs: 10", "epochs: 11")


def matrix(repository: Repository) -> None:
    """Stages made from a matrix, with lists of dicts and lists from params.yaml."""
    repository.write("params.yaml", "seeds: [1, 2]\n")
    repository.stages(
        {
            "train": {
                "matrix": {
                    "model": ["cnn", "xgb"],
                    "feature": ["f1", "f2"],
                    "seed": "${seeds}",
                },
                "cmd": "echo ${item.model} ${item.feature} ${item.seed} "
                "> ${item.model}-${item.feature}-${item.seed}.txt",
                "outs": ["${item.model}-${item.feature}-${item.seed}.txt"],
            },
            "dicts": {
                "matrix": {"config": [{"n": 1, "deep": {"m": 2}}, {"n": 3, "deep": {"m": 4}}]},
                "cmd": "echo ${item.config.n} ${item.config.deep.m} > ${key}.txt",
                "outs": ["${key}.txt"],
            },
            "odd": {
                "matrix": {"value": [1.5, True, "a b"]},
                "cmd": "echo '${item.value}' > 'odd-${key}.txt'",
                "outs": ["odd-${key}.txt"],
            },
        }
    )


def add_seed(repository: Repository) -> None:
    """Add a value to one axis of the matrix."""
    repository.write("params.yaml", "seeds: [0, 1, 2]\n")


def variables(repository: Repository) -> None:
    """Vars from files, keys of files, inline and of one stage; interpolation in every field."""
    repository.write("params.yaml", "default: from_params\nlist: [a, b]\n")
    repository.write("vars/one.yaml", "one: {deep: {er: 1}, other: [10, 20]}\nflag: true\n")
    repository.write("vars/two.json", '{"two": "zwei", "unused": 0}')
    repository.write("vars/three.toml", '[three]\nvalue = "drei"\nnumber = 1.0\n')
    repository.write("vars/four.py", "class Four:\n    value = 4\nLEVEL = 'top'\n")
    repository.write("stage_vars.yaml", "mine: only_here\n")
    repository.write("input.txt", "1\n")
    repository.stages(
        {
            "files": {
                "cmd": "echo ${one.deep.er} ${one.other[1]} ${two} ${three.value} ${Four.value} "
                "${default} ${flag} > a.txt",
                "outs": ["a.txt"],
            },
            "own": {
                "vars": ["stage_vars.yaml", {"inline": "here", "also": [1, 2]}],
                "cmd": "echo ${mine} ${inline} ${also[0]} > b.txt",
                "outs": ["b.txt"],
            },
            "fields": {
                "desc": "about ${names.out}",
                "cmd": ["cp ${names.dep} ${names.out}", "echo ${two} >> ${names.out}"],
                "deps": ["${names.dep}"],
                "params": ["${names.param}", {"${names.file}": ["two"]}],
                "outs": [{"${names.out}": {"cache": False, "desc": "the ${names.out}"}}],
            },
            "unpacked": {
                "cmd": "echo ${arguments} > d.txt",
                "outs": ["d.txt"],
            },
            "escaped": {"cmd": "echo '\\${one}' > e.txt", "outs": ["e.txt"]},
        },
        vars=[
            "vars/one.yaml",
            "vars/two.json:two",
            "vars/three.toml",
            "vars/four.py",
            {
                "names": {
                    "dep": "input.txt",
                    "out": "c.txt",
                    "param": "default",
                    "file": "vars/two.json",
                },
                "arguments": {"rate": 0.1, "flag": True, "off": False, "words": ["x", "y z"]},
            },
        ],
    )


def change_deep_variable(repository: Repository) -> None:
    """Change a variable that one command uses."""
    repository.edit("vars/one.yaml", "er: 1", "er: 2")


def change_unused_variable(repository: Repository) -> None:
    """Change a value that nothing uses."""
    repository.edit("vars/two.json", '"unused": 0', '"unused": 1')


def change_own_variable(repository: Repository) -> None:
    """Change the variable that belongs to one stage."""
    repository.edit("stage_vars.yaml", "only_here", "still_only_here")


def change_name_of_out(repository: Repository) -> None:
    """Change the variable that is the name of an out."""
    repository.edit("dvc.yaml", "out: c.txt", "out: renamed.txt")


def variables_of_subdirectory(repository: Repository) -> None:
    """Vars and params.yaml of a pipeline that is not at the root, and list parsing settings."""
    repository.dvc("config", "parsing.bool", "boolean_optional")
    repository.dvc("config", "parsing.list", "append")
    repository.write("params.yaml", "here: top\n")
    repository.write(
        "below/params.yaml", "here: below\narguments: {on: true, off: false, l: [1]}\n"
    )
    repository.write("shared.yaml", "shared: both\n")
    for path, up in (("dvc.yaml", ""), ("below/dvc.yaml", "../")):
        repository.stages(
            {"say": {"cmd": "echo ${here} ${shared} > said.txt", "outs": ["said.txt"]}},
            path=path,
            vars=[f"{up}shared.yaml"],
        )
    repository.stages(
        {"unpack": {"cmd": "echo ${arguments} > unpacked.txt", "outs": ["unpacked.txt"]}},
        path="below/more/dvc.yaml",
        vars=["../params.yaml"],
    )


def change_shared(repository: Repository) -> None:
    """Change the variable of both pipelines."""
    repository.write("shared.yaml", "shared: each\n")


FEATURES = (
    Feature("foreach", foreach, (add_model, remove_model, change_dict_item)),
    Feature("matrix", matrix, (add_seed,)),
    Feature(
        "vars",
        variables,
        (change_deep_variable, change_unused_variable, change_own_variable, change_name_of_out),
    ),
    Feature("vars-of-a-subdirectory", variables_of_subdirectory, (change_shared,)),
)


@pytest.mark.parametrize("feature", FEATURES, ids=str)
def test_templates_resolve_as_in_dvc_repro(feature: Feature, pair: Pair) -> None:
    assert_equals_dvc_repro(pair, feature.changes)
