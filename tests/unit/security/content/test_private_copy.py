"""The private copy: just the bytes that were read, for nobody to change, or nothing at all."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from security.content.file_tree import FileTree, TreeError, read_tree
from security.content.private_copy import CopyError, PrivateCopy

LARGE = 3 * (1 << 20) + 7  # more than three reads


@pytest.fixture
def model(tmp_path: Path) -> Path:
    model = tmp_path / "model"
    (model / "part").mkdir(parents=True)
    (model / "weights.bin").write_bytes(os.urandom(LARGE))
    (model / "part" / "a.json").write_bytes(b"{}")
    return model


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "consumer").mkdir()
    return tmp_path / "consumer" / "copy"


def copied(path: Path, target: Path) -> FileTree:
    with PrivateCopy(target) as copy:
        tree = read_tree(path, copy)
        copy.publish()
    return tree


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def left(target: Path) -> list[str]:
    return sorted(os.listdir(target.parent))


def rchar() -> int:
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("rchar:")))


def test_directory_is_copied_read_only(model: Path, target: Path) -> None:
    tree = copied(model, target)
    assert read_tree(target).files == tree.files
    assert [mode(target / one) for one in (".", "part")] == [0o555, 0o555]
    assert [mode(target / one) for one in tree.files] == [0o444, 0o444]
    assert left(target) == ["copy"]


def test_file_is_copied_read_only(model: Path, target: Path) -> None:
    tree = copied(model / "weights.bin", target)
    assert read_tree(target).files == tree.files
    assert (mode(target), target.stat().st_nlink) == (0o444, 1)
    assert left(target) == ["copy"]


@pytest.mark.parametrize("name", [".", "weights.bin"])
def test_nobody_else_can_look_before_it_is_published(model: Path, target: Path, name: str) -> None:
    with PrivateCopy(target) as copy:
        read_tree(model / name, copy)
        (hidden,) = target.parent.iterdir()
        assert hidden.name.startswith(".")
        assert mode(hidden) == (0o600 if hidden.is_file() else 0o700)
    assert left(target) == []


class Watching(PrivateCopy):
    """A copy that notes its file's mode while it is written, and does something meanwhile."""

    def __init__(self, target: Path, meanwhile: Callable[[], object]) -> None:
        super().__init__(target)
        self.meanwhile = meanwhile
        self.written = 0
        self.modes: list[int] = []

    @contextmanager
    def write_file(self, path: str) -> Iterator[Callable[[memoryview], object]]:
        with super().write_file(path) as write:

            def watched(piece: memoryview) -> None:
                self.modes += [mode(one) for one in self.target.parent.iterdir()]
                write(piece)
                self.written += len(piece)
                self.meanwhile()

            yield watched


def test_file_is_private_while_it_is_written(model: Path, target: Path) -> None:
    with Watching(target, lambda: None) as copy:
        read_tree(model / "weights.bin", copy)
    assert set(copy.modes) == {0o600}


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="proc(5) counts what is read")
def test_bytes_are_read_once(model: Path, target: Path) -> None:
    before = rchar()
    tree = copied(model / "weights.bin", target)
    assert LARGE <= rchar() - before < LARGE + 65536
    assert tree.size == LARGE


# --- attacks


def test_file_that_is_exchanged_after_it_was_read_is_not_what_is_used(
    model: Path, target: Path
) -> None:
    good = (model / "weights.bin").read_bytes()
    with PrivateCopy(target) as copy:
        read_tree(model / "weights.bin", copy)
        (model / "evil").write_bytes(b"evil")
        os.replace(model / "evil", model / "weights.bin")
        copy.publish()
    assert target.read_bytes() == good


@pytest.mark.parametrize("way", ["exchanged", "written to", "made executable"])
def test_file_that_is_changed_while_it_is_read_leaves_nothing(
    model: Path, target: Path, way: str
) -> None:
    path = model / "weights.bin"

    def attack() -> None:
        if way == "exchanged":
            (model / "evil").write_bytes(b"evil")
            os.replace(model / "evil", path)
        elif way == "made executable":
            path.chmod(0o755)
        else:
            with path.open("r+b") as stream:
                stream.write(b"evil")

    copy = Watching(target, attack)
    with pytest.raises(TreeError, match="changed during the read"), copy:
        read_tree(path, copy)
        copy.publish()
    assert copy.written == LARGE
    assert left(target) == []


def test_what_cannot_be_read_as_a_whole_leaves_nothing(model: Path, target: Path) -> None:
    os.mkfifo(model / "part" / "pipe")
    with pytest.raises(TreeError, match="special file"), PrivateCopy(target) as copy:
        read_tree(model, copy)
    assert left(target) == []


@pytest.mark.parametrize("what", ["file", "directory", "dangling link"])
def test_what_is_there_is_not_overwritten(model: Path, target: Path, what: str) -> None:
    if what == "file":
        target.write_bytes(b"mine")
    elif what == "directory":
        target.mkdir()
    else:
        target.symlink_to("nowhere")
    with pytest.raises(CopyError, match="target already exists"):
        copied(model, target)
    assert left(target) == ["copy"]


@pytest.mark.parametrize("name", [".", "weights.bin"])
def test_what_came_meanwhile_is_not_overwritten(model: Path, target: Path, name: str) -> None:
    with pytest.raises(CopyError, match="target already exists"), PrivateCopy(target) as copy:
        read_tree(model / name, copy)
        target.write_bytes(b"theirs")
        copy.publish()
    assert target.read_bytes() == b"theirs"
    assert left(target) == ["copy"]


def test_link_that_came_meanwhile_leads_nowhere(model: Path, target: Path, tmp_path: Path) -> None:
    with pytest.raises(CopyError, match="already"), PrivateCopy(target) as copy:
        read_tree(model / "weights.bin", copy)
        target.symlink_to(tmp_path / "elsewhere")
        copy.publish()
    assert not (tmp_path / "elsewhere").exists()


def test_place_where_everybody_can_rename_is_refused(model: Path, target: Path) -> None:
    target.parent.chmod(0o777)
    with pytest.raises(CopyError, match="other users can rename"):
        copied(model, target)
    target.parent.chmod(0o1777)  # as /tmp: each may rename what is his
    copied(model, target)


def test_directory_that_is_not_there_is_an_error(model: Path, tmp_path: Path) -> None:
    with pytest.raises(CopyError, match="no such directory"):
        copied(model, tmp_path / "nowhere" / "copy")


def test_copy_does_not_keep_bits(model: Path, target: Path) -> None:
    (model / "weights.bin").chmod(0o4777)
    tree = copied(model, target)
    assert stat.S_IMODE(tree.modes["weights.bin"]) == 0o4777
    assert mode(target / "weights.bin") == 0o444
    digest = hashlib.sha256((target / "weights.bin").read_bytes()).hexdigest()
    assert digest == tree.files["weights.bin"]
