"""Parameters: formats, keys, whole files and odd values; each against `dvc repro`."""

from collections.abc import Callable

import pytest

from .comparison import Feature, Pair, assert_equals_dvc_repro
from .repository import Repository

ODD_VALUES = """
small: 1e-5
also_small: 0.00001
big: 1e100
whole_float: 1.0
integer: 10000000000000000000000
negative: -0.0
infinite: .inf
octal: 0o17
hexadecimal: 0xff
nothing: null
tilde: ~
empty_text: ''
empty_list: []
empty_dict: {}
yes_bool: true
yes_text: "true"
old_yes: yes
number_text: "1"
leading_zero: "007"
unicode: "ünïcödé ☃ 日本語 😀"
quotes: "it's \\"quoted\\" # not a comment"
colon: "a: b"
dash: "- a"
braces: "{a}"
spaces: "  around  "
long: "WORDS"
long_unbroken: "UNBROKEN"
lines: "one\\ntwo\\n"
tab: "a\\tb"
control: "bell\\a"
folded: >
  folded
  text
literal: |
  literal
    text
list: [1, 2.5, "three", null, true, [4, [5]]]
dict: {z: 1, a: {y: [1, {x: 2}]}, "key with space": 1, "1": one}
""".replace("WORDS", " ".join(f"word{number:03}" for number in range(60))).replace(
    "UNBROKEN", "x" * 300
)
KEYS = [line.split(":")[0] for line in ODD_VALUES.splitlines() if line[:1].isalpha()]


def odd_values(repository: Repository) -> None:
    """Values on which YAML writers differ: floats, null, dates, long and quoted text."""
    repository.write("params.yaml", ODD_VALUES)
    repository.stages({"use": {"cmd": "echo 1 > a.txt", "params": KEYS, "outs": ["a.txt"]}})


def anchors(repository: Repository) -> None:
    """A value that another parameter refers to by an anchor of YAML."""
    repository.write("params.yaml", "one: &anchor {n: [1, 2]}\ntwo: *anchor\nthree: *anchor\n")
    repository.stages(
        {
            "use": {"cmd": "echo 1 > a.txt", "params": ["one", "two"], "outs": ["a.txt"]},
            "alone": {"cmd": "echo 2 > b.txt", "params": ["three"], "outs": ["b.txt"]},
        }
    )


def change_anchored(repository: Repository) -> None:
    """Change the value that the others refer to."""
    repository.edit("params.yaml", "[1, 2]", "[1, 3]")


def number_becomes_float(repository: Repository) -> None:
    """Write an equal number in another way: Python calls 1 and 1.0 equal."""
    repository.edit("params.yaml", "whole_float: 1.0", "whole_float: 1")


def text_becomes_number(repository: Repository) -> None:
    """Change the type of a value and not how it looks."""
    repository.edit("params.yaml", 'number_text: "1"', "number_text: 1")


def reorder_dict(repository: Repository) -> None:
    """Write the keys of a dict in another order."""
    repository.edit("params.yaml", "{z: 1, a: {y: [1, {x: 2}]}", "{a: {y: [1, {x: 2}]}, z: 1")


def formats(repository: Repository) -> None:
    """Parameters from YAML, JSON, TOML and Python, nested, and whole files."""
    repository.write("params.yaml", "rate: 0.1\nnet: {layers: [1, 2], shape: {w: 3}}\nunused: 1\n")
    repository.write("more.json", '{"b": {"c": null, "d": [1, 2]}, "a": 1e-7}')
    repository.write("more.toml", 'x = 1\n[t]\ny = "z"\nwhen = 2024-01-02T03:04:05Z\nf = 1.50\n')
    repository.write(
        "settings.py",
        "import os\n\nRATE = 1e-3\nNAMES = ['a', 'b']\nPAIR = (1, 2)\nFLAG: bool = False\n"
        "NOT_LITERAL = os.name\n\nclass Net:\n    SIZE = {'w': 1}\n    def __init__(self):\n"
        "        self.depth = 5\n",
    )
    repository.write("whole.yaml", "a: 1\nb: {c: 2}\n")
    repository.write("conf/deep.yml", "deep: true\n")
    repository.stages(
        {
            "some": {
                "cmd": "echo 1 > some.txt",
                "params": [
                    "rate",
                    "net.shape.w",
                    "net.layers",
                    {"more.json": ["b", "a"]},
                    {"more.toml": ["t.y", "x", "t.f"]},
                    {"settings.py": ["RATE", "NAMES", "PAIR", "FLAG", "Net.SIZE", "Net.depth"]},
                    {"conf/deep.yml": ["deep"]},
                ],
                "outs": ["some.txt"],
            },
            "whole": {
                "cmd": "echo 1 > whole.txt",
                "params": [{"whole.yaml": None}, {"more.json": None}, {"params.yaml": None}],
                "outs": ["whole.txt"],
            },
            "default_file_by_name": {
                "cmd": "echo 1 > default.txt",
                "params": [{"params.yaml": ["rate"]}, "net"],
                "outs": ["default.txt"],
            },
        },
        params=["whole.yaml"],
    )


