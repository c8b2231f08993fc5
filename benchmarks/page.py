"""How long the HTTP port takes for a list of runs and for a long history: `python -m benchmarks.page [--runs 1000]`.

Wall time and processor time (of server and client, which are one process here), the best of several.
"""

from __future__ import annotations

import argparse
import asyncio
import time

import httpx
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest

from tsuzuki.server import HttpOptions, Server, ServerOptions

AT_ONCE = 1000
REPEATS = 5
SIGNALS = 9_000
PATHS = (
    "/ui/default/workflows",
    "/ui/default/workflows?status=Failed",
    "/ui/default/workflows?type=Type3",
    "/api/v1/namespaces/default/workflows?pageSize=1000",
    "/ui/default/workflows/w0/{run}/rows",
    "/ui/default/workflows/w0/{run}/rows?token={token}",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="runs in the store")
    asyncio.run(measure(parser.parse_args().runs))


async def measure(runs: int) -> None:
    server = await Server.start(ServerOptions(port=0, http=HttpOptions(port=0)))
    assert server.http is not None
    for first in range(0, runs, AT_ONCE):
        await asyncio.gather(*(_start(server, number) for number in range(first, min(first + AT_ONCE, runs))))
    for first in range(0, SIGNALS, AT_ONCE):
        await asyncio.gather(*(_signal(server) for _ in range(first, first + AT_ONCE)))
    async with httpx.AsyncClient(base_url=server.http.url, trust_env=False, timeout=60) as http:
        described = (await http.get("/api/v1/workflows/w0")).json()
        run = described["workflowExecutionInfo"]["execution"]["runId"]
        token = (await http.get(f"/ui/default/workflows/w0/{run}/rows")).json()["next"]
        print(
            f"{runs:,} runs, one with {described['workflowExecutionInfo']['historyLength']} events; best of {REPEATS}"
        )
        for path in PATHS:
            wall, processor, size = await _best(http, path.format(run=run, token=token))
            print(f"{wall * 1000:8.1f} ms {processor * 1000:8.1f} ms cpu {size:9,} bytes  {path}")
    await server.stop()


async def _start(server: Server, number: int) -> None:
    request = StartWorkflowExecutionRequest(namespace="default", workflow_id=f"w{number}", request_id=str(number))
    request.workflow_type.name = f"Type{number % 7}"
    request.task_queue.name = "q"
    await server.service.start_workflow_execution(request)


async def _signal(server: Server) -> None:
    request = SignalWorkflowExecutionRequest(namespace="default", signal_name="s")
    request.workflow_execution.workflow_id = "w0"
    await server.service.signal_workflow_execution(request)


async def _best(http: httpx.AsyncClient, path: str) -> tuple[float, float, int]:
    walls, processors, size = [], [], 0
    for _ in range(REPEATS):
        wall, processor = time.perf_counter(), time.process_time()
        answer = await http.get(path)
        answer.raise_for_status()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
        size = len(answer.content)
    return min(walls), min(processors), size


if __name__ == "__main__":
    main()
