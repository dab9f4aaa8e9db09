"""The SBOM: reproducible, with every package once, and nothing hostile left in it."""

import dataclasses
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from packageurl import PackageURL

from security.advisories.packages.package import Package as SystemPackage
from security.bom.cyclonedx import clean, public_address
from security.bom.lock_hashes import find_hashes
from security.bom.package_metadata import parse_metadata, read_metadata_header, resolve_needs
from security.bom.sbom import EnvironmentDescription, EnvironmentPackage, write_environment_bill
from tests.unit.security.bom.bill_profile import BillKind, check_bill
from tests.unit.security.bom.bill_samples import ENVIRONMENT, A, B, component, properties

ROOT = Path(__file__).parents[4]
WRITE = """
import sys
from security.bom.sbom import write_environment_bill
from tests.unit.security.bom.bill_samples import ENVIRONMENT
sys.stdout.buffer.write(write_environment_bill(ENVIRONMENT, tool_version="1"))
"""


def write(*packages: EnvironmentPackage, **changes: Any) -> dict[str, Any]:
    """Write a bill of some packages, check it and read it."""
    environment = dataclasses.replace(ENVIRONMENT, packages=packages, **changes)
    content = write_environment_bill(environment, tool_version="1")
    return check_bill(content, BillKind.ENVIRONMENT)


def only(document: dict[str, Any]) -> dict[str, Any]:
    (found,) = [one for one in document["components"] if one["type"] == "library"]
    return dict(found)


def test_same_environment_gives_the_same_bytes_in_any_order() -> None:
    packages = list(ENVIRONMENT.packages)
    random.Random(1).shuffle(packages)
    other = dataclasses.replace(
        ENVIRONMENT,
        packages=tuple(
            dataclasses.replace(one, hashes=one.hashes[::-1], locks=one.locks[::-1])
            for one in packages
        ),
        lock_files=ENVIRONMENT.lock_files[::-1],
    )

    assert write_environment_bill(other, tool_version="1") == write_environment_bill(
        ENVIRONMENT, tool_version="1"
    )


@pytest.mark.process
@pytest.mark.parametrize("seed", ["1", "2"])
def test_other_processes_write_the_same_bytes(seed: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITE],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed, "TZ": f"UTC+{seed}", "LC_ALL": "C"},
        capture_output=True,
        check=True,
    )

    assert done.stdout == write_environment_bill(ENVIRONMENT, tool_version="1")


def test_time_stands_in_it_only_if_it_is_given() -> None:
    assert "timestamp" not in write(*ENVIRONMENT.packages)["metadata"]
    content = write_environment_bill(
        ENVIRONMENT, tool_version="1", timestamp="2026-01-02T03:04:05Z"
    )
    check_bill(content, BillKind.ENVIRONMENT)
    assert json.loads(content)["metadata"]["timestamp"] == "2026-01-02T03:04:05Z"


def test_serial_number_is_another_for_another_content() -> None:
    first, second = write(*ENVIRONMENT.packages), write(*ENVIRONMENT.packages[:2])
    assert first["serialNumber"] != second["serialNumber"]


def test_package_says_whether_it_is_locked_or_installed() -> None:
    document = write(*ENVIRONMENT.packages)

    both = component(document, "pkg:pypi/numpy@2.3.0")
    locked = component(document, "pkg:pypi/numpy@2.2.0")
    installed = component(document, "pkg:pypi/pandas@3.0")
    assert properties(both, "package:state") == ["locked-and-installed"]
    assert properties(locked, "package:state") == ["locked"]
    assert properties(installed, "package:state") == ["installed"]
    assert (locked["scope"], "scope" in both) == ("optional", False)
    assert properties(installed, "package:missing") == ["hashes", "licences"]


def test_lock_and_environment_that_differ_point_at_each_other() -> None:
    document = write(*ENVIRONMENT.packages)

    for one, other in (("2.3.0", "2.2.0"), ("2.2.0", "2.3.0")):
        found = component(document, f"pkg:pypi/numpy@{one}")
        assert properties(found, "package:other") == [f"pkg:pypi/numpy@{other}"]