def change_unused(repository: Repository) -> None:
    """Change a parameter that only the whole-file stage tracks."""
    repository.edit("params.yaml", "unused: 1", "unused: 2")


def change_nested(repository: Repository) -> None:
    """Change a nested value that one stage tracks by key and others by file."""
    repository.edit("params.yaml", "w: 3", "w: 4")


def change_python(repository: Repository) -> None:
    """Change a literal in the Python file, and something that is none."""
    repository.edit("settings.py", "depth = 5", "depth = 6")
    repository.edit("settings.py", "os.name", "os.sep")


def change_json(repository: Repository) -> None:
    """Change null to a value in JSON."""
    repository.edit("more.json", "null", "0")


def track_another(repository: Repository) -> None:
    """Track one parameter more, sorted between the others."""
    repository.edit("dvc.yaml", "    - net.shape.w\n", "    - net.shape.w\n    - unused\n")


def comment_only(repository: Repository) -> None:
    """Change bytes of a parameter file and no value in it."""
    repository.edit("params.yaml", "rate: 0.1", "# why\nrate: 0.10")


def track_no_more(repository: Repository) -> None:
    """Track one parameter less."""
    repository.edit("dvc.yaml", "    - rate\n", "")


def named_in_other_ways(repository: Repository) -> None:
    """Parameter files with a double slash, a dot or a detour in their path."""
    repository.write("pipe/config.yaml", "k: 1\n")
    repository.write("params.yaml", "base: pipe/\nrate: 1\n")
    repository.stages(
        {
            "slash": {
                "cmd": "echo 1 > a.txt",
                "params": [{"${base}/config.yaml": ["k"]}],
                "outs": ["a.txt"],
            },
            "dot": {
                "cmd": "echo 1 > b.txt",
                "params": [{"./params.yaml": ["rate"]}, {"pipe/../pipe/config.yaml": ["k"]}],
                "outs": ["b.txt"],
            },
        }
    )


def change_far(repository: Repository) -> None:
    """Change the parameter behind the odd paths."""
    repository.edit("pipe/config.yaml", "k: 1", "k: 2")


FEATURES = (
    Feature("names-of-files", named_in_other_ways, (change_far,)),
    Feature("odd-values", odd_values, (number_becomes_float, text_becomes_number, reorder_dict)),
    Feature("anchors", anchors, (change_anchored,)),
    Feature(
        "formats",
        formats,
        (
            change_unused,
            change_nested,
            change_python,
            change_json,
            track_another,
            comment_only,
            track_no_more,
        ),
    ),
)


@pytest.mark.parametrize("feature", FEATURES, ids=str)
def test_params_are_recorded_as_by_dvc_repro(feature: Feature, pair: Pair) -> None:
    assert_equals_dvc_repro(pair, feature.changes)


def test_parameter_that_is_called_size_is_no_size_of_a_file(
    repository: Repository, pair_of: Callable[[Repository], Pair]
) -> None:
    """The one place where ml-assets differs on purpose: DVC restores a stale out here.

    DVC leaves `size` out of the run cache's keys wherever it stands, so that `dvc repro` takes the
    result of the old value for that of the new one.
    """
    repository.write("params.yaml", "net: {size: {w: 3}}\n")
    command = "grep -o 'w: .' params.yaml > a.txt"
    repository.stages({"use": {"cmd": command, "params": ["net"], "outs": ["a.txt"]}})
    pair = pair_of(repository)
    pair.run("first run")
    pair.change(lambda one: one.edit("params.yaml", "w: 3", "w: 4"))
    pair.reference.repro()
    finished = pair.judged.run()
    assert sorted(finished.ran) == ["use"]
    assert (pair.judged.project / "a.txt").read_text(encoding="utf-8") == "w: 4\n"
    assert (pair.reference.project / "a.txt").read_text(encoding="utf-8") == "w: 3\n"


@pytest.mark.parametrize(
    ("file", "text", "key"),
    [("odd.toml", "t = 03:04:05\n", "t"), ("odd.toml", "a.b = [1, 03:04:05]\n", "a")]
    + [("odd.py", "t = 1j\n", "t")],
)
def test_parameter_that_yaml_cannot_hold_fails_its_stage_alone(
    repository: Repository, file: str, text: str, key: str
) -> None:
    repository.write(file, text)
    good = {f"q{n}": {"cmd": f"echo {n} > q{n}", "outs": [f"q{n}"]} for n in range(4)}
    bad = {"cmd": "echo > p", "params": [{file: [key]}], "outs": ["p"]}
    repository.stages({**good, "bad": bad})

    finished = repository.ml_assets("run", "--keep-going", "--jobs", "5")

    assert finished.code == 1, finished
    assert f"bad: YAML cannot hold a parameter: {file}:{key}" in finished.stderr
    assert sorted(finished.ran) == sorted(good)
    lock = (repository.project / "dvc.lock").read_text(encoding="utf-8")
    assert all(f"  {name}:" in lock for name in good) and "bad" not in lock
    assert repository.ml_assets("plan").code == 0
