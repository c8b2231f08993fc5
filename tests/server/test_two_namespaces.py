"""Two namespaces on one server, and a caller of one who tries for the other: nothing is seen, nothing is moved.

The caller is admin of its own namespace and knows everything of the other but its keys: ids, run ids, task and page
tokens. The server's time stands still: a task that was handed out must not time out by itself on a slow machine, which
would change what is compared. `TSUZUKI_SEED` repeats a run, `TSUZUKI_ROUNDS` makes it longer.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice import v1 as rpc
from temporalio.api.workflowservice.v1.service_pb2_grpc import WorkflowServiceStub

import tsuzuki.server._server
from server._hostile import Hostile
from server._running import in_process
from server.test_calls import start_request
from server.test_hostile_input import offered
from tsuzuki.engine import open_embedded
from tsuzuki.server import AccessFile, Role, Server, ServerOptions
from tsuzuki.server._calls import WAITS_S_MAX
from tsuzuki.testing import VirtualClock

SEED: Final = int(os.environ.get("TSUZUKI_SEED") or random.SystemRandom().randrange(2**32))
ROUNDS: Final = int(os.environ.get("TSUZUKI_ROUNDS") or 30)
MINE, THEIRS = "mine", "theirs"
SECRET: Final = b"the secret of theirs"
LONG_S: Final = 30.0
WAITING: Final = {*WAITS_S_MAX, "QueryWorkflow"}


@dataclass
class Tenant:
    """Somebody with a key for one namespace.

    Attributes:
        runs: The runs started there.
        tokens: Task tokens received there.
        pages: Page tokens received there.
    """

    stub: WorkflowServiceStub
    namespace: str
    metadata: tuple[tuple[str, str], ...]
    runs: list[WorkflowExecution] = field(default_factory=list)
    tokens: list[bytes] = field(default_factory=list)
    pages: list[bytes] = field(default_factory=list)

    async def call(self, name: str, request: Any) -> Any:
        return await getattr(self.stub, name)(request, metadata=self.metadata, timeout=LONG_S)

    async def populate(self) -> None:
        """Runs with a secret in all that a caller can put into one; some with a task handed out."""
        for number in range(5):
            request = start_request(f"w{number}", self.namespace)
            request.input.payloads.add().data = SECRET
            request.memo.fields["memo"].data = SECRET
            request.header.fields["header"].data = SECRET
            request.user_metadata.summary.data = SECRET
            started = await self.call("StartWorkflowExecution", request)
            self.runs.append(WorkflowExecution(workflow_id=f"w{number}", run_id=started.run_id))
        poll = rpc.PollWorkflowTaskQueueRequest(namespace=self.namespace, task_queue=TaskQueue(name="q"))
        self.tokens = [(await self.call("PollWorkflowTaskQueue", poll)).task_token for _ in range(2)]
        history = rpc.GetWorkflowExecutionHistoryRequest(namespace=self.namespace, maximum_page_size=1)
        history.execution.workflow_id = "w0"
        self.pages.append((await self.call("GetWorkflowExecutionHistory", history)).next_page_token)
        listing = rpc.ListWorkflowExecutionsRequest(namespace=self.namespace, page_size=2)
        self.pages.append((await self.call("ListWorkflowExecutions", listing)).next_page_token)

    async def everything(self) -> list[bytes]:
        """All histories and descriptions, to be compared."""
        seen = []
        for run in self.runs:
            request = rpc.GetWorkflowExecutionHistoryRequest(namespace=self.namespace, execution=run)
            seen.append((await self.call("GetWorkflowExecutionHistory", request)).history.SerializeToString())
            describe = rpc.DescribeWorkflowExecutionRequest(namespace=self.namespace, execution=run)
            info = (await self.call("DescribeWorkflowExecution", describe)).workflow_execution_info
            seen.append(info.SerializeToString(deterministic=True))
        return seen


async def test_a_caller_of_one_namespace_sees_and_moves_nothing_of_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"TSUZUKI_SEED={SEED} TSUZUKI_ROUNDS={ROUNDS} pytest tests/server/test_two_namespaces.py")
    db = tmp_path / "runs.db"
    monkeypatch.setattr(tsuzuki.server._server, "open_embedded", partial(open_embedded, clock=VirtualClock()))
    with AccessFile.of_database(db) as file:
        keys = {
            name: file.create(name, namespaces=[name], roles=[Role.ADMIN], now_s=0, expires_s=None)
            for name in (MINE, THEIRS)
        }
    options = ServerOptions(db=db, port=0, namespaces=(MINE, THEIRS), authentication="api key")
    async with in_process(options) as server, grpc.aio.insecure_channel(server.target) as channel:
        stub = WorkflowServiceStub(channel)
        theirs, mine = (Tenant(stub, name, (("authorization", f"Bearer {keys[name]}"),)) for name in (THEIRS, MINE))
        await theirs.populate()
        before = await theirs.everything()
        codes = await try_everything(server, channel, mine, theirs)
        print(codes)
        assert await theirs.everything() == before
        assert {"OK", "PERMISSION_DENIED", "INVALID_ARGUMENT", "NOT_FOUND"} <= codes.keys(), "it got that far"


async def try_everything(server: Server, channel: grpc.aio.Channel, mine: Tenant, theirs: Tenant) -> Counter[str]:
    """Rounds of one request for each RPC, of which no answer shows the secret."""
    own = WorkflowExecution(workflow_id="w0")
    hostile = Hostile(
        random.Random(SEED),
        {
            "namespace": [MINE] * 6 + [THEIRS, ""],
            "workflow_id": ["w0", "w1", "w2"],
            "run_id": [run.run_id for run in theirs.runs],
            "execution": [*theirs.runs, own],
            "workflow_execution": [*theirs.runs, own],
            "task_queue": [TaskQueue(name="q")],
            "task_token": theirs.tokens,
            "next_page_token": [*theirs.pages, b"", b""],
            "query": ["", "WorkflowId = 'w0'", f"RunId = '{theirs.runs[0].run_id}'"],
        },
    )
    codes: Counter[str] = Counter()
    for number in range(ROUNDS):
        for each in offered(server):
            request = hostile.request(each.request).SerializeToString()
            call = channel.unary_unary(each.path)(
                request, metadata=mine.metadata, timeout=0.1 if each.name in WAITING else LONG_S
            )
            code = await asyncio.wait_for(call.code(), 2 * LONG_S)
            codes[code.name] += 1
            told = str(await call.details()) + str(await call.trailing_metadata())
            answer = await call if code is grpc.StatusCode.OK else b""
            assert SECRET not in answer, f"round {number}: {each.name} on {request!r}"
            assert SECRET.decode() not in told, f"round {number}: {each.name} on {request!r}"
            assert code is not grpc.StatusCode.INTERNAL
    return codes
