"""The lock file's text: random entries, put in at once, read as if DVC had put them in."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from resources.dvc.graph.documents import Documents
from resources.dvc.lock.lock_file import LockFile
from tests.unit.resources.dvc.lock.lock_text import write_with_dvc

Entry = dict[str, Any]

# What DVC forbids in a stage's name it allows in the key of a foreach item.
PLAIN = st.from_regex(r"[a-zA-Z0-9_ü-][a-zA-Z0-9_ü-]{0,11}", fullmatch=True)
ODD_KEYS = st.sampled_from(
    ["1", "1.5", "true", "null", "a b", "é", "it's", 'say "x"', "a:b", "#x", "-", "~", "x" * 90]
)
NAMES = st.one_of(
    PLAIN,
    st.sampled_from(["on", "no", "null", "1", "1e3", "0x1f", "2020-01-01", "~", "y", "_", "-a"]),
    st.tuples(PLAIN, ODD_KEYS).map("@".join),
)
WORDS = st.sampled_from(
    [
        "echo",
        "a",
        "--x=1",
        "'q'",
        '"d"',
        "&&",
        "|",
        ": ",
        "#",
        " # no",
        "\t",
        "ünï",
        "$HOME",
        "{",
        "x" * 50,
    ]
)
LINES = st.lists(WORDS, min_size=1, max_size=25).map(" ".join)
COMMANDS = st.one_of(
    LINES,
    st.lists(LINES, min_size=1, max_size=3).map("\n".join),
    st.lists(LINES, min_size=1, max_size=3),
)
PATHS = st.one_of(PLAIN, st.lists(WORDS, min_size=1, max_size=3).map("/".join))
# With more digits than these, DVC's own round trip changes the last one: see test_lock_file.py.
NUMBERS = st.builds(
    lambda digits, exponent: float(f"{digits}e{exponent}"),
    st.integers(-(10**9), 10**9),
    st.integers(-40, 40),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    NUMBERS,
    LINES,
    st.sampled_from(
        ["", " ", "1", "1.0", "yes", "null", "~", "\n", "a\nb", "a: b", "- a", "é\u2028"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(PLAIN, inner, max_size=3)),
    max_leaves=6,
)
MD5 = st.text("0123456789abcdef", min_size=32, max_size=32)


@st.composite
def items(draw: st.DrawFn) -> list[Entry]:
    """Draw the deps or outs of an entry."""
    paths = draw(st.lists(PATHS, max_size=3, unique=True))
    return [
        {"path": path, "hash": "md5", "md5": draw(MD5), "size": draw(st.integers(0, 10**12))}
        for path in sorted(paths)
    ]


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Draw a lock entry with its parts in DVC's order."""
    entry: Entry = {"cmd": draw(COMMANDS)}
    deps, outs = draw(items()), draw(items())
    params = draw(st.dictionaries(PATHS, st.dictionaries(PLAIN, VALUES, max_size=3), max_size=2))
    return {
        **entry,
        **({"deps": deps} if deps else {}),
        **({"params": params} if params else {}),
        **({"outs": outs} if outs else {}),
    }


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # shrinking takes minutes
    suppress_health_check=list(HealthCheck),
)
@given(
    st.dictionaries(NAMES, entries(), max_size=3),
    st.dictionaries(NAMES, entries(), min_size=1, max_size=3),
)
def test_spliced_text_is_that_of_a_round_trip_for_each_stage(
    before: dict[str, Entry], updates: dict[str, Entry]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        theirs, ours = Path(directory, "theirs.lock"), Path(directory, "ours.lock")
        for file in (theirs, ours):
            write_with_dvc(file, before)

        write_with_dvc(theirs, updates)
        LockFile(ours, Documents(Path(directory, "documents"))).write(updates)

        assert ours.read_text() == theirs.read_text()
