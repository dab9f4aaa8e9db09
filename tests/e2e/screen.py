"""The screen: the Dagster UI in a browser, used as a person uses it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit, urlunsplit

from playwright.sync_api import FloatRect, Locator, Page, Request, WebSocket, expect

_SLOW = 30_000  # milliseconds that something on the page may take to appear
_SPINNERS = "[class*='Spinner'], [class*='Skeleton'], [aria-label='Loading']"
_LARGEST_PICTURE = 300_000  # bytes
_LOCAL_SCHEMES = ("data", "blob")  # of what a page has made itself


expect.set_options(timeout=_SLOW)


class Screen:
    """One page of a browser that shows a server.

    Args:
        address: of the server, with the token for who may change something.
    """

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.url = urlunsplit((*urlsplit(address)[:2], "", "", ""))
        self.requests: list[str] = []
        page.set_default_timeout(_SLOW)
        page.on("request", self._note)
        page.on("websocket", self._note)
        page.request.get(address, max_redirects=0)  # keeps the cookie

    def _note(self, request: Request | WebSocket) -> None:
        self.requests.append(request.url)

    def foreign_requests(self) -> list[str]:
        """Return the addresses so far that are not the server's."""
        here = urlsplit(self.url).netloc
        addresses = [(urlsplit(url), url) for url in self.requests]
        return [
            url
            for parts, url in addresses
            if parts.netloc != here and parts.scheme not in _LOCAL_SCHEMES
        ]

    def open(self, path: str) -> None:
        """Open a page of the UI and wait until it has its data."""
        self.page.goto(f"{self.url}{path}")
        self.settle()

    def settle(self) -> None:
        """Wait until nothing on the page is loading any more."""
        self.page.wait_for_load_state("networkidle")
        expect(self.page.locator(_SPINNERS)).to_have_count(0)

    def button(self, name: str) -> Locator:
        """Return the button of this name; an icon's name may stand before it."""
        return self.page.get_by_role("button", name=re.compile(rf"(^|\s){re.escape(name)}$"))

    def open_lineage(self) -> None:
        """Open the lineage of all assets with its groups expanded."""
        self.open("/asset-groups")
        self.expand_groups()

    def open_selection(self, selection: str) -> None:
        """Open the lineage of some assets, with nothing beside it."""
        self.open(f"/asset-groups~{quote(selection, safe='')}/")
        self.button("Hide navigation").click()
        self.page.get_by_role("img", name="panel_show_right").click()

    def expand_groups(self) -> None:
        """Expand all groups of the lineage on the screen."""
        self.page.locator("foreignObject.group").first.wait_for()
        self.page.get_by_role("img", name="settings").last.click()
        self.page.get_by_role("menuitem", name="Expand all groups").click()
        self.page.keyboard.press("Escape")
        self.settle()

    def node(self, name: str) -> Locator:
        """Return the node of the lineage with this name."""
        title = self.page.locator("[class*='assetName']").filter(has_text=_exactly(name))
        return self.page.locator("foreignObject").filter(has=title)

    def left_edge(self, name: str) -> float:
        """Return how far from the left a node of the lineage lies, in pixels."""
        box = self.node(name).bounding_box()
        assert box is not None, f"not on the page: {name}"
        return box["x"]

    def open_asset(self, key: str) -> None:
        """Open the page of an asset."""
        self.open(f"/assets/{key}")

    def value(self, key: str) -> Locator:
        """Return the cell that holds a metadata value."""
        key_cell = self.page.locator("td").filter(has_text=_exactly(key))
        return self.page.locator("tr").filter(has=key_cell).locator("td").last

    def launch(self, button: str, *, confirm: bool = False) -> str:
        """Click a button that launches a run; show that run and return its id.

        Args:
            confirm: Dagster asks whether one is sure.
        """
        self.button(button).first.click()
        if confirm:
            self.page.get_by_role("dialog").get_by_role("button", name="Confirm").click()
        self.page.get_by_text("Launched run").wait_for()
        self.page.get_by_role("link", name="View", exact=True).click()
        self.page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}"))
        found = re.search(r"/runs/([0-9a-f-]{36})", self.page.url)
        assert found is not None, self.page.url
        return found[1]

    def wait_for_run(self, status: str) -> None:
        """Wait until the run that is shown has ended with this status."""
        ended = self.page.get_by_text(re.compile(r"^(Success|Failure|Canceled)$")).first
        expect(ended).to_be_visible(timeout=2 * _SLOW)
        expect(ended).to_have_text(status)

    def show_standard_output(self) -> None:
        """Show what the first step of the run on the screen has written."""
        self.page.get_by_text("STEP_START", exact=True).wait_for()
        self.button("stdout").click()
        steps = self.page.get_by_placeholder("Select a step")
        steps.click()
        steps.press("Enter")

    def reload_definitions(self) -> None:
        """Click `Reload definitions` and wait until that is done."""
        self.button("Reload definitions").click()
        self.page.get_by_text("Definitions reloaded").wait_for()
        self.settle()

    def picture(self, file: Path, *, without: int = 0) -> None:
        """Take a picture of what is on the screen, for the documentation.

        Args:
            without: pixels at the bottom that are left out.

        Raises:
            AssertionError: something is still loading, or the picture is too large.
        """
        self.settle()
        self.page.mouse.move(0, 0)
        size = self.page.viewport_size
        assert size is not None
        clip = FloatRect(x=0, y=0, width=size["width"], height=size["height"] - without)
        png = self.page.screenshot(animations="disabled", clip=clip)
        assert len(png) < _LARGEST_PICTURE, f"{file.name}: {len(png)} bytes"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png)


def _exactly(text: str) -> re.Pattern[str]:
    return re.compile(rf"^\s*{re.escape(text)}\s*$")


class OpenScreen(Protocol):
    """Opens pages that nobody has visited before."""

    def __call__(self, address: str, *, width: int = 2600, scale: float = 1) -> Screen:
        """Open a page on a server's address, which may have the token.

        Args:
            width: in the page's pixels; its height is nine sixteenths of that.
            scale: pixels of a picture for each of the page's.
        """
