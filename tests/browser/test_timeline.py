"""The timeline of a run, and what is pending, in a browser: retries as they happen, zoom by keyboard and pointer."""

from __future__ import annotations

import re

from playwright.async_api import Browser, CDPSession, Page, expect

from browser._shop import TASK_QUEUE, Fulfil, Ship
from browser.conftest import picture, watched_page
from browser.test_runs import ended, order
from tsuzuki.client import Client


async def drawn(page: Page) -> str:
    """The timeline as it is drawn; of a closed run it stays so."""
    return await page.locator("#timeline svg").inner_html()


async def test_what_is_pending_and_its_retries(page: Page, client: Client) -> None:
    await client.start_workflow(Ship.run, 1, id="ship-1", task_queue=TASK_QUEUE)
    await page.goto("/ui/default/workflows/ship-1")
    pending = page.locator(".pending tbody tr")
    await expect(pending).to_contain_text("waiting to retry")
    await expect(pending).to_contain_text("CourierError: the courier is on strike")
    await expect(pending.locator("time")).to_have_text(re.compile(r"in [34]\d\.\ds"))  # it counts down
    first = await pending.locator("time").text_content()
    await expect(pending.locator("time")).not_to_have_text(str(first))
    await pending.locator("summary").click()
    await expect(pending.locator("pre")).to_contain_text("in ship")
    async with page.expect_response("**/ship-1/**fragment=1"):
        pass
    await expect(pending.locator("pre")).to_be_visible()  # what is read stays open when it is drawn anew
    await expect(page.locator("#timeline rect.failed")).to_have_count(1)
    await expect(page.locator("#timeline")).to_contain_text(re.compile(r"attempt 2, next in [34]\ds"))
    await picture(page, "pending", height=760)
    await pending.get_by_role("button", name="Pause").click()
    await expect(pending).to_contain_text("paused")
    await pending.get_by_role("button", name="Go on").click()
    await expect(pending).not_to_contain_text("paused")
    attempt = pending.locator("td").nth(3)
    await expect(pending.get_by_role("button", name="Try now")).to_be_visible()
    before = await attempt.text_content()
    await pending.get_by_role("button", name="Try now").click()
    await expect(attempt).to_have_text("2")
    assert before in ("2", "3")


async def test_zoom_by_keyboard_and_pointer(page: Page, client: Client) -> None:
    await ended(await order(client, 1))
    await page.goto("/ui/default/workflows/order-1")
    await expect(page.locator("#timeline rect.activity")).to_have_count(4)
    await expect(page.locator("#timeline rect.failed")).to_have_count(1)  # the attempt before the last
    whole = await drawn(page)
    await page.keyboard.press("+")
    assert await drawn(page) != whole
    await page.keyboard.press("0")
    assert await drawn(page) == whole
    timeline = page.locator("#timeline")
    await timeline.focus()
    await page.keyboard.press("+")
    zoomed = await drawn(page)
    await page.keyboard.press("-")
    assert await drawn(page) == whole, "one key press is one step"
    await page.keyboard.press("+")
    await page.keyboard.press("ArrowLeft")
    assert await drawn(page) != zoomed
    await page.keyboard.press("0")

    box = await timeline.bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] - 8)
    await page.mouse.move(*middle)
    await page.keyboard.down("Control")
    await page.mouse.wheel(0, -300)
    await page.keyboard.up("Control")
    await expect(page.locator("#timeline rect.activity")).not_to_have_count(4)
    await page.mouse.down()
    await page.mouse.move(middle[0] + 400, middle[1])
    await page.mouse.up()
    await expect(page.locator("#event")).to_be_hidden()  # it was dragged, not clicked
    await page.get_by_role("button", name="Fit").click()
    assert await drawn(page) == whole
    await page.mouse.click(middle[0], box["y"] + 30)
    await expect(page.locator("#event-title")).to_contain_text("find_price")


async def touch(session: CDPSession, kind: str, *at: tuple[float, float]) -> None:
    points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(at)]
    await session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


async def test_two_fingers_zoom_and_one_moves(browser: Browser, client: Client, url: str) -> None:
    await ended(await order(client, 1))
    async with watched_page(browser, url, viewport={"width": 390, "height": 844}, has_touch=True) as page:
        await page.goto("/ui/default/workflows/order-1")
        timeline = page.locator("#timeline")
        await expect(page.locator("#timeline rect.activity")).to_have_count(4)
        await timeline.scroll_into_view_if_needed()
        whole = await drawn(page)
        box = await timeline.bounding_box()
        assert box is not None
        x, y = box["x"] + 240, box["y"] + box["height"] - 12
        fingers = await page.context.new_cdp_session(page)
        changed = "(before) => document.querySelector('#timeline svg').innerHTML !== before"

        await touch(fingers, "touchStart", (x - 20, y), (x + 20, y))
        for apart in (30, 45, 60):
            await touch(fingers, "touchMove", (x - apart, y), (x + apart, y))
        await touch(fingers, "touchEnd")
        await page.wait_for_function(changed, arg=whole)
        assert await page.evaluate("visualViewport.scale") == 1, "the timeline is zoomed, not the page"

        zoomed = await drawn(page)
        await touch(fingers, "touchStart", (x, y))
        await touch(fingers, "touchMove", (x + 60, y))
        await touch(fingers, "touchEnd")
        await page.wait_for_function(changed, arg=zoomed)
        await expect(page.locator("#event")).to_be_hidden()  # it was dragged, not tapped

        moved = await drawn(page)
        await touch(fingers, "touchStart", (x - 80, y), (x + 80, y))
        for apart in (40, 20, 10):
            await touch(fingers, "touchMove", (x - apart, y), (x + apart, y))
        await touch(fingers, "touchEnd")
        await page.wait_for_function(changed, arg=moved)
        await page.wait_for_function(
            "(whole) => document.querySelector('#timeline svg').innerHTML === whole", arg=whole
        )


async def test_the_keys_are_listed(page: Page, client: Client) -> None:
    await client.start_workflow(Fulfil.run, id="w", task_queue="nobody", args=[{}])
    await page.goto("/")
    await page.keyboard.press("?")
    await expect(page.locator("#keys-dialog")).to_contain_text("timeline: zoom in")
    await page.keyboard.press("Escape")
    for key, title in (("q", "Task queues"), ("k", "Workers"), ("s", "Schedules"), ("w", "Workflows")):
        await page.keyboard.press("g")
        async with page.expect_navigation():
            await page.keyboard.press(key)
        await expect(page.locator("h1")).to_have_text(title)
