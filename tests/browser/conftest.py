"""A browser for all tests, and for each a server with its worker, on one loop.

The browser is the Chromium of the system (`tools/chromium.sh` installs Debian's). A violation of the content security
policy, an error of a script or a request to anywhere else fails the test that caused it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect
from pytest_asyncio import is_async_test

from browser._shop import ACTIVITIES, TASK_QUEUE, WORKFLOWS
from tsuzuki.client import Client
from tsuzuki.server import HttpOptions, Server, ServerOptions
from tsuzuki.worker import Worker

expect.set_options(timeout=60_000)  # the machine may be loaded

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
_WITHOUT_PATH = """(root) => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) walker.currentNode.data = walker.currentNode.data.replaceAll(root, "");
}"""
"""Where this checkout stands is nobody's business."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of this folder share a loop, and so a browser: to start one takes longer than most of them."""
    for item in items:
        if Path(__file__).parent in item.path.parents and is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def chromium() -> str | None:
    """The browser's program, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[Server]:
    server = await Server.start(ServerOptions(port=0, http=HttpOptions(port=0)))
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def client(server: Server) -> AsyncIterator[Client]:
    """A client, with a worker for `_shop` beside it."""
    async with (
        await Client.connect(server.target) as connected,
        Worker(connected, task_queue=TASK_QUEUE, workflows=WORKFLOWS, activities=ACTIVITIES),
    ):
        yield connected


@pytest.fixture
def url(server: Server) -> str:
    """Of the page."""
    assert server.http is not None
    return server.http.url


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    program = chromium()
    if program is None:
        pytest.skip("no Chromium: tools/chromium.sh installs Debian's where it may")
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--no-proxy-server"])
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, url: str) -> AsyncIterator[Page]:
    """A page that must break no rule."""
    async with watched_page(browser, url) as opened:
        yield opened


def watched_page(browser: Browser, url: str, **options: Any) -> WatchedPage:
    """A page of its own context; what it did wrong is raised at the end."""
    return WatchedPage(browser, url, options)


class WatchedPage:
    def __init__(self, browser: Browser, url: str, options: dict[str, Any]) -> None:
        self._browser = browser
        self._url = url
        self._options = {"viewport": {"width": 1280, "height": 860}, "timezone_id": "UTC", **options}
        self.wrong: list[str] = []

    async def __aenter__(self) -> Page:
        self._context = await self._browser.new_context(base_url=self._url, **self._options)
        self._page = page = await self._context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: self.wrong.append(f"script error: {error}"))
        page.on("console", lambda said: self._hear(said.type, said.text))
        page.on("request", lambda request: self._leaves(request.url))
        return page

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        await self._page.unroute_all(behavior="ignoreErrors")  # the page may ask for more in its last moment
        await self._context.close()
        if kind is None:
            assert self.wrong == []

    def _hear(self, kind: str, text: str) -> None:
        if "Content Security Policy" in text or "Content-Security-Policy" in text:
            self.wrong.append(text)

    def _leaves(self, url: str) -> None:
        if not url.startswith((self._url, "data:", "blob:")):
            self.wrong.append(f"asked elsewhere: {url}")


async def picture(page: Page, name: str, *, height: int = 860) -> None:
    """Take a picture for the documents, where that is asked for: `TSUZUKI_PICTURES=1`."""
    if os.environ.get("TSUZUKI_PICTURES"):
        PICTURES.mkdir(exist_ok=True)
        await page.evaluate(_WITHOUT_PATH, f"{ROOT}/")
        await page.screenshot(path=PICTURES / f"{name}.png", clip={"x": 0, "y": 0, "width": 1280, "height": height})
