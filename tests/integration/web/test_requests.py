"""Requests of other sites, and requests that mean something else to Dagster than to the guard."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from .site import BEARER, JSON, MUTATION, PUBLIC, QUERY, Site

FOREIGN_ORIGINS = [
    "null",
    "https://evil.example",
    "http://127.0.0.1",
    "http://127.0.0.1:1",
    "http://127.0.0.1.evil.example:{port}",
    "http://localhost:{port}",  # another program of this machine may answer to this name
    "https://127.0.0.1:{port}",
    "http://127.0.0.1:{port}.evil.example",
    "http://127.0.0.1:{port} http://evil.example",
    "http://127.0.0.1:{port}/",
    "",
    PUBLIC,
]
FOREIGN_HOSTS = [
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1",
    "127.0.0.1:1",
    "127.0.0.1:{port}.",
    "localhost.:{port}",
    "LOCALHOST:{port}",
    "user@127.0.0.1:{port}",
    "127.0.0.1:{port}@evil.example",
    "0.0.0.0:{port}",
    "127.1:{port}",
    "2130706433:{port}",
    "[::ffff:127.0.0.1]:{port}",
    "localhost:0{port}",
    "",
]
#: Documents whose operation runs a mutation, in the forms that a filter overlooks.
MUTATIONS = [
    MUTATION,
    "# query\n" + MUTATION,
    "\ufeff\t,,, " + MUTATION,
    MUTATION.replace("mutation Change", "mutation"),
    MUTATION.replace("mutation Change", "mutation#{ query }\nChange"),
    MUTATION.replace("reportRunless", "version: reportRunless"),
    QUERY + " " + MUTATION,
    MUTATION.replace("{ report", "{ ...On } fragment On on Mutation { report", 1),
]
REPORTS = [
    "/report_asset_materialization/planted",
    "/report_asset_check/planted?check_name=a&passed=true",
    "/report_asset_observation/planted",
]


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_page_of_another_origin_neither_changes_nor_reads(site: Site, origin: str) -> None:
    headers = {"Origin": origin.format(port=site.port)}
    assert site.post(MUTATION, {**headers, **BEARER}).status == 403
    answer = site.get(QUERY, headers)
    assert (answer.status, b"version" in answer.body) == (403, False)
    assert not any(name.startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize("site_name", ["cross-site", "same-site", "", "none, cross-site"])
def test_request_that_the_browser_calls_foreign_is_refused(site: Site, site_name: str) -> None:
    headers = {"Sec-Fetch-Site": site_name}
    assert site.post(MUTATION, {**headers, **BEARER}).status == 403
    assert site.get(QUERY, {**headers, "Sec-Fetch-Mode": "no-cors"}).status == 403
    navigation = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert site.post(MUTATION, {**headers, **BEARER, **navigation}).status == 403
    frame = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    assert site.send("/", {**headers, **frame}).status == 403


def test_link_on_another_site_opens_the_ui(site: Site) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    answer = site.send("/", {**headers, "Sec-Fetch-Dest": "document"})
    assert (answer.status, answer.headers["x-frame-options"]) == (200, "SAMEORIGIN")


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_rebound_name_is_refused(site: Site, host: str) -> None:
    name = host.format(port=site.port)
    headers = {"Host": name, "Origin": f"http://{name}"}
    assert site.post(MUTATION, {**headers, **BEARER}).status in (400, 403)
    assert site.get(QUERY, {"Host": name}).status in (400, 403)


def test_headers_of_proxies_do_not_change_the_host(site: Site) -> None:
    evil = {"Host": f"evil.example:{site.port}"}
    own = f"127.0.0.1:{site.port}"
    for name in ("X-Forwarded-Host", "X-Host", "X-Original-Host", "Forwarded"):
        value = f"host={own}" if name == "Forwarded" else own
        assert site.get(QUERY, {**evil, name: value}).status == 403


@pytest.mark.parametrize("order", [0, 1])
def test_two_hosts_are_refused(site: Site, order: int) -> None:
    hosts = ["Host: evil.example", f"Host: 127.0.0.1:{site.port}"][:: -1 if order else 1]
    request = "\r\n".join(["GET /graphql?query={version} HTTP/1.1", *hosts, "", ""])
    assert site.send_bytes(request.encode()).status in (400, 403)


def test_request_without_host_is_refused(site: Site) -> None:
    assert site.send_bytes(b"GET /graphql?query={version} HTTP/1.0\r\n\r\n").status == 403


@pytest.mark.parametrize("name", ["127.0.0.1:{port}", "evil.example"])
def test_absolute_target_is_refused(site: Site, name: str) -> None:
    target = f"http://{name.format(port=site.port)}/graphql?query={quote(MUTATION)}"
    assert site.send(target).status == 400
    assert site.send("*", method="OPTIONS").status == 400


@pytest.mark.parametrize("document", MUTATIONS)
def test_mutation_needs_post_and_the_token(site: Site, document: str) -> None:
    assert site.get(document, BEARER).status == 405
    for name in ("Look", "Change", None):
        answer = site.post(document, operationName=name)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "open the address that ml-assets ui printed" in answer.message
    accept = {"Accept": "text/html"}  # Dagster answers with a page that has a form
    assert site.get(document, {**BEARER, **accept}).status == 405


@pytest.mark.parametrize(
    "path", ["/graphql%0A", "/graphql/", "//graphql", "/%67raphql", "/x/../graphql"]
)
def test_other_spelling_of_the_path_executes_nothing(site: Site, path: str) -> None:
    site.send(f"{path}?query={quote(MUTATION)}", BEARER)
    body = json.dumps({"query": MUTATION}).encode()
    assert site.send(path, JSON, method="POST", body=body).status in (400, 401, 405)


def test_parameters_of_get_are_sent_once(site: Site) -> None:
    look, change = quote(QUERY), quote(MUTATION)
    for text in (f"query={look}&query={change}", f"query={change}&query={look}"):
        assert site.send(f"/graphql?{text}", BEARER).status in (400, 405)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "post"])
def test_other_methods_are_refused(site: Site, method: str) -> None:
    body = json.dumps({"query": MUTATION}).encode()
    answer = site.send("/graphql", {**JSON, **BEARER}, method=method, body=body)
    assert answer.status in (400, 405)


def test_header_does_not_replace_the_method(site: Site) -> None:
    for name in ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"):
        assert site.get(MUTATION, {name: "POST", **JSON, **BEARER}).status == 405
        assert site.post(QUERY, {name: "GET"}).status == 200


def test_get_with_a_body_is_refused(site: Site) -> None:
    body = json.dumps({"query": MUTATION}).encode()
    target = f"/graphql?query={quote(QUERY)}"
    assert site.send(target, {**JSON, **BEARER}, body=body).status == 400
    chunked = {**JSON, **BEARER, "Transfer-Encoding": "chunked"}
    assert site.send(target, chunked).status == 400


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "text/plain; application/json",
        "application/jsonp",
        "",
        None,
    ],
)
def test_body_that_a_page_sends_unasked_is_refused(site: Site, content_type: str | None) -> None:
    headers = dict(BEARER) if content_type is None else {**BEARER, "Content-Type": content_type}
    for body in (json.dumps({"query": MUTATION}).encode(), MUTATION.encode()):
        target = f"/graphql?query={quote(MUTATION)}"
        assert site.send(target, headers, method="POST", body=body).status == 415
        assert site.send("/graphql", headers, method="POST", body=body).status == 415


def test_document_in_the_address_of_a_post_is_refused(site: Site) -> None:
    body = json.dumps({"query": QUERY}).encode()
    target = f"/graphql?query={quote(MUTATION)}"
    assert site.send(target, JSON, method="POST", body=body).status == 400
    assert site.send("/graphql?op=Look", JSON, method="POST", body=body).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"query"',
        json.dumps([{"query": MUTATION}]).encode(),
        json.dumps({"query": [MUTATION]}).encode(),
        json.dumps({"query": "{"}).encode(),
        json.dumps({"query": "fragment A on Query { version }"}).encode(),
        json.dumps({"query": "{a" * 50_000}).encode(),
        b"[" * 100_000,
        b'{"query": "\xff"}',
    ],
)
def test_body_that_is_no_request_is_refused(site: Site, body: bytes) -> None:
    assert site.send("/graphql", {**JSON, **BEARER}, method="POST", body=body).status == 400


def test_last_of_two_documents_in_one_body_is_judged(site: Site) -> None:
    body = f'{{"query": {json.dumps(QUERY)}, "query": {json.dumps(MUTATION)}}}'.encode()
    assert site.send("/graphql", JSON, method="POST", body=body).status == 401


def test_large_request_is_refused(site: Site) -> None:
    assert site.post("#" * 300_000 + "\n{version}").status == 413
    assert site.post(QUERY, variables={"a": "x" * 9_000_000}).status == 413


@pytest.mark.parametrize("target", REPORTS)
def test_report_needs_post_and_the_token(site: Site, target: str) -> None:
    assert site.send(target, JSON, method="POST", body=b"{}").status == 401
    assert site.send(target, {**BEARER, "Origin": "https://a.example"}, method="POST").status == 403
    site.send(target, BEARER)
    assert not site.is_changed()


def test_files_of_notebooks_are_not_served(site: Site) -> None:
    for path in ("/notebook", "/dagit/notebook"):
        assert site.send(f"{path}?path=/etc/a.ipynb&repoLocName=a", BEARER).status == 404


@pytest.mark.parametrize("path", ["/logs/../dagster.out", "/logs/%2e%2e/%2e%2e/x/history.db"])
def test_log_outside_of_the_logs_is_not_served(site: Site, path: str) -> None:
    assert site.send(path).status in (400, 404, 500)


def test_who_has_the_token_changes_something(site: Site) -> None:
    for headers in ({}, {"Origin": site.origin}, {"Sec-Fetch-Site": "same-origin"}):
        assert site.post(MUTATION, {**headers, **BEARER}).status == 200
        assert site.is_changed()
    assert site.send(REPORTS[0], BEARER, method="POST").status == 200
    assert site.is_changed()


def test_programs_of_this_machine_read_without_the_token(site: Site) -> None:
    for name in ("127.0.0.1", "localhost", "[::1]"):
        host = {"Host": f"{name}:{site.port}"}
        assert json.loads(site.post(QUERY, host).body)["data"]["version"]
        assert json.loads(site.get(QUERY, host).body)["data"]["version"]
    assert site.send("/server_info").status == 200


def test_proxy_serves_its_own_origin(site: Site) -> None:
    headers = {"Host": "ui.example.org", "Origin": PUBLIC}
    assert site.post(MUTATION, {**headers, **BEARER}).status == 200
    assert site.is_changed()
    assert site.post(MUTATION, {**headers, "Origin": site.origin, **BEARER}).status == 403
