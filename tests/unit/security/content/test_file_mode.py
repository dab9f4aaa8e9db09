"""Permission bits: what nothing of a signed model may have is refused, bit by bit."""

import os
import stat
from pathlib import Path

import pytest

from security.content.file_mode import ModeError, read_modes, verify_modes
from security.content.file_tree import read_tree
from security.signing.model_signature import verify_model_signature, write_model_statement
from tests.unit.security.statements.statement_samples import make_signer, trusting

SIGNER = make_signer()
BITS = [
    ("weights.bin", stat.S_IXUSR, "is executable for its owner", "chmod u-x model/weights.bin"),
    ("weights.bin", stat.S_IXGRP, "is executable for its group", "chmod g-x model/weights.bin"),
    ("weights.bin", stat.S_IXOTH, "is executable for all users", "chmod o-x model/weights.bin"),
    ("weights.bin", stat.S_ISUID, "is set-user-ID", "chmod u-s model/weights.bin"),
    ("weights.bin", stat.S_ISGID, "is set-group-ID", "chmod g-s model/weights.bin"),
    ("weights.bin", stat.S_ISVTX, "is sticky", "chmod -t model/weights.bin"),
    ("weights.bin", stat.S_IWOTH, "is writable for all users", "chmod o-w model/weights.bin"),
    ("part/a.json", stat.S_IWOTH, "is writable for all users", "chmod o-w model/part/a.json"),
    ("part", stat.S_ISUID, "is set-user-ID", "chmod u-s model/part"),
    ("part", stat.S_ISGID, "is set-group-ID", "chmod g-s model/part"),
    ("part", stat.S_ISVTX, "is sticky", "chmod -t model/part"),
    ("part", stat.S_IWOTH, "is writable for all users", "chmod o-w model/part"),
    (".", stat.S_ISGID, "is set-group-ID", "chmod g-s model"),
    (".", stat.S_IWOTH, "is writable for all users", "chmod o-w model"),
]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    model = tmp_path / "model"
    (model / "part").mkdir(parents=True)
    (model / "weights.bin").write_bytes(b"weights")
    (model / "part" / "a.json").write_bytes(b"{}")
    return model


def add_bit(path: Path, bit: int) -> None:
    path.chmod(stat.S_IMODE(path.stat().st_mode) | bit)
    assert path.stat().st_mode & bit, "the file system keeps no such bit"


def verify(model: Path, signed: bytes) -> None:
    verify_model_signature(SIGNER.sign(signed), trusting(SIGNER), model.name, read_tree(model))


@pytest.mark.parametrize(("path", "bit", "said", "hint"), BITS)
def test_bit_that_is_set_after_signing_is_refused(
    model: Path, path: str, bit: int, said: str, hint: str
) -> None:
    signed = write_model_statement("model", read_tree(model).files).payload
    verify(model, signed)
    add_bit(model / path, bit)
    with pytest.raises(ModeError, match=said) as caught:
        verify(model, signed)
    assert caught.value.hint.startswith(hint + ",")


@pytest.mark.parametrize(("path", "bit", "said", "hint"), BITS)
def test_bit_is_refused_when_signing(
    model: Path, path: str, bit: int, said: str, hint: str
) -> None:
    files = read_tree(model).files
    verify_modes("model", read_modes(model, files))
    add_bit(model / path, bit)
    with pytest.raises(ModeError, match=said) as caught:
        verify_modes("model", read_modes(model, files))
    assert caught.value.hint.startswith(hint + ",")


@pytest.mark.parametrize("bit", [stat.S_IXUSR, stat.S_IWOTH, stat.S_ISUID])
def test_model_of_one_file_is_looked_at_as_well(model: Path, bit: int) -> None:
    file = model / "weights.bin"
    signed = write_model_statement("weights.bin", read_tree(file).files).payload
    verify(file, signed)
    add_bit(file, bit)
    with pytest.raises(ModeError, match="weights.bin"):
        verify(file, signed)
    with pytest.raises(ModeError, match="weights.bin"):
        verify_modes("weights.bin", read_modes(file, ["."]))


def test_all_bits_of_a_file_are_told_at_once_and_the_other_files_counted(model: Path) -> None:
    (model / "part" / "a.json").chmod(0o777)
    (model / "weights.bin").chmod(0o755)
    with pytest.raises(ModeError, match=r"\(mode 0777\): model/part/a.json, and 1 more") as caught:
        verify_modes("model", read_tree(model).modes)
    assert caught.value.hint.startswith("chmod u-x,g-x,o-x,o-w model/part/a.json")


def test_what_groups_and_owners_may_is_not_looked_at(model: Path) -> None:
    for path, mode in (("weights.bin", 0o664), ("part/a.json", 0o400), ("part", 0o775)):
        (model / path).chmod(mode)
    verify_modes("model", read_tree(model).modes)


def test_set_group_id_that_the_directory_above_passes_on_is_none_of_its_own(
    tmp_path: Path,
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2775)
    (shared / "model" / "part").mkdir(parents=True)
    (shared / "model" / "part" / "a").write_bytes(b"a")
    for path in (shared / "model", shared / "model" / "part"):
        path.chmod(0o2755)
    tree = read_tree(shared / "model")
    assert tree.modes == read_modes(shared / "model", tree.files)
    verify_modes("model", tree.modes)
    (shared / "model" / "part" / "a").chmod(0o2644)  # a file does not get it from anywhere
    with pytest.raises(ModeError, match="is set-group-ID .*: model/part/a"):
        verify_modes("model", read_tree(shared / "model").modes)


def test_mode_is_that_of_the_file_that_was_read(model: Path) -> None:
    """Between a look at the path and the reading, a file could be another: it is one descriptor."""
    (model / "weights.bin").chmod(0o755)
    tree = read_tree(model)
    os.replace(model / "part" / "a.json", model / "weights.bin")
    assert stat.S_IMODE(tree.modes["weights.bin"]) == 0o755


def test_path_in_a_hint_cannot_run_anything(model: Path) -> None:
    evil = model / "a; rm -rf ~"
    evil.write_bytes(b"x")
    evil.chmod(0o755)
    with pytest.raises(ModeError) as caught:
        verify_modes("model", read_tree(model).modes)
    assert "'model/a; rm -rf ~'" in caught.value.hint
