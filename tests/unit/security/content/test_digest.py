"""Digests: known vectors, one read of the bytes, and a directory's digest that cannot collide."""

import hashlib
import os
import random
import subprocess
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.content.digest import Digests, digest_bytes, digest_file, digest_tree

MEBIBYTE = 1 << 20
# RFC 1321, appendix A.5, and FIPS 180-2, appendix B.
VECTORS = [
    (
        b"",
        "d41d8cd98f00b204e9800998ecf8427e",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ),
    (
        b"abc",
        "900150983cd24fb0d6963f7d28e17f72",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    ),
]
A, B = "a" * 64, "b" * 64

paths = st.text(alphabet="ab\\n\n/ é", min_size=1, max_size=6)
trees = st.dictionaries(paths, st.sampled_from([A, B]), max_size=4)


@pytest.mark.parametrize(("content", "md5", "sha256"), VECTORS)
def test_published_vectors(tmp_path: Path, content: bytes, md5: str, sha256: str) -> None:
    expected = Digests(md5, sha256, len(content))
    (tmp_path / "file").write_bytes(content)

    assert digest_bytes(content) == expected
    assert digest_file(tmp_path / "file") == expected
    assert digest_file(str(tmp_path / "file")) == expected


@pytest.mark.parametrize("size", [1, MEBIBYTE - 1, MEBIBYTE, MEBIBYTE + 1, 3 * MEBIBYTE + 7])
def test_file_and_bytes_agree_around_the_size_of_a_read(tmp_path: Path, size: int) -> None:
    content = random.Random(size).randbytes(size)
    (tmp_path / "file").write_bytes(content)

    digests = digest_file(tmp_path / "file")

    assert digests == digest_bytes(content)
    assert digests.sha256 == hashlib.sha256(content).hexdigest()
    assert digests.size == size


def test_both_digests_come_from_one_read(tmp_path: Path) -> None:
    # What was read from a pipe is gone: a second read would see nothing.
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = random.Random(1).randbytes(2 * MEBIBYTE + 3)
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()

    digests = digest_file(pipe)

    writer.join()
    assert digests == digest_bytes(content)


def test_what_cannot_be_read_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        digest_file(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        digest_file(tmp_path)


@pytest.mark.process
def test_tree_digest_is_that_of_the_listing_of_sha256sum(tmp_path: Path) -> None:
    names = [
        "b",
        "a/z",
        "a.b",
        "a/with space/ü.txt",
        "A",
        "a-b",
        "deep/er/empty",
        os.fsdecode(b"\xff"),
    ]
    for number, name in enumerate(names):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"" if "empty" in name else b"%d\n" % number)
    listing = subprocess.run(
        "find . -type f -printf '%P\\0' | sort -z | xargs -0 sha256sum | sha256sum",
        shell=True,
        cwd=tmp_path,
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        check=True,
    )

    entries = [(name, digest_file(tmp_path / name).sha256) for name in names]

    assert digest_tree(entries) == listing.stdout.decode().split()[0]


def test_empty_tree_has_the_digest_of_an_empty_listing() -> None:
    assert digest_tree([]) == VECTORS[0][2]


@given(trees, st.randoms())
def test_tree_digest_does_not_depend_on_the_order(
    tree: dict[str, str], order: random.Random
) -> None:
    entries = list(tree.items())
    shuffled = order.sample(entries, len(entries))

    assert digest_tree(shuffled) == digest_tree(entries)


@given(trees, trees)
def test_different_trees_have_different_digests(one: dict[str, str], other: dict[str, str]) -> None:
    assert (digest_tree(one.items()) == digest_tree(other.items())) is (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([(f"x\n{B}  y", A)], [("x", A), ("y", B)]),
        ([("x\\n", A)], [("x\n", A)]),
        ([("x\\\\n", A)], [("x\\\n", A)]),
        ([("x", A)], [("x", B)]),
        ([("x", A)], [(" x", A)]),
        ([("x", A)], [("x", A), ("x", A)]),
        ([("x", A), ("y", B)], [("x", B), ("y", A)]),
    ],
)
def test_tree_made_up_to_look_like_another_is_told_apart(
    one: list[tuple[str, str]], other: list[tuple[str, str]]
) -> None:
    assert digest_tree(one) != digest_tree(other)
