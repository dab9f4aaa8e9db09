"""The lock file: what is read, what is refused, and that writing equals DVC's writing."""

from pathlib import Path
from typing import Any

import pytest

from resources.dvc.graph.documents import Documents
from resources.dvc.lock.lock_file import LockFile
from resources.errors import ConfigurationError
from tests.file_version import read_version
from tests.unit.resources.dvc.lock.lock_text import write_with_dvc

HEADER = "schema: '2.0'\nstages:\n"
MD5 = "d41d8cd98f00b204e9800998ecf8427e"
ENTRY: dict[str, Any] = {
    "cmd": "python train.py",
    "deps": [{"path": "train.py", "hash": "md5", "md5": MD5, "size": 7}],
    "params": {"params.yaml": {"rate": 0.1, "layers": [1, 2]}},
    "outs": [{"path": "model", "hash": "md5", "md5": f"{MD5}.dir", "size": 9, "nfiles": 2}],
}


def load(file: Path) -> LockFile:
    return LockFile(file, Documents(file.parent / "documents"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "dvc.lock"


def test_missing_file_has_no_entries_and_the_first_write_makes_it(file: Path) -> None:
    lock = load(file)
    assert lock.entries == {}

    lock.write({"train": ENTRY})

    written = file.read_text()
    file.unlink()
    write_with_dvc(file, {"train": ENTRY})
    assert written == file.read_text()


def test_entries_are_those_of_the_file(file: Path) -> None:
    write_with_dvc(file, {"train": ENTRY, "b": {"cmd": ["x", "y"]}})

    assert load(file).entries == {"train": ENTRY, "b": {"cmd": ["x", "y"]}}


def test_replaced_entry_keeps_its_place_and_new_ones_follow(file: Path) -> None:
    write_with_dvc(file, {"b": {"cmd": "1"}, "a": {"cmd": "2"}})

    load(file).write({"z": ENTRY, "b": {"cmd": "3"}, "c": {"cmd": "4"}})

    assert list(load(file).entries) == ["b", "a", "z", "c"]
    assert load(file).entries["b"] == {"cmd": "3"}


def test_untouched_entries_keep_their_bytes(file: Path) -> None:
    entries = {f"stage{number}": ENTRY for number in range(5)}
    write_with_dvc(file, entries)
    before = file.read_text()

    load(file).write({"stage3": {**ENTRY, "cmd": "other"}})

    assert file.read_text() == before.replace(
        "stage3:\n    cmd: python train.py", "stage3:\n    cmd: other"
    )


def test_write_without_a_change_leaves_the_file_alone(file: Path) -> None:
    write_with_dvc(file, {"train": ENTRY})
    before = read_version(file)

    load(file).write({"train": ENTRY})
    load(file).write({})

    assert read_version(file) == before


def test_growing_record_of_one_run_is_written_again_and_again(file: Path) -> None:
    write_with_dvc(file, {"old": {"cmd": "0"}})
    lock = load(file)

    lock.write({"b": {"cmd": "2"}})
    lock.write({"a": {"cmd": "1"}, "b": {"cmd": "2"}})

    assert list(load(file).entries) == ["old", "a", "b"]


def test_last_write_of_an_entry_wins(file: Path) -> None:
    lock = load(file)

    lock.write({"a": {"cmd": "1"}})
    lock.write({"a": {"cmd": "2"}})

    assert load(file).entries == {"a": {"cmd": "2"}}


Y = "  y:\n    cmd: y\n"
HAND_EDITED = {
    "comment above": f"# by hand\n{HEADER}  a:\n    cmd: x\n{Y}",
    "comment between": f"{HEADER}  a:\n    cmd: x\n# by hand\n{Y}",
    "comment behind": f"{HEADER}  a:\n    cmd: x # by hand\n{Y}",
    "comment in an entry": f"{HEADER}  a:\n    # by hand\n    cmd: x\n{Y}",
    "comment at the end": f"{HEADER}  a:\n    cmd: x\n{Y}# by hand\n",
    "hash in a command": f"{HEADER}  a:\n    cmd: x\n  b:\n    cmd: 'echo # no'\n{Y}",
    "flow style": f"{HEADER}  a: {{cmd: x}}\n{Y}",
    "double-quoted name": f'{HEADER}  a:\n    cmd: x\n  "b":\n    cmd: y\n{Y}',
    "document start": f"---\n{HEADER}  a:\n    cmd: x\n{Y}",
    "schema behind": f"stages:\n  a:\n    cmd: x\n{Y}schema: '2.0'\n",
    "double quotes": f'schema: "2.0"\nstages:\n  a:\n    cmd: x\n{Y}',
    "four spaces": "schema: '2.0'\nstages:\n    a:\n        cmd: x\n",
    "no stages": "schema: '2.0'\n",
    "empty stages": "schema: '2.0'\nstages: {}\n",
    "data sets first": f"schema: '2.0'\ndatasets:\n- name: d\nstages:\n  a:\n    cmd: x\n{Y}",
    "data sets last": f"{HEADER}  a:\n    cmd: x\n{Y}datasets:\n- name: d\n",
    "blank lines": f"{HEADER}  a:\n    cmd: x\n\n\n{Y}\n",
    "no newline at the end": f"{HEADER}  a:\n    cmd: x\n{Y}".rstrip(),
    "anchor": f"{HEADER}  a:\n    cmd: &c x\n  b:\n    cmd: *c\n{Y}",
    "quoted command": f'{HEADER}  a:\n    cmd: x\n  b:\n    cmd: "y"\n{Y}',
    "quoted name": f"{HEADER}  a:\n    cmd: x\n  'b':\n    cmd: y\n{Y}",
    "deeper entry": f"{HEADER}  a:\n    cmd: x\n  b:\n      cmd: y\n{Y}",
    "indented list": (
        f"{HEADER}  a:\n    cmd: x\n  b:\n    cmd: y\n    deps:\n      - path: p\n{Y}"
    ),
    "long line": (f"{HEADER}  a:\n    cmd: x\n  b:\n    cmd: {'word ' * 40}end\n{Y}"),
}


@pytest.mark.parametrize("text", HAND_EDITED.values(), ids=HAND_EDITED)
def test_file_edited_by_hand_is_written_as_dvc_would(file: Path, text: str) -> None:
    updates = {"a": {"cmd": "new"}, "z": ENTRY}
    file.write_text(text)
    write_with_dvc(file, updates)
    expected = file.read_text()
    file.write_text(text)

    load(file).write(updates)

    assert file.read_text() == expected


@pytest.mark.parametrize("text", HAND_EDITED.values(), ids=HAND_EDITED)
def test_file_edited_by_hand_loses_nothing(file: Path, text: str) -> None:
    from dvc.utils.serialize import load_yaml

    updates = {"a": {"cmd": "new"}, "z": ENTRY}
    file.write_text(text)
    before = load_yaml(str(file))

    load(file).write(updates)

    after = load_yaml(str(file))
    assert after.pop("stages") == {**before.pop("stages", {}), **updates}
    assert after == before


@pytest.mark.parametrize("value", [2.5506902573942173e-06, 9.38595867742349e-14, 5e-324, 1 / 3])
def test_number_keeps_all_its_digits(file: Path, value: float) -> None:
    # DVC's own round trip changes the last digit of such a number when the next stage ends.
    entry = {"cmd": "x", "params": {"params.yaml": {"rate": value}}}
    load(file).write({"a": entry})

    load(file).write({"b": {"cmd": "y"}})

    assert load(file).entries["a"] == entry


REFUSED = {
    "v1": ("train:\n  cmd: x\n  outs: []\n", "not a lock file of DVC 2 or 3"),
    "other schema": ("schema: '3.0'\nstages: {}\n", "not a lock file of DVC 2 or 3"),
    "list": ("- a\n", "not a lock file of DVC 2 or 3"),
    "text": ("hello\n", "not a lock file of DVC 2 or 3"),
    "stages list": ("schema: '2.0'\nstages:\n- a\n", "stages is not a mapping"),
    "no mapping": ("schema: '2.0'\nstages:\n", "stages is not a mapping"),
    "no command": (f"{HEADER}  a:\n    deps: []\n", "no cmd in: a"),
    "no entry": (f"{HEADER}  a:\n", "no cmd in: a"),
    "merge conflict": (
        f"{HEADER}  a:\n<<<<<<< HEAD\n    cmd: x\n=======\n    cmd: y\n>>>>>>> other\n",
        "merge conflict in .*line 4",
    ),
    "cut off": (f"{HEADER}  a:\n    cmd: 'x", "cannot parse"),
    "twice": (f"{HEADER}  a:\n    cmd: x\n  a:\n    cmd: y\n", "cannot parse"),
}


@pytest.mark.parametrize(
    ("text", "message"),
    REFUSED.values(),
    ids=REFUSED,
)
def test_what_is_no_lock_file_is_refused_and_left_as_it_is(
    file: Path, text: str, message: str
) -> None:
    file.write_text(text)

    with pytest.raises(ConfigurationError, match=message) as error:
        load(file)

    assert str(file) in error.value.message
    assert error.value.hint
    assert file.read_text() == text
