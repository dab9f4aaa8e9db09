"""Which addresses the broker reads: those of the protected branch and of remotes, and below."""

import pytest

from resources.dvc.configuration.remote_listing import RemoteListing
from resources.errors import ConfigurationError

LISTING = RemoteListing(
    cache={},
    default="store",
    remotes={
        "store": {"url": "s3://bucket/store", "endpointurl": "http://s3", "region": "eu"},
        "web": {"url": "https://example.org/data/"},
        "inner": {"url": "remote://store/inner"},
        "disk": {"url": "/disk"},
    },
    sources=(
        {"url": "s3://public/rows.csv"},
        {"url": "s3://other/folder", "endpointurl": "http://other"},
        {"url": "data/raw.csv"},
    ),
)


@pytest.mark.parametrize(
    ("url", "settings", "address"),
    [
        ("s3://public/rows.csv", {}, None),
        ("s3://public/rows.csv", {"version_aware": True}, None),
        ("s3://other/folder/deep/a", {"endpointurl": "http://other"}, None),
        ("s3://bucket/store/a", {}, None),
        ("s3://bucket/store/a..b/..c", {"endpointurl": "http://s3"}, None),
        ("https://example.org/data/a", {}, None),
        ("remote://store/a", {}, "s3://bucket/store"),
        ("remote://STORE/a", {}, "s3://bucket/store"),
        ("remote://inner/a", {}, "s3://bucket/store"),
    ],
)
def test_named_address_and_all_below_is_read(
    url: str, settings: dict[str, object], address: str | None
) -> None:
    config, found = LISTING.select_source(url, settings)
    assert found == (address or url)
    assert ("store" in config.get("remote", {})) == (address is not None)


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("s3://public/rows.csv.bak", {}),
        ("s3://public", {}),
        ("s3://bucket/storehouse", {}),
        ("s3://bucket/store/../other", {}),
        ("s3://bucket/store/..", {}),
        ("https://example.org/data/%2e%2e/private", {}),
        ("https://example.org/data/%2E./private", {}),
        ("https://example.org/data/..%2Fprivate", {}),
        ("https://example.org/data/..\\private", {}),
        ("https://example.org/data/..?x", {}),
        ("https://example.org.evil/data/a", {}),
        ("https://example.org/data@evil/a", {}),
        ("s3://public/rows.csv", {"endpointurl": "http://evil"}),
        ("s3://other/folder/a", {}),
        ("s3://other/folder/a", {"endpointurl": "http://other", "configpath": "/evil"}),
        ("s3://bucket/store/a", {"region": "us"}),
        ("remote://store/a", {"endpointurl": "http://evil"}),
        ("remote://store/../a", {}),
        ("remote://unknown/a", {}),
        ("remote://", {}),
        ("data/raw.csv", {}),
        ("/disk/a", {}),
        ("", {}),
    ],
)
def test_other_address_or_setting_is_refused(url: str, settings: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        LISTING.select_source(url, settings)


def test_hint_shows_no_password_and_no_query() -> None:
    with pytest.raises(ConfigurationError) as refused:
        LISTING.select_source("s3://joe:s3cret@evil/a?token=s3cret", {"secret": "s3cret"})
    assert "s3cret" not in refused.value.message + refused.value.hint
    assert "remote.NAME.url s3://evil/a" in refused.value.hint
