"""Ground truth: packages and versions checked by hand against the bundled PyPA advisories.

Each row was read off the records' ranges and lists, not off this program's output.
"""

import pytest

from security.advisories.database import AdvisoryDatabase
from security.advisories.packages.package import Package
from security.advisories.vulnerability import Vulnerability, match_packages
from tests.osv_records import NOW

KNOWN = [
    ("requests", "2.2.1", "2014-13 2014-14 2015-17 2018-28"),
    ("requests", "2.19.1", "2018-28 2023-74"),
    ("requests", "2.20.0", "2023-74"),
    ("Requests", "2.30.0", "2023-74"),
    ("requests", "2.31.0", ""),
    ("requests", "2.32.3", ""),
    ("certifi", "2015.4.27", ""),
    ("certifi", "2022.9.24", "2022-42986 2023-135"),
    ("certifi", "2022.12.7", "2023-135"),
    ("certifi", "2023.7.22", ""),
    ("idna", "3.6", "2024-60"),
    ("idna", "3.7", ""),
    ("joblib", "1.1.0", "2022-288"),
    ("joblib", "1.2.0", ""),
    ("scikit_learn", "0.23.0", "2020-107 2020-108"),
    ("scikit-learn", "0.23.1", "2020-108"),
    ("scikit-learn", "0.24.0", ""),
    ("loguru", "0.5.2", "2022-14"),  # and a withdrawn record that names no versions
    ("loguru", "0.5.3", ""),
    ("redis", "4.1.0", ""),
    ("redis", "4.3.5", "2023-45 2023-46"),
    ("redis", "4.3.6", "2023-46"),
    ("redis", "4.4.4", ""),
    ("redis", "4.5.3", "2023-46"),
    ("redis", "5.0.0", ""),  # only a withdrawn record covers it
    ("zstd", "1.5.5.1", "2023-121"),
    ("numpy", "1.9.0", "2017-1 2019-108 2021-854 2021-855 2021-856 2021-857"),
    ("numpy", "1.19.0", "2021-856"),
    ("numpy", "1.26.4", ""),
    ("PyYAML", "5.1", "2020-176 2020-96 2021-142"),
    ("PyYAML", "5.2", "2020-96 2021-142"),
    ("PyYAML", "5.3.1", "2021-142"),
    ("PyYAML", "5.4", ""),
    ("Flask", "0.12.3", "2019-179 2023-62"),
    ("flask", "2.2.5", ""),
    ("flask", "2.3.1", "2023-62"),
    ("py", "1.11.0", "2022-42969"),
    ("py", "1.12.0", ""),  # last affected: 1.11.0
    ("torch", "1.13.0+cu117", "2022-43015"),
    ("torch", "1.13.1+cu117", ""),
    ("cryptography", "2.2.2", "2018-52 2021-62 2023-11"),
    ("cryptography", "40.0.0", "2023-112 2023-254"),
    ("cryptography", "41.0.6", ""),
    ("Jinja2", "2.10", "2019-217 2021-66"),
    ("jinja2", "2.11.3", ""),
    ("wheel", "0.38.0", "2022-43017"),
    ("wheel", "0.38.1", ""),
    ("setuptools", "65.5.0", "2022-43012"),
    # The end of one interval is the start of the next, and the events are not sorted; only the
    # record's prose says that 0.13.1 is affected, beside its ranges.
    ("apache-iotdb", "0.12.6", "2022-42972 2023-8"),
    ("apache-iotdb", "0.13.1", "2022-42972 2023-5 2023-6 2023-7 2023-8"),
    ("apache-iotdb", "0.14.0", "2023-8"),
    ("gratient", "0.5", "2024-1"),
    ("gratient", "0.4", ""),
    ("a-package-that-nobody-wrote", "1.0", ""),
]


def match(database: AdvisoryDatabase, name: str, version: str) -> tuple[Vulnerability, ...]:
    """Match one package."""
    package = Package("PyPI", name, version, name, 1)
    return match_packages(database, [package], at=NOW).vulnerabilities


@pytest.mark.parametrize(("name", "version", "expected"), KNOWN)
def test_package_has_exactly_its_known_vulnerabilities(
    bundled: AdvisoryDatabase, name: str, version: str, expected: str
) -> None:
    found = match(bundled, name, version)
    advisories = {identifier for one in found for identifier in one.advisories}
    assert advisories == {f"PYSEC-{number}" for number in expected.split()}
    assert all(one.certain for one in found)


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        ("binderhub", "0.1.0", "PYSEC-2021-371"),  # fixed in 0.2.0-n653, which has no order
        ("steam", "1.0", "PYSEC-2019-125"),  # fixed in 2019-09-12
        ("requests", "2.20.0-custom!", None),
    ],
)
def test_what_cannot_be_told_is_reported_as_uncertain(
    bundled: AdvisoryDatabase, name: str, version: str, expected: str | None
) -> None:
    found = match(bundled, name, version)
    uncertain = {identifier for one in found if not one.certain for identifier in one.advisories}
    assert uncertain
    assert expected is None or expected in uncertain


def test_vulnerability_says_what_a_person_needs(bundled: AdvisoryDatabase) -> None:
    (found,) = match(bundled, "idna", "3.6")
    assert found.id == "CVE-2024-3651"
    assert found.ids == ("CVE-2024-3651", "PYSEC-2024-60")
    assert found.fixed == ("3.7",)
    assert found.summary and found.reason
    assert found.package.name == "idna"
