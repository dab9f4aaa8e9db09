"""The usual form of an entry: recognized without a dump, and never where DVC writes otherwise."""

import io
from typing import Any

import pytest

from resources.dvc.lock.lock_text import is_usual, render_entry

MD5 = "d41d8cd98f00b204e9800998ecf8427e"
ENTRY: dict[str, Any] = {
    "cmd": 'python -m src.train --rate="0.1" > log.txt 2>&1',
    "deps": [
        {"path": "data/raw", "hash": "md5", "md5": f"{MD5}.dir", "size": 12, "nfiles": 2},
        {"path": "src/train.py", "hash": "md5", "md5": MD5, "size": 7, "isexec": True},
    ],
    "params": {
        "params.yaml": {
            "train.rate": 0.001,
            "train.epochs": 50,
            "name": "two words",
            "layers": [128, 64],
            "shuffle": True,
            "offset": -1.5,
        }
    },
    "outs": [{"path": "model.onnx", "hash": "md5", "md5": MD5, "size": 0}],
}


def test_entry_of_a_usual_stage_needs_no_dump() -> None:
    assert is_usual(render_entry("train", ENTRY))
    assert is_usual(render_entry("train@a-1", {"cmd": "make"}))


def written(text: str) -> str:
    """Return what DVC makes of an entry's text when another stage ends."""
    from dvc.utils.serialize import parse_yaml_for_update
    from dvc.utils.serialize._yaml import _dump

    stream = io.StringIO()
    _dump(parse_yaml_for_update(f"stages:\n{text}", "dvc.lock"), stream)
    return stream.getvalue().removeprefix("stages:\n")


#: Words that a text can hold, and those that DVC quotes, or writes in another way, somewhere.
WORDS = """a A_1 _1 ./x /x $x ~ - -- -a 1 01 1.0 1.50 -0 -0.0 0x1f 1e3 1_000 12:30 2020-01-01 true
No on y Y null NULL .inf .5 nan << = | > ? ! & * % @ ` ' " [ ] { } a| a> a, a: a:b :a a# #a # a' 'a'
"a" [a] {a} a\\ \\a ü --- ... a;b (a) a=b a^b a~b !a &a *a %a @a""".split()


def places(text: str) -> list[str]:
    """Return entries that hold a text wherever a text can be."""
    params = "  a:\n    cmd: x\n    params:\n"
    return [
        f"  {text}:\n    cmd: x\n",
        f"  a:\n    cmd: {text}\n",
        f"{params}      {text}:\n        k: v\n",
        f"{params}      p.yaml:\n        {text}: v\n",
        f"{params}      p.yaml:\n        k: {text}\n",
        f"{params}      p.yaml:\n        k:\n        - {text}\n",
        f"  a:\n    cmd: x\n    outs:\n    - path: {text}\n      hash: md5\n"
        f"      md5: {MD5}\n      size: 1\n",
    ]


@pytest.mark.parametrize("word", WORDS)
def test_what_is_recognized_is_what_dvc_writes(word: str) -> None:
    templates = ("{}", "a {}", "{} a", "a {} b", "{0} {0}", '"{}"', "{}  a")
    texts = [template.format(word) for template in templates]
    recognized = [entry for text in texts for entry in places(text) if is_usual(entry)]

    assert [written(entry) for entry in recognized] == recognized


USUAL = render_entry("train", ENTRY)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cmd: python", "cmd:  python"),
        ("cmd: python", 'cmd: "python'),
        ("log.txt", "log.txt" * 10),
        ("    deps:\n    -", "    deps:\n\n    -"),
        ("    - path: src", "      - path: src"),
        ("        layers:\n        - 128", "        layers:\n          - 128"),
        ("        name", "          name"),
        ("      params.yaml", "       params.yaml"),
        ("two words", "two words "),
        ("two words", "'two words'"),
        ("0.001", "0.0010"),
        ("0.001", "1e-03"),
        ("size: 0", "size: 00 # by hand"),
        ("isexec: true", "isexec: yes"),
        (MD5, "1" * 32),
        (MD5, "12e4" * 8),
        ("  train:\n", "  'train':\n"),
    ],
)
def test_other_bytes_are_not_recognized(old: str, new: str) -> None:
    assert old in USUAL

    assert not is_usual(USUAL.replace(old, new))


def test_end_of_the_text_must_be_there() -> None:
    assert not is_usual(USUAL.rstrip())
    assert not is_usual(f"{USUAL}\n")
    assert not is_usual(USUAL * 2)
