"""Versions: PEP 440 with text as the way out, and Debian's order compared with dpkg itself."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from security.advisories.version import (
    DebianVersion,
    Ecosystem,
    PyPIVersion,
    UnorderedVersion,
    is_before,
    is_same,
    parse_version,
    split_ecosystem,
)

PYPI, DEBIAN = Ecosystem.PYPI, Ecosystem.DEBIAN


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("1.0.dev1", "1.0a1"),
        ("1.0a1", "1.0b1"),
        ("1.0rc1", "1.0"),
        ("1.0", "1.0.post1"),
        ("1.0", "1.0+local"),
        ("1.9", "1.10"),
        ("2020.1", "1!0.1"),
        ("1.0.0-alpha.1", "1.0"),
    ],
)
def test_pypi_follows_pep_440(lower: str, higher: str) -> None:
    one, other = parse_version(PYPI, lower), parse_version(PYPI, higher)
    assert is_before(one, other) is True
    assert is_before(other, one) is False
    assert not is_same(one, other)


@pytest.mark.parametrize(("one", "other"), [("1.0", "1.0.0"), ("v1.0", "1.0"), ("1.0RC1", "1rc1")])
def test_pypi_spellings_of_one_version_are_the_same(one: str, other: str) -> None:
    assert is_same(parse_version(PYPI, one), parse_version(PYPI, other))


@pytest.mark.parametrize("text", ["0.2.0-n653", "2019-09-12", "", "latest", "1" * 600, "9" * 5000])
def test_pypi_text_that_is_no_version_equals_only_itself(text: str) -> None:
    version = parse_version(PYPI, text)
    assert isinstance(version, UnorderedVersion)
    assert is_same(version, parse_version(PYPI, text))
    assert not is_same(version, parse_version(PYPI, "1.0"))
    assert is_before(version, parse_version(PYPI, "1.0")) is None
    assert is_before(parse_version(PYPI, "1.0"), version) is None


def test_public_part_of_a_local_build_is_kept() -> None:
    version = parse_version(PYPI, "2.1.0+cu118")
    assert isinstance(version, PyPIVersion) and str(version.public) == "2.1.0"


def test_versions_of_two_ecosystems_have_no_order() -> None:
    assert is_before(parse_version(PYPI, "1.0"), parse_version(DEBIAN, "1.0")) is None
    assert not is_same(parse_version(PYPI, "1.0"), UnorderedVersion("2"))


# Sorted; the hard cases of Debian Policy 5.6.12 and of packages that exist.
DEBIAN_SORTED = [
    "0~~",
    "0~",
    "0",
    "0.0~rc1-1",
    "0.0-1",
    "1.0~beta1~svn1245-1",
    "1.0~beta1-1",
    "1.0-1~bpo12+1",
    "1.0-1",
    "1.0-1+b1",
    "1.0-1+deb12u1",
    "1.0-1.1",
    "1.0-2",
    "1.0-10",
    "1.0+dfsg-1",
    "1.0.1-1",
    "1.0a-1",
    "1.1-1",
    "9" * 30 + "-1",
    "1:0.1-1",
    "1:1:2-1",
    "2:0",
]


def dpkg(one: str, operator: str, other: str) -> bool:
    """Ask dpkg, which must not complain."""
    done = subprocess.run(
        ["dpkg", "--compare-versions", one, operator, other], capture_output=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 0


@pytest.mark.process
@pytest.mark.system("dpkg")
@pytest.mark.parametrize("other", DEBIAN_SORTED)
def test_debian_agrees_with_dpkg_on_hard_cases(other: str) -> None:
    for one in DEBIAN_SORTED:
        a, b = parse_version(DEBIAN, one), parse_version(DEBIAN, other)
        assert is_before(a, b) is dpkg(one, "lt", other), (one, other)
        assert is_same(a, b) is dpkg(one, "eq", other), (one, other)


pieces = st.text(alphabet="019aZ.+~", max_size=6)
debian_versions = st.builds(
    lambda epoch, upstream, revision: f"{epoch}1{upstream}{revision}",
    st.sampled_from(["", "", "0:", "1:"]),
    pieces,
    st.one_of(st.just(""), st.text(alphabet="019aZ.+~", min_size=1, max_size=4).map("-{}".format)),
)


@pytest.mark.process
@pytest.mark.system("dpkg")
@settings(max_examples=250, deadline=None)
@given(one=debian_versions, other=debian_versions)
def test_debian_agrees_with_dpkg_on_any_version(one: str, other: str) -> None:
    a, b = parse_version(DEBIAN, one), parse_version(DEBIAN, other)
    assert is_before(a, b) is dpkg(one, "lt", other)
    assert is_same(a, b) is dpkg(one, "eq", other)


@given(st.lists(debian_versions, min_size=3, max_size=3))
def test_debian_order_is_transitive(texts: list[str]) -> None:
    a, b, c = (parse_version(DEBIAN, text) for text in texts)
    if is_before(a, b) and is_before(b, c):
        assert is_before(a, c)


@pytest.mark.parametrize("text", ["", "1.0_1", "a:1", "1-", "1 2", "1.0-1/2", ":1", "-1", "٣:1.0"])
def test_debian_text_that_dpkg_refuses_has_no_order(text: str) -> None:
    assert isinstance(parse_version(DEBIAN, text), UnorderedVersion)


def test_debian_without_revision_equals_revision_zero() -> None:
    assert is_same(parse_version(DEBIAN, "1.0"), parse_version(DEBIAN, "1.0-0"))
    assert isinstance(parse_version(DEBIAN, "1.0"), DebianVersion)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("PyPI", (PYPI, "")), ("Debian:12", (DEBIAN, "12")), ("npm", (None, "")), ("", (None, ""))],
)
def test_ecosystem_is_split_from_its_release(
    text: str, expected: tuple[Ecosystem | None, str]
) -> None:
    assert split_ecosystem(text) == expected


def test_names_of_pypi_are_normalized_and_debians_are_not() -> None:
    assert PYPI.normalize("Foo__Bar.baz") == "foo-bar-baz"
    assert DEBIAN.normalize("libfoo.bar") == "libfoo.bar"