def test_two_distributions_of_one_name_are_both_listed() -> None:
    document = write(
        EnvironmentPackage("six", "1.0", installed=True),
        EnvironmentPackage("six", "1.1", installed=True),
        EnvironmentPackage("user", "1", installed=True, depends_on=("six",)),
    )

    (needs,) = [one for one in document["dependencies"] if one["ref"] == "pkg:pypi/user@1"]
    assert needs["dependsOn"] == ["pkg:pypi/six@1.0", "pkg:pypi/six@1.1"]


def test_hashes_of_the_lock_are_those_of_its_files() -> None:
    found = component(write(*ENVIRONMENT.packages), "pkg:pypi/numpy@2.3.0")

    (reference,) = found["externalReferences"]
    assert reference["type"] == "distribution"
    assert [one["content"] for one in reference["hashes"]] == [A, B]


def test_weak_hashes_are_no_evidence() -> None:
    weak = EnvironmentPackage("a", "1", ("x.lock",), ("md5:" + "a" * 32, "sha1:" + "a" * 40))

    found = only(write(weak))
    assert "externalReferences" not in found
    assert "hashes" in properties(found, "package:missing")


@pytest.mark.parametrize("version", ["1.0", "1!2.0", "1.0+local.1", "2.0rc1"])
def test_package_url_is_as_the_specification_writes_it(version: str) -> None:
    url = EnvironmentPackage("ruamel-yaml", version).purl

    assert url == PackageURL("pypi", None, "ruamel-yaml", version).to_string()
    assert PackageURL.from_string(url).version == version


def test_package_from_elsewhere_does_not_pass_for_that_of_the_index() -> None:
    local = EnvironmentPackage("numpy", "9", installed=True, origin="local", editable=True)
    git = EnvironmentPackage(
        "torch",
        "9",
        installed=True,
        origin="git+https://me:secret@git.invalid/torch",
        revision="c" * 40,
    )
    archive = EnvironmentPackage(
        "jax", "9", installed=True, origin="https://x.invalid/jax-9.whl?token=secret"
    )
    document = write(local, git, archive)

    assert component(document, local.purl)["purl"] == "pkg:generic/numpy@9"
    parsed = PackageURL.from_string(git.purl)
    assert parsed.qualifiers == {"vcs_url": f"git+https://git.invalid/torch@{'c' * 40}"}
    assert parsed.to_string() == git.purl
    assert PackageURL.from_string(archive.purl).qualifiers == {
        "download_url": "https://x.invalid/jax-9.whl"
    }
    assert "secret" not in json.dumps(document)


def test_lock_of_an_index_does_not_vouch_for_a_local_package() -> None:
    document = write(
        EnvironmentPackage("a", "1", ("run.lock",), (f"sha256:{A}",)),
        EnvironmentPackage("a", "1", installed=True, origin="local"),
    )

    assert properties(component(document, "pkg:generic/a@1"), "package:state") == ["installed"]
    assert properties(component(document, "pkg:pypi/a@1"), "package:other") == ["pkg:generic/a@1"]


@pytest.mark.parametrize(
    ("texts", "listed"),
    [
        (("MIT",), [{"license": {"id": "MIT"}}]),
        (("mit",), [{"license": {"id": "MIT"}}]),
        (("mit or apache-2.0",), [{"expression": "MIT OR Apache-2.0"}]),
        (
            ("BSD License", "MIT"),
            [{"license": {"name": "BSD License"}}, {"license": {"id": "MIT"}}],
        ),
        (("a\x1b[2Jb\nc",), [{"license": {"name": "a\\x1b[2Jb c"}}]),
        (("LicenseRef-own",), [{"expression": "LicenseRef-own"}]),
        (("MIT OR (",), [{"license": {"name": "MIT OR ("}}]),
    ],
)
def test_licences_are_as_declared(texts: tuple[str, ...], listed: list[dict[str, Any]]) -> None:
    found = only(write(EnvironmentPackage("a", "1", installed=True, licences=texts)))

    for one in found["licenses"]:
        assert one.get("license", one).pop("acknowledgement") == "declared"
    assert found["licenses"] == listed


