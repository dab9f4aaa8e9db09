"""The digest store: what it remembers, what makes it read again, and that it may break."""

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from resources.stores.digest_store import DigestStore
from security.content.digest import digest_bytes, digest_file

OLD, NEW = b"old bytes", b"new bytes"
TOLD, TOLD_LATER = digest_bytes(b"told once"), digest_bytes(b"told late")  # of the size of OLD
FORGED = "f" * 64


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "state" / "digests.sqlite"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(OLD)
    return file


def remember_forged(database: Path, file: Path) -> None:
    """Save a digest that is wrong, so that whoever returns it has not read the file."""
    store = DigestStore(database)
    store.digest(str(file))
    store.save()
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE digests SET sha256 = ?", (FORGED,))
    connection.close()


def test_file_that_did_not_change_is_not_read_again(database: Path, file: Path) -> None:
    remember_forged(database, file)

    assert DigestStore(database).digest(str(file)).sha256 == FORGED


def write_in_place(file: Path) -> None:
    file.write_bytes(NEW)


def write_in_place_and_reset_the_time(file: Path) -> None:
    before = file.stat()
    file.write_bytes(NEW)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_by_another_of_same_size_and_time(file: Path) -> None:
    before = file.stat()
    other = file.with_name("other")
    other.write_bytes(NEW)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(other, file)


def append(file: Path) -> None:
    with file.open("ab") as stream:
        stream.write(b"more")


@pytest.mark.parametrize(
    "change",
    [
        write_in_place,
        write_in_place_and_reset_the_time,
        replace_by_another_of_same_size_and_time,
        append,
    ],
)
def test_changed_file_is_read_again(
    database: Path, file: Path, change: Callable[[Path], None]
) -> None:
    remember_forged(database, file)
    store = DigestStore(database)

    change(file)

    assert store.digest(str(file)) == digest_bytes(file.read_bytes())


def test_touched_file_is_read_again(database: Path, file: Path) -> None:
    remember_forged(database, file)

    os.utime(file, (1, 1))

    assert DigestStore(database).digest(str(file)) == digest_bytes(OLD)


def test_quick_changes_of_the_same_size_are_all_seen(database: Path, file: Path) -> None:
    store = DigestStore(database)

    for number in range(200):
        content = b"%09d" % number
        with file.open("r+b") as stream:
            stream.write(content)
        assert store.digest(str(file)) == digest_bytes(content)


def test_file_that_changes_while_it_is_read_is_not_remembered(database: Path, file: Path) -> None:
    store = DigestStore(database)
    stop = threading.Event()

    def keep_writing() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            file.write_bytes(b"%09d" % number * 100_000)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    for _ in range(20):
        store.digest(str(file))
    stop.set()
    writer.join()

    assert store.digest(str(file)) == digest_file(file)


def test_missing_file_has_no_digest_even_when_it_is_remembered(database: Path, file: Path) -> None:
    remember_forged(database, file)
    file.unlink()

    with pytest.raises(FileNotFoundError):
        DigestStore(database).digest(str(file))


def test_what_we_wrote_ourselves_is_remembered_as_told(database: Path, file: Path) -> None:
    store = DigestStore(database)

    store.remember(str(file), TOLD)
    store.save()

    assert store.digest(str(file)) == TOLD
    assert DigestStore(database).digest(str(file)) == TOLD


def corrupt_bytes(database: Path) -> None:
    database.write_bytes(b"this is no database" * 100)


def cut_off(database: Path) -> None:
    os.truncate(database, 5000)


def flip_pages(database: Path) -> None:
    content = bytearray(database.read_bytes())
    content[100:] = bytes(byte ^ 0x5A for byte in content[100:])
    database.write_bytes(bytes(content))


