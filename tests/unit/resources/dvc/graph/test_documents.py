"""Documents: what was parsed once comes back with the same types, or is parsed again."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from resources.dvc.graph.documents import Documents
from resources.errors import ConfigurationError

#: By file name: the text, and whether JSON can hold what it means.
DOCUMENTS = {
    "plain.yaml": (
        "a: 1\nb: 1.0\nc: 1e3\nd: true\ne: null\nf: [1, x, {y: z}]\ng: '1'\nh: ünï\n"
        "i: -0.0\nj: 0o17\nk: 123456789012345678901234567890\nl: .inf\n",
        True,
    ),
    "lock.lock": ("schema: '2.0'\nstages:\n  a:\n    cmd: |-\n      x\n      y\n", True),
    "empty.yaml": ("", True),
    "comment.yaml": ("# nothing\n", True),
    "dates.yaml": ("day: 2020-01-01\nmoment: 2020-01-01T10:00:00Z\n", False),
    "keys.yaml": ("table: {1: one, 2.5: two, false: three, null: four, x: five}\n", False),
    "twins.yaml": ("table: {1: one, '1': other}\n", False),
    "nan.yaml": ("a: .nan\n", False),
    "set.yaml": ("a: !!set {x, y}\n", False),
    "plain.json": ('{"a": 1, "b": 1.0, "c": [null, true], "d": "\\u00fc"}', True),
    "plain.toml": ("a = 1\nb = 1.0\n[c]\nd = ['x', true]\n", True),
    "dates.toml": ("day = 2020-01-01\nat = 10:00:00\nmoment = 2020-01-01T10:00:00Z\n", False),
    "plain.py": ("a = 1\nb = [1, 2.5]\nc = {'d': None}\n\nclass E:\n    f = 'x'\n", True),
    "tuple.py": ("a = (1, 2)\n", False),
    "set.py": ("a = {1, 2}\n", False),
    "keys.py": ("a = {1: 2}\n", False),
}


def shape(value: Any) -> Any:
    """Spell out a value with the type of everything in it."""
    if isinstance(value, dict):
        return [(shape(key), shape(inner)) for key, inner in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [shape(inner) for inner in value]
    return type(value), repr(value)


def write(directory: Path, name: str, text: str) -> Path:
    file = directory / name
    file.write_bytes(text.encode())
    return file


@pytest.mark.parametrize("name", DOCUMENTS)
def test_values_and_types_are_those_of_dvc_with_and_without_the_cache(
    tmp_path: Path, name: str
) -> None:
    from dvc.fs import localfs
    from dvc.utils.serialize import load_path

    file = write(tmp_path, name, DOCUMENTS[name][0])
    expected = shape(load_path(str(file), localfs))

    first = Documents(tmp_path / "cache").parse(file)
    second = Documents(tmp_path / "cache").parse(file)

    assert shape(first) == expected
    assert shape(second) == expected


@pytest.mark.parametrize("name", DOCUMENTS)
def test_only_what_json_can_hold_is_kept_as_json(tmp_path: Path, name: str) -> None:
    text, survives = DOCUMENTS[name]

    Documents(tmp_path / "cache").parse(write(tmp_path, name, text))

    assert len(list((tmp_path / "cache").glob("*"))) == survives


@pytest.mark.process
def test_document_that_was_parsed_before_costs_no_parser(tmp_path: Path) -> None:
    file = write(tmp_path, "params.yaml", "a: 1\n")
    Documents(tmp_path / "cache").parse(file)
    program = (
        "import sys; from pathlib import Path\n"
        "from resources.dvc.graph.documents import Documents\n"
        "assert Documents(Path(sys.argv[1])).parse(Path(sys.argv[2])) == {'a': 1}\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('dvc', 'ruamel', 'yaml')])"
    )

    finished = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "cache"), str(file)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert finished.stdout == "[]\n"


def test_changed_document_is_parsed_again(tmp_path: Path) -> None:
    documents = Documents(tmp_path / "cache")
    file = write(tmp_path, "params.yaml", "a: 1\n")
    assert documents.parse(file) == {"a": 1}

    write(tmp_path, "params.yaml", "a: 2\n")

    assert documents.parse(file) == {"a": 2}


def test_same_bytes_mean_something_else_in_another_format(tmp_path: Path) -> None:
    documents = Documents(tmp_path / "cache")
    text = "a = 1_000\n"

    assert documents.parse(write(tmp_path, "x.toml", text)) == {"a": 1000}
    assert documents.parse(write(tmp_path, "x.yaml", text)) == "a = 1_000"


def test_cached_document_that_is_broken_is_parsed_again(tmp_path: Path) -> None:
    file = write(tmp_path, "params.yaml", "a: 1\n")
    Documents(tmp_path / "cache").parse(file)
    (cached,) = (tmp_path / "cache").glob("*")
    cached.write_text("{broken")

    assert Documents(tmp_path / "cache").parse(file) == {"a": 1}
    assert json.loads(cached.read_text()) == {"a": 1}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.yaml", b"a: [1\n"),
        ("x.yaml", b"a: 1\na: 2\n"),
        ("x.json", b"{"),
        ("x.toml", b"a = \n"),
        ("x.py", b"a = (\n"),
        ("x.yaml", b"a: \xff\n"),
        ("x.yaml", b"a: !!python/object:os.system x\n"),
        ("x.yaml", b"day: 2020-13-45\n"),
        ("x.yaml", b"a: !!bool x\n"),
        ("x.json", b"[" * 100_000),
        ("x.py", b"a = {[]: 1}\n"),
        ("x.py", b"a = " + b"-" * 10_000 + b"1\n"),
    ],
)
def test_what_cannot_be_parsed_names_the_file(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)

    for _ in range(2):
        with pytest.raises(
            ConfigurationError, match=f"cannot parse: {tmp_path}/{name}: ."
        ) as error:
            Documents(tmp_path / "cache").parse(tmp_path / name)
        assert "\n" not in error.value.message
        assert error.value.hint == f"correct it: {tmp_path}/{name}"
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", ["x.yaml", "x.json", "x.toml", "x.py"])
def test_merge_conflict_is_named_with_its_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("\n<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> other\n")

    with pytest.raises(
        ConfigurationError, match=f"merge conflict in {tmp_path}/{name}, line 2"
    ) as error:
        Documents(tmp_path / "cache").parse(tmp_path / name)
    assert f"git checkout --ours -- {tmp_path}/{name}" in error.value.hint


def test_missing_document_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Documents(tmp_path / "cache").parse(tmp_path / "params.yaml")
