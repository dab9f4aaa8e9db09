"""A person without the token looks, a person with it starts runs."""

from __future__ import annotations

import tempfile

import pytest
from playwright.sync_api import expect

from ml_assets.orchestration.web.access_token import NO_TOKEN

from .sample import Sample
from .screen import OpenScreen
from .server import Server

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.system("chromium"),
]

METRICS = "main/reports/metrics.json"


def test_printed_address_lets_a_person_start_a_run(
    open_screen: OpenScreen, server: Server, sample: Sample
) -> None:
    """The address in the browser loses the token, and a click on `Materialize` starts a run.

    Its stages see neither the token nor the private directory of the server.
    """
    look = "import os, tempfile\nprint('sees', tempfile.gettempdir(), sorted(os.environ))\n"
    sample.edit("code/evaluate.py", "best = max(", f"{look}best = max(")
    screen = open_screen(server.url)
    screen.page.goto(server.address)
    screen.settle()
    assert "token" not in screen.page.url
    assert server.announced["token"] not in screen.page.evaluate("document.cookie")
    screen.open_asset(METRICS)
    run = screen.launch("Materialize")
    screen.wait_for_run("Success")
    assert sample.ran() == ["evaluate"]
    assert server.announced["token"] not in server.output
    output = server.standard_output(run)
    assert f"sees {tempfile.gettempdir()} [" in output
    assert "ML_ASSETS" not in output


def test_person_without_the_token_is_told_where_to_get_it(
    open_screen: OpenScreen, server: Server, sample: Sample
) -> None:
    """The page shows everything; a click on `Materialize` shows an error and starts nothing."""
    screen = open_screen(server.url)
    screen.open_asset(METRICS)
    expect(screen.page.get_by_text("GraphQL error")).to_have_count(0)
    screen.button("Materialize").first.click()
    screen.page.get_by_text("View error").click()
    expect(screen.page.get_by_text(NO_TOKEN).first).to_be_visible()
    assert sample.ran() == []
