"""A server with API keys: the page asks for one, keeps it where scripts cannot read it, and shows what it allows."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Browser, expect

from browser.conftest import watched_page
from server._guarded import guarded
from tsuzuki.server import HttpOptions


async def test_signing_in_and_out(browser: Browser, tmp_path: Path) -> None:
    async with guarded(tmp_path, http=HttpOptions(port=0)) as running:
        assert running.server.http is not None
        async with watched_page(browser, running.server.http.url) as page:
            await page.goto("/ui/default/workflows?status=Running")
            await page.get_by_label("API key").fill("tsk_wrong")
            await page.get_by_role("button", name="Sign in").click()
            await expect(page.get_by_role("alert")).to_contain_text("not known")

            await page.get_by_label("API key").fill(running.keys["reader"])
            await page.get_by_role("button", name="Sign in").click()
            await expect(page.locator("h1")).to_have_text("Workflows")
            assert "status=Running" in page.url
            assert await page.evaluate("document.cookie") == ""
            (cookie,) = await page.context.cookies()
            assert cookie["httpOnly"]
            assert cookie["sameSite"] == "Strict"

            refused = await page.evaluate(
                """async (body) => (await fetch("/api/v1/workflows/w", {method: "POST",
                headers: {"content-type": "application/json"}, body})).status""",
                '{"workflowType": {"name": "Any"}, "taskQueue": {"name": "q"}}',
            )
            assert refused == 403, "a reader starts nothing"

            await page.get_by_role("button", name="Sign out").click()
            await expect(page.get_by_label("API key")).to_be_visible()


async def test_only_ways_of_this_server_are_gone_after(browser: Browser, tmp_path: Path) -> None:
    async with guarded(tmp_path, http=HttpOptions(port=0)) as running:
        assert running.server.http is not None
        async with watched_page(browser, running.server.http.url) as page:
            for to in (
                "//evil.example",
                "https://evil.example",
                "/\\evil.example",
                "javascript:alert(1)",
                "/%09/evil.example",
                "/%0A/evil.example",
                "/%0D%5Cevil.example",
            ):
                await page.goto(f"/ui/sign-in?to={to}")
                assert await page.locator("#sign-in").get_attribute("data-to") == "/"