def other_columns(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("DROP TABLE digests")
        connection.execute("CREATE TABLE digests (path TEXT PRIMARY KEY, digest TEXT)")
    connection.close()


def empty(database: Path) -> None:
    database.write_bytes(b"")


@pytest.mark.parametrize("damage", [corrupt_bytes, cut_off, flip_pages, other_columns, empty])
def test_broken_database_is_made_anew(
    database: Path, file: Path, damage: Callable[[Path], None]
) -> None:
    remember_forged(database, file)
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    damage(database)

    store = DigestStore(database)
    assert store.digest(str(file)) == digest_bytes(OLD)
    store.save()
    store.remember(str(file), TOLD)
    store.save()

    assert DigestStore(database).digest(str(file)) == TOLD


def test_database_that_breaks_while_it_is_open_is_made_anew(database: Path, file: Path) -> None:
    store = DigestStore(database)
    store.digest(str(file))
    store.save()
    corrupt_bytes(database)

    store.remember(str(file), TOLD)
    store.save()
    store.remember(str(file), TOLD_LATER)
    store.save()

    assert DigestStore(database).digest(str(file)) == TOLD_LATER


@pytest.mark.parametrize("obstacle", ["file for a directory", "directory for a file"])
def test_cache_that_cannot_be_kept_is_no_error(tmp_path: Path, file: Path, obstacle: str) -> None:
    if obstacle == "file for a directory":
        database = file / "digests.sqlite"
    else:
        database = tmp_path / "digests.sqlite"
        database.mkdir()

    store = DigestStore(database)
    assert store.digest(str(file)) == digest_bytes(OLD)
    store.save()


def test_processes_that_save_at_once_do_not_lose_what_the_other_saved(
    database: Path, tmp_path: Path
) -> None:
    files = [tmp_path / f"file{number}" for number in range(40)]
    stores = [DigestStore(database) for _ in range(2)]
    for number, path in enumerate(files):
        path.write_bytes(b"%d" % number)
        stores[number % 2].digest(str(path))
    savers = [threading.Thread(target=store.save) for store in stores]
    for saver in savers:
        saver.start()
    for saver in savers:
        saver.join()

    with sqlite3.connect(database) as connection:
        paths = {row[0] for row in connection.execute("SELECT path FROM digests")}
    connection.close()
    assert paths == {str(path) for path in files}


def test_many_threads_get_the_same_digest(database: Path, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(b"x" * 3_000_000)
    store = DigestStore(database)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(store.digest(str(file)))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [digest_file(file)] * 8


def test_nothing_new_means_nothing_is_written(database: Path, file: Path) -> None:
    DigestStore(database).save()

    assert not database.exists()


def test_digest_is_remembered_only_for_the_state_that_was_read(database: Path, file: Path) -> None:
    # The file is replaced between the look at it and the end of the read.
    status = file.stat()
    replace_by_another_of_same_size_and_time(file)
    store = DigestStore(database)

    store.digest(str(file), status)
    store.save()

    assert not database.exists()


def test_digests_of_a_file_that_got_a_name_are_known_on(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"bytes")
    store = DigestStore(tmp_path / "digests.sqlite")
    digests = store.digest(str(file))
    os.link(file, tmp_path / "other")
    store.renew(str(file), digests)

    # Nobody reads it anew: that the bytes are others now would be seen.
    status = file.stat()
    assert store.digest(str(file), status) == digests
    assert store._rows[str(file)][0][3] == status.st_ctime_ns


def test_digests_of_a_file_that_was_written_meanwhile_are_not_renewed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"bytes")
    store = DigestStore(tmp_path / "digests.sqlite")
    digests = store.digest(str(file))
    os.link(file, tmp_path / "other")
    (tmp_path / "other").write_bytes(b"evil!")
    store.renew(str(file), digests)

    assert store.digest(str(file)).sha256 == digest_bytes(b"evil!").sha256


def test_name_that_is_not_utf_8_is_digested_each_time(database: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    plain = str(tmp_path / "plain")
    for path in (odd, plain):
        with open(path, "wb") as stream:
            stream.write(OLD)
    store = DigestStore(database)
    digests = [store.digest(path) for path in (odd, plain)]
    store.save()
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT path FROM digests").fetchall() == [(plain,)]
    connection.close()
    assert [DigestStore(database).digest(path) for path in (odd, plain)] == digests
