"""The store of results: what it believes, and what somebody else has put there."""

import os
import shutil
import stat
import threading
from pathlib import Path

import pytest

from resources.errors import UnavailableError
from resources.stores.result_store import ResultStore
from resources.stores.seal import seal_with
from resources.stores.secret import load_secret
from security.gates.interface import Report, Tool
from security.statements.gate_result import Binding, GateResult, write_result

SEAL = seal_with(b"s" * 32)
TOOL = Tool("black", "26.1")
BINDING = Binding("format", "source", "a" * 64, {}, TOOL)
OTHER = Binding("format", "source", "b" * 64, {}, TOOL)
RESULT = GateResult(BINDING, Report((), 3), "2026-11-24T05:00:00+00:00", 0.5)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, said: list[str]) -> ResultStore:
    return ResultStore(tmp_path / "results", SEAL, "/a/project", said.append)


def file_of(store: ResultStore, binding: Binding = BINDING) -> Path:
    return store.directory / binding.key[:2] / binding.key[2:]


def test_kept_result_is_found_by_its_binding_only(store: ResultStore) -> None:
    store.keep(RESULT)

    assert store.load(BINDING) == RESULT
    assert store.load(OTHER) is None


def test_nothing_is_said_of_what_was_never_judged(store: ResultStore, said: list[str]) -> None:
    assert store.load(BINDING) is None
    assert said == []


def test_statement_without_our_seal_is_not_believed(store: ResultStore, said: list[str]) -> None:
    store.keep(RESULT)
    file_of(store).write_bytes(b"0" * 64 + b"\n" + write_result(RESULT))

    assert store.load(BINDING) is None
    assert said == ["stored result ignored: format: invalid seal"]


@pytest.mark.parametrize("offset", [0, 63, 64, 65, 200, -1])
def test_one_changed_byte_is_enough(store: ResultStore, offset: int) -> None:
    store.keep(RESULT)
    content = bytearray(file_of(store).read_bytes())
    content[offset] ^= 1
    file_of(store).write_bytes(bytes(content))

    assert store.load(BINDING) is None


def test_result_copied_from_another_commit_is_not_believed(store: ResultStore) -> None:
    store.keep(RESULT)
    file_of(store, OTHER).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file_of(store), file_of(store, OTHER))

    assert store.load(OTHER) is None


def test_result_copied_from_another_project_is_not_believed(
    store: ResultStore, tmp_path: Path
) -> None:
    ResultStore(tmp_path / "theirs", SEAL, "/another/project").keep(RESULT)
    shutil.copytree(tmp_path / "theirs", store.directory)

    assert store.load(BINDING) is None


def test_result_of_another_user_is_not_believed(store: ResultStore) -> None:
    ResultStore(store.directory, seal_with(b"t" * 32), "/a/project").keep(RESULT)

    assert store.load(BINDING) is None


def plant_link(file: Path, real: Path) -> None:
    os.symlink(real, file)


def plant_pipe(file: Path, real: Path) -> None:
    os.mkfifo(file)


def plant_directory(file: Path, real: Path) -> None:
    file.mkdir()


@pytest.mark.parametrize("plant", [plant_link, plant_directory])
def test_what_is_no_plain_file_is_not_followed(
    store: ResultStore, tmp_path: Path, plant: object
) -> None:
    store.keep(RESULT)
    real = tmp_path / "real"
    os.replace(file_of(store), real)
    plant(file_of(store), real)  # type: ignore[operator]  # either of the two above

    assert store.load(BINDING) is None


def test_pipe_in_place_of_a_result_does_not_hang(store: ResultStore) -> None:
    store.keep(RESULT)
    file_of(store).unlink()
    plant_pipe(file_of(store), Path())
    found: list[object] = ["hangs"]
    thread = threading.Thread(target=lambda: found.__setitem__(0, store.load(BINDING)), daemon=True)
    thread.start()
    thread.join(5)

    assert found == [None]


def test_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "new" / "secret"
    secrets = {load_secret(file) for _ in range(3)}

    assert len(secrets) == 1 and len(secrets.pop()) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert os.listdir(file.parent) == ["secret"]


def test_many_first_uses_at_once_agree(tmp_path: Path) -> None:
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(load_secret(tmp_path / "secret")))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 16 and len(set(found)) == 1


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o666])
def test_secret_that_others_read_is_refused(tmp_path: Path, mode: int) -> None:
    load_secret(tmp_path / "secret")
    (tmp_path / "secret").chmod(mode)

    with pytest.raises(UnavailableError, match="readable by other users"):
        load_secret(tmp_path / "secret")


@pytest.mark.parametrize("content", [b"", b"s" * 31, b"s" * 33])
def test_damaged_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    load_secret(tmp_path / "secret")
    (tmp_path / "secret").write_bytes(content)

    with pytest.raises(UnavailableError, match="damaged"):
        load_secret(tmp_path / "secret")


def test_secret_behind_a_link_is_refused(tmp_path: Path) -> None:
    load_secret(tmp_path / "real")
    os.symlink(tmp_path / "real", tmp_path / "secret")

    with pytest.raises(UnavailableError, match="no secret for results"):
        load_secret(tmp_path / "secret")
