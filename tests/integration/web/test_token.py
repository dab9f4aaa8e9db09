"""The access token: where it is accepted, and where it never appears."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from ml_assets.orchestration.web.access_token import NO_TOKEN, AccessToken, make_token
from ml_assets.orchestration.web.origins import parse_origin
from resources.errors import ConfigurationError

from .site import BEARER, MUTATION, PUBLIC, QUERY, TOKEN, Site, serve_site


def test_address_with_the_token_logs_a_browser_in(site: Site) -> None:
    answer = site.send(f"/?token={TOKEN}")
    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert answer.headers["referrer-policy"] == "no-referrer"
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert attributes == ["Path=/graphql", "HttpOnly", "SameSite=Strict"]
    assert cookie.startswith(f"ml-assets-{site.port}=")
    assert TOKEN not in str(answer)
    assert site.post(MUTATION, {"Cookie": f"a=b; {cookie}", "Origin": site.origin}).status == 200
    assert site.is_changed()
    assert site.post(MUTATION, {"Cookie": cookie, "Origin": "https://a.example"}).status == 403
    assert site.post(MUTATION, {"Cookie": cookie, "Sec-Fetch-Site": "same-site"}).status == 403


def test_cookie_of_an_encrypted_site_is_never_sent_in_the_clear(site: Site) -> None:
    answer = site.send(f"/?token={TOKEN}", {"Host": "ui.example.org"})
    assert answer.headers["set-cookie"].endswith("; Secure")


@pytest.mark.parametrize(
    "token", ["", "x", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "%C3%A9", "%00"]
)
def test_wrong_token_logs_nobody_in(site: Site, token: str) -> None:
    answer = site.send(f"/?token={token}")
    assert (answer.status, "set-cookie" in answer.headers) == (401, False)
    assert "open the address that ml-assets ui printed" in answer.message


def test_token_leads_to_no_other_site(site: Site) -> None:
    for path in ("//evil.example/", "/%2Fevil.example", "/\\evil.example"):
        answer = site.send(f"{path}?token={TOKEN}")
        assert "location" not in answer.headers and "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": "Bearer \u00e9"},
        {"Cookie": f"ml-assets-{{port}}={TOKEN}"},
        {"Cookie": "ml-assets-{port}="},
        {"Cookie": f"token={TOKEN}"},
        {"X-Token": TOKEN},
        {"Referer": f"http://127.0.0.1/?token={TOKEN}"},
    ],
)
def test_token_elsewhere_is_not_accepted(site: Site, headers: dict[str, str]) -> None:
    given = {name: value.replace("{port}", str(site.port)) for name, value in headers.items()}
    assert site.post(MUTATION, given).status == 401


def test_cookie_of_another_server_is_not_accepted(site: Site) -> None:
    other = AccessToken(TOKEN, site.port + 1)
    cookie = f"{other.cookie_name}={other.cookie_value}"
    assert site.post(MUTATION, {"Cookie": cookie}).status == 401


def test_token_is_random_or_long() -> None:
    assert len({make_token(None) for _ in range(9)}) == 9
    assert len(make_token(None)) >= 43  # 256 bits in base64
    assert make_token("a" * 32) == "a" * 32
    for short in ("", "a" * 31, "a" * 40 + " ", "a" * 40 + "\n", "a" * 40 + "&", "\u00e9" * 40):
        with pytest.raises(ConfigurationError, match="ML_ASSETS_UI_TOKEN") as caught:
            make_token(short)
        assert not short or short not in str(caught.value)


def test_origin_is_an_origin() -> None:
    assert parse_origin("HTTPS://UI.example.org:443/") == PUBLIC
    assert parse_origin("http://127.0.0.1:8080") == "http://127.0.0.1:8080"
    assert parse_origin("http://[::1]:8080") == "http://[::1]:8080"
    for text in (
        "ui.example.org",
        "ftp://a",
        "http://",
        "http://a/b",
        "http://a@b",
        "http://a:b",
        "*",
    ):
        with pytest.raises(ConfigurationError, match="not an origin"):
            parse_origin(text)


def test_webserver_asks_for_the_token_even_without_the_guard(tmp_path: Path) -> None:
    with serve_site(tmp_path, is_guarded=False) as site:
        for answer in (
            site.get(MUTATION),
            site.post(MUTATION),
            site.send(f"/graphql%0A?query={quote(MUTATION)}"),
        ):
            assert (answer.status, answer.message) == (401, NO_TOKEN)
        assert not site.is_changed()
        assert site.post(QUERY).status == 200
        assert site.post(MUTATION, BEARER).status == 200
        assert site.is_changed()