def test_package_without_licence_says_so() -> None:
    found = only(write(EnvironmentPackage("a", "1", installed=True)))
    assert "licences" in properties(found, "package:missing")


def test_entries_without_a_pin_make_the_bill_incomplete() -> None:
    document = write(gaps=("requirements.txt:1: a>=1 (not pinned to one version)\x07",))

    assert document["compositions"][0]["aggregate"] == "incomplete"
    (gap,) = properties(document["metadata"], "lock:gap")
    assert gap.endswith("\\x07")
    assert write()["compositions"][0]["aggregate"] == "unknown"


def test_secrets_in_entries_and_requirements_are_left_out() -> None:
    text = "x @ git+https://me:sec@ret@x.invalid/x.git?token=secret#egg=x (from an address)"
    document = write(
        EnvironmentPackage("a", "1", installed=True, unreadable=(text,), licences=(text,)),
        gaps=(text,),
    )

    assert "sec" not in json.dumps(document["components"]) + json.dumps(document["metadata"])
    (gap,) = properties(document["metadata"], "lock:gap")
    assert gap == "x @ git+https://x.invalid/x.git#egg=x (from an address)"


def test_packages_of_the_system_are_listed_if_they_are_given() -> None:
    document = write(system=(SystemPackage("Debian:12", "openssl", "3.0.1-1", "openssl", 1),))

    assert only(document)["purl"] == "pkg:deb/debian/openssl@3.0.1-1?arch=source&distro=debian-12"


def test_interpreter_of_another_kind_is_not_called_cpython() -> None:
    document = write(implementation="pypy", python="3.11.13")

    found = component(document, "interpreter:pypy")
    assert found["purl"] == "pkg:generic/pypy@3.11.13" and "cpe" not in found


def test_thousands_of_packages_take_seconds() -> None:
    many = [EnvironmentPackage(f"p{n}", "1", installed=True) for n in range(3000)]
    assert len(write(*many)["components"]) == 3003


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("https://u:p@x.invalid:8/a?b=c#d", "https://x.invalid:8/a"),
        ("git@x.invalid:a/b.git", "x.invalid:a/b.git"),
        ("u:p@x.invalid/a", "x.invalid/a"),
        ("https://x.invalid/ä b", "https://x.invalid/%C3%A4%20b"),
        ("https://[", "not-an-address"),
        ("s3://bucket/key", "s3://bucket/key"),
        ("https://x.invalid/\x1b", "https://x.invalid/"),
    ],
)
def test_addresses_lose_what_may_be_secret(address: str, public: str) -> None:
    assert public_address(address) == public


def test_text_of_others_is_one_printable_line() -> None:
    assert clean("a\n b\x00\u202e\udcff") == "a b\\x00\\u202e\\udcff"
    assert len(clean("x" * 10_000)) <= 4000


HEADERS = {
    "License-Expression: MIT\nLicense: GPL": ("MIT",),
    "License: MIT": ("MIT",),
    "License: UNKNOWN": (),
    "License:\nName: a": (),
    "Classifier: License :: OSI Approved :: MIT License\nLicense: a\n b": ("MIT License",),
    "License: The long\n        text of it": ("The long",),
    "Classifier: License :: OSI Approved :: A\nClassifier: License :: B": ("A", "B"),
}


@pytest.mark.parametrize("header", HEADERS)
def test_licences_are_found_where_metadata_state_them(header: str) -> None:
    assert parse_metadata(f"Name: a\n{header}".encode()).licences == HEADERS[header]


