"""How long the web page takes with many runs and with a long history: `python -m benchmarks.page [--runs 1000 100000]`.

First the HTTP port alone: wall time and processor time (of server and client, which are one process here), the best of
several. Then what a person waits for, in the Chromium of the system: from the click to the rows.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
import time
from pathlib import Path

import httpx
from playwright.async_api import Page, async_playwright
from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    RespondActivityTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
    StartWorkflowExecutionRequest,
)

from tsuzuki.server import HttpOptions, Server, ServerOptions

AT_ONCE = 500
REPEATS = 5
EVENTS = 50_000
LISTS = {
    "a page of the list of runs": "/ui/default/workflows",
    "the same, of one type": "/ui/default/workflows?type=Type3",
    "the same, failed ones (there are none)": "/ui/default/workflows?status=Failed",
    "1,000 runs as JSON": "/api/v1/namespaces/default/workflows?pageSize=1000",
    "children of a run": "/ui/default/workflows/w0/{run}/children",
}
HISTORY = {
    "the page of the long run": "/ui/default/workflows/long/{run}",
    "the first 200 rows of its history": "/ui/default/workflows/long/{run}/rows",
    "the next 2,000 rows": "/ui/default/workflows/long/{run}/rows?token={token}",
}
IN_THE_BROWSER = {
    "list of runs: rows are there": ("/ui/default/workflows", "document.querySelector('.runs tbody tr')"),
    "long run: first rows are there": (
        "/ui/default/workflows/long/{run}",
        "document.querySelector('#history .row')",
    ),
    "long run: all of it is there": (
        "/ui/default/workflows/long/{run}",
        "document.querySelector('#loaded')?.textContent.startsWith('EVENTS')",
    ),
}
_UNTIL = """() => new Promise((resolve) => {
    const look = () => (THERE ? resolve(performance.now()) : requestAnimationFrame(look));
    look();
})"""
_TO_THE_END = """() => new Promise((resolve) => {
    const box = document.querySelector("#history");
    const began = performance.now();
    box.dispatchEvent(new KeyboardEvent("keydown", {key: "End"}));
    const shown = () => box.querySelector(".row.at");
    const look = () => (shown() ? resolve(performance.now() - began) : requestAnimationFrame(look));
    requestAnimationFrame(look);
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, nargs="+", default=[1000], help="runs in the store, for one table each")
    for runs in parser.parse_args().runs:
        asyncio.run(measure(runs))


async def measure(runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        options = ServerOptions(db=Path(folder) / "runs.db", port=0, http=HttpOptions(port=0))
        server = await Server.start(options)
        assert server.http is not None
        for first in range(0, runs, AT_ONCE):
            await asyncio.gather(*(_start(server, number) for number in range(first, min(first + AT_ONCE, runs))))
        events = await _make_long(server)
        print(f"{runs:,} runs and one of {events:,} events; the best of {REPEATS}")
        async with httpx.AsyncClient(base_url=server.http.url, trust_env=False, timeout=60) as http:
            first_run = await _run_of(http, "w0")
            long_run = await _run_of(http, "long")
            token = (await http.get(f"/ui/default/workflows/long/{long_run}/rows")).json()["next"]
            for what, path in LISTS.items():
                await _tell(http, what, path.format(run=first_run))
            for what, path in HISTORY.items():
                await _tell(http, what, path.format(run=long_run, token=token))
        await _in_the_browser(server.http.url, long_run, events)
        await server.stop()


async def _start(server: Server, number: int) -> None:
    await _start_named(server, f"w{number}", f"Type{number % 7}", "q")


async def _start_named(server: Server, workflow_id: str, kind: str, queue: str) -> None:
    request = StartWorkflowExecutionRequest(namespace="default", workflow_id=workflow_id, request_id=workflow_id)
    request.workflow_type.name = kind
    request.task_queue.name = queue
    await server.service.start_workflow_execution(request)


async def _make_long(server: Server) -> int:
    """A run of activities, `AT_ONCE` of them with each workflow task."""
    await _start_named(server, "long", "Long", "long")
    events, number = 2, 0
    while events + 4 < EVENTS:
        wanted = min(AT_ONCE, (EVENTS - events - 4) // 3) or 1
        workflow_poll = PollWorkflowTaskQueueRequest(namespace="default", identity="bench")
        workflow_poll.task_queue.name = "long"
        task = await server.service.poll_workflow_task_queue(workflow_poll)
        commands = [_schedule(number + each) for each in range(wanted)]
        number += wanted
        await server.service.respond_workflow_task_completed(
            RespondWorkflowTaskCompletedRequest(task_token=task.task_token, commands=commands, namespace="default")
        )
        await asyncio.gather(*(_do_activity(server) for _ in range(wanted)))
        events += 3 + 3 * wanted
    return events


def _schedule(number: int) -> Command:
    command = Command(command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK)
    attributes = command.schedule_activity_task_command_attributes
    attributes.activity_id = str(number)
    attributes.activity_type.name = f"step{number % 5}"
    attributes.task_queue.name = "long"
    attributes.start_to_close_timeout.seconds = 60
    attributes.input.payloads.add(metadata={"encoding": b"json/plain"}, data=b'{"number": %d}' % number)
    return command


async def _do_activity(server: Server) -> None:
    poll = PollActivityTaskQueueRequest(namespace="default", identity="bench")
    poll.task_queue.name = "long"
    task = await server.service.poll_activity_task_queue(poll)
    done = RespondActivityTaskCompletedRequest(task_token=task.task_token, namespace="default")
    done.result.payloads.add(metadata={"encoding": b"json/plain"}, data=b'"done"')
    await server.service.respond_activity_task_completed(done)


async def _run_of(http: httpx.AsyncClient, workflow_id: str) -> str:
    described = (await http.get(f"/api/v1/workflows/{workflow_id}")).json()
    return str(described["workflowExecutionInfo"]["execution"]["runId"])


async def _tell(http: httpx.AsyncClient, what: str, path: str) -> None:
    walls, processors, size = [], [], 0
    for _ in range(REPEATS):
        wall, processor = time.perf_counter(), time.process_time()
        answer = await http.get(path)
        answer.raise_for_status()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
        size = len(answer.content)
    print(f"{min(walls) * 1000:8.1f} ms {min(processors) * 1000:8.1f} ms cpu {size:9,} bytes  {what}")


async def _in_the_browser(url: str, long_run: str, events: int) -> None:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        print("no Chromium here: what a person waits for is not measured")
        return
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--no-proxy-server"])
        page = await browser.new_page(base_url=url)
        for what, (path, there) in IN_THE_BROWSER.items():
            waited = await _best(page, path.format(run=long_run), there.replace("EVENTS", f"{events:,}"))
            print(f"{waited:8.1f} ms in the browser  {what}")
        print(f"{await page.evaluate(_TO_THE_END):8.1f} ms in the browser  long run: from the first row to the last")
        await browser.close()


async def _best(page: Page, path: str, there: str) -> float:
    """Milliseconds from the click on a link to what it leads to; by the clock of the browser."""
    waited = []
    for _ in range(REPEATS):
        await page.goto(path, wait_until="commit")
        waited.append(float(await page.evaluate(_UNTIL.replace("THERE", there))))
    return min(waited)


if __name__ == "__main__":
    main()
