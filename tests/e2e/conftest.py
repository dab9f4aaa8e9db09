"""Fixtures of the end-to-end tests: one served repository and one browser for each worker."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    ViewportSize,
    sync_playwright,
)

from tools.system_packages import find_executable

from .sample import Sample, copy_sample, make_sample
from .screen import OpenScreen, Screen
from .server import Server, serve

#: Set to write the pictures of docs/pictures; takes minutes, because it runs the whole example.
PICTURES_VARIABLE = "WRITE_PICTURES"

collect_ignore = [] if os.environ.get(PICTURES_VARIABLE) else ["test_pictures.py"]

_BROWSER_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
#: Everything that a page can store; the cache of compiled scripts is none of it.
_STORED = "cookies,file_systems,indexeddb,local_storage,service_workers,cache_storage"


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """What drives browsers."""
    with sync_playwright() as playwright:
        yield playwright


def _executable() -> str:
    executable = find_executable("chromium")
    assert executable is not None
    return executable


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """A real browser, in which each page is compiled again."""
    browser = playwright.chromium.launch(executable_path=_executable(), args=_BROWSER_OPTIONS)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def profile(
    playwright: Playwright, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BrowserContext]:
    """A real browser with a profile, which keeps the compiled scripts of the UI on the disk.

    To compile them takes half of the CPU time that a page takes.
    """
    context = playwright.chromium.launch_persistent_context(
        tmp_path_factory.mktemp("profile"), executable_path=_executable(), args=_BROWSER_OPTIONS
    )
    yield context
    context.close()


@pytest.fixture
def open_screen(request: pytest.FixtureRequest) -> Iterator[OpenScreen]:
    """Open pages that nobody has visited before; none may ask another host for anything.

    The first page of a test uses the profile, without what the pages of other tests have stored.
    """
    screens: list[Screen] = []

    def open_screen(address: str, *, width: int = 2600, scale: float = 1) -> Screen:
        size = ViewportSize(width=width, height=width * 9 // 16)
        if screens or scale != 1:
            browser: Browser = request.getfixturevalue("browser")
            page = browser.new_page(viewport=size, device_scale_factor=scale)
        else:
            context: BrowserContext = request.getfixturevalue("profile")
            page = _open_unvisited(context, address)
            page.set_viewport_size(size)
        screens.append(Screen(page, address))
        return screens[-1]

    yield open_screen
    for screen in screens:
        screen.page.close()
        assert screen.foreign_requests() == []


def _open_unvisited(context: BrowserContext, address: str) -> Page:
    """Open a page without cookies, and without anything that pages of its origin have stored."""
    context.clear_cookies()
    page = context.new_page()
    origin = "://".join(urlsplit(address)[:2])
    session = context.new_cdp_session(page)
    session.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": _STORED})
    session.detach()
    return page


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A repository whose pipeline has run, committed; only ever copied."""
    sample = make_sample(tmp_path_factory.mktemp("template") / "project")
    document = sample.materialize()
    assert document["status"] == "passed", document
    sample.ran()
    sample.must("git", "add", "--all")
    sample.must("git", "commit", "--quiet", "--message", "the first run")
    return sample


@pytest.fixture(scope="session")
def served(
    template: Sample, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Sample, Server]]:
    """A copy of the repository with `ml-assets ui` on it."""
    home = tmp_path_factory.mktemp("served")
    sample = copy_sample(template, home / "project")
    sample.materialize()
    with serve(sample.root, sample.environment, home / "server.log") as server:
        yield sample, server


@pytest.fixture
def sample(served: tuple[Sample, Server]) -> Sample:
    """The served repository, as it was committed and up to date, with no notes of what ran."""
    sample, server = served
    if sample.must("git", "status", "--porcelain").stdout:
        sample.must("git", "reset", "--quiet", "--hard", "main")
        sample.must("git", "clean", "--quiet", "--force", "-d")
        sample.materialize()
        server.reload()
    assert server.stale() == {}
    sample.ran()
    return sample


@pytest.fixture
def server(served: tuple[Sample, Server], sample: Sample) -> Server:
    """The server of the repository `sample`."""
    return served[1]


@pytest.fixture
def screen(open_screen: OpenScreen, server: Server) -> Screen:
    """A page of the browser on the server of the repository `sample`."""
    return open_screen(server.address)