def test_metadata_that_are_no_utf_8_are_shown_and_not_dropped() -> None:
    assert parse_metadata(b"License: \xe9").licences == ("\\xe9",)


def test_huge_metadata_are_refused(tmp_path: Path) -> None:
    place = tmp_path / "a-1.dist-info"
    place.mkdir()
    (place / "METADATA").write_bytes(b"Name: a\nKeywords: " + b"x" * (1 << 20))
    with pytest.raises(ValueError, match="more than 1 MiB"):
        read_metadata_header(str(place))


def test_text_below_the_header_is_no_metadata(tmp_path: Path) -> None:
    place = tmp_path / "a-1.dist-info"
    place.mkdir()
    (place / "METADATA").write_bytes(b"Name: a\r\nLicense: MIT\r\n\r\nLicense-Expression: GPL\r\n")
    assert parse_metadata(read_metadata_header(str(place))).licences == ("MIT",)


def test_extras_count_where_somebody_asks_for_them() -> None:
    needs = resolve_needs(
        {
            "app": ('server[fast]>=1 ; python_version >= "3"', "absent", "old; python_version<'3'"),
            "server": ("loop ; extra == 'fast'", "dev ; extra == 'dev'", "loop-base"),
            "loop": (),
            "loop-base": (),
            "dev": (),
            "old": (),
        },
        {"python_version": "3.11"},
    )

    assert needs["app"].names == ("server",)
    assert needs["server"].names == ("loop", "loop-base")


def test_requirement_that_nobody_can_parse_is_kept() -> None:
    needs = resolve_needs({"a": ("b ><1", "!!"), "b": ()}, {})
    assert needs["a"].unreadable == ("b ><1", "!!")
    found = only(
        write(EnvironmentPackage("a", "1", installed=True, unreadable=needs["a"].unreadable))
    )
    assert properties(found, "package:unreadable-requirement") == ["!!", "b ><1"]


REQUIREMENTS = f"""\
# --hash=sha256:{B} of nothing
One.Two==1.0 \\
    --hash=sha256:{A.upper()} \\
    --hash=sha512:{"c" * 128}
three==2  # --hash=sha256:{B}
four==3 --hash=sha256:{A} # --hash=sha256:{B}
five==4 \\
# --hash=sha256:{B}
six==5 --hash=sha256:nothex
"""


def test_hashes_are_read_as_pip_reads_them() -> None:
    found = find_hashes(REQUIREMENTS)

    assert found == {
        ("one-two", "1.0"): {f"sha256:{A}", f"sha512:{'c' * 128}"},
        ("four", "3"): {f"sha256:{A}"},
    }


LOCKS = {
    "pylock": f'[[packages]]\nname = "a"\nversion = "1"\n'
    f'wheels = [{{ name = "x", hashes = {{ sha256 = "{A}" }} }}]\n'
    f'sdist = {{ name = "y", hashes = {{ sha256 = "{B}" }} }}\n',
    "uv": f'[[package]]\nname = "a"\nversion = "1"\nsource = {{ registry = "r" }}\n'
    f'sdist = {{ hash = "sha256:{B}" }}\nwheels = [{{ hash = "sha256:{A}" }}, 3]\n',
    "poetry": f'[[package]]\nname = "A"\nversion = "1"\n'
    f'files = [{{ file = "x", hash = "sha256:{A}" }}, {{ hash = "sha256:{B}" }}, {{ hash = 1 }}]\n',
}


@pytest.mark.parametrize("kind", LOCKS)
def test_hashes_of_lock_files_in_toml_are_found(kind: str) -> None:
    assert find_hashes(LOCKS[kind]) == {("a", "1"): {f"sha256:{A}", f"sha256:{B}"}}


def test_environment_without_anything_still_has_its_interpreter() -> None:
    content = write_environment_bill(
        EnvironmentDescription("a", "", "cpython", "3.11.7", ()), tool_version="1"
    )
    check_bill(content, BillKind.ENVIRONMENT)
