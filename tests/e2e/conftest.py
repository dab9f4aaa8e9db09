"""Fixtures of the end-to-end tests: one served repository and one browser for each worker."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ViewportSize, sync_playwright

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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real browser."""
    executable = find_executable("chromium")
    assert executable is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_BROWSER_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def open_screen(browser: Browser) -> Iterator[OpenScreen]:
    """Open pages that nobody has visited before; none may ask another host for anything."""
    screens: list[Screen] = []

    def open_screen(address: str, *, width: int = 2600, scale: float = 1) -> Screen:
        size = ViewportSize(width=width, height=width * 9 // 16)
        page = browser.new_page(viewport=size, device_scale_factor=scale)
        screens.append(Screen(page, address))
        return screens[-1]

    yield open_screen
    for screen in screens:
        screen.page.close()
        assert screen.foreign_requests() == []


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
