"""Task queues and workers, in a browser."""

from __future__ import annotations

import re

from playwright.async_api import Page, expect
from temporalio.api.enums.v1 import WorkerStatus
from temporalio.api.worker.v1 import WorkerHeartbeat
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest, RecordWorkerHeartbeatRequest

from browser._shop import ACTIVITIES, EVIL, TASK_QUEUE, Fulfil, Order, Ship
from browser.conftest import picture
from browser.test_runs import order
from tsuzuki.client import Client
from tsuzuki.server import Server
from tsuzuki.worker import Worker


async def test_what_waits_and_who_takes_it(page: Page, client: Client) -> None:
    await (await order(client, 1)).result()
    for number in range(3):
        await client.start_workflow(Ship.run, number, id=f"ship-{number}", task_queue="courier")
    await page.goto("/")
    await page.get_by_role("link", name="Task queues").click()
    served = page.locator(f"tr[data-queue={TASK_QUEUE}]")
    await expect(served).to_contain_text("Served")
    await expect(served).to_contain_text("workflow, activity")
    waiting = page.locator("tr[data-queue=courier]")
    await expect(waiting).to_contain_text("Not served")
    await expect(waiting.locator("td").nth(2)).to_contain_text("3")
    await expect(waiting.locator("td").nth(4)).to_contain_text(re.compile(r"workflow [0-9.]*[1-9] in, 0\.0 out"))
    await expect(page.locator(".banner.bad")).to_contain_text("tsuzuki worker run my.module --task-queue courier")
    await expect(page.locator("tr[data-queue]")).to_have_count(2)  # no sticky ones
    await picture(page, "task-queues", height=330)

    async with Worker(client, task_queue="courier", workflows=[Ship], activities=ACTIVITIES):
        await expect(waiting).to_contain_text("Served")  # by itself
        await expect(waiting.locator("td").nth(2)).to_contain_text("0")
    await waiting.get_by_role("link", name="courier").click()
    await expect(page.locator(".runs tbody tr")).to_have_count(3)


async def test_workers_that_tell_and_workers_that_only_poll(page: Page, client: Client, server: Server) -> None:
    told = WorkerHeartbeat(
        worker_instance_key="1", worker_identity="prices@7", task_queue=TASK_QUEUE, sdk_name="go", sdk_version="1.40"
    )
    told.status = WorkerStatus.WORKER_STATUS_RUNNING
    told.activity_task_slots_info.current_used_slots = 3
    told.activity_task_slots_info.current_available_slots = 7
    told.activity_task_slots_info.total_processed_tasks = 1200
    told.activity_task_slots_info.total_failed_tasks = 4
    told.heartbeat_time.GetCurrentTime()
    await server.service.record_worker_heartbeat(
        RecordWorkerHeartbeatRequest(namespace="default", worker_heartbeat=[told])
    )
    seen = PollActivityTaskQueueRequest(namespace="default", identity="silent@9")
    seen.task_queue.name = "quiet"
    await server.service.poll_activity_task_queue(seen, wait_ns=1)
    await client.execute_workflow(Fulfil.run, Order(1, ["tea"]), id="order-1", task_queue=TASK_QUEUE)
    await page.goto("/ui/default/workers")
    own = page.locator("tr", has_text="tsuzuki 0.1.0")
    await expect(own).to_contain_text("0 of 100")
    await expect(own).to_contain_text(TASK_QUEUE)
    teller = page.locator("tr[data-worker='prices@7']")
    await expect(teller).to_contain_text("3 of 10")
    await expect(teller).to_contain_text("1,200 done, 4 failed")
    await expect(teller).to_contain_text("go 1.40")
    await expect(page.locator("tr", has_text="Polls")).to_contain_text("silent@9")
    await picture(page, "workers", height=330)
    evil = WorkerHeartbeat(worker_instance_key="2", worker_identity=EVIL, task_queue=EVIL, sdk_name=EVIL)
    await server.service.record_worker_heartbeat(
        RecordWorkerHeartbeatRequest(namespace="default", worker_heartbeat=[evil])
    )
    await expect(page.locator("tr", has_text="Unknown")).to_contain_text("<script>")  # by itself
    assert await page.evaluate("window.hacked") is None


async def test_without_any_the_page_says_how_to_begin(page: Page, server: Server) -> None:
    for path in ("task-queues", "workers"):
        await page.goto(f"/ui/default/{path}")
        await expect(page.locator(".empty")).to_contain_text("tsuzuki worker run my.module")
