"""The official TypeScript SDK: its worker and client against our server, scenario by scenario.

Skipped where there is no Node, or its packages cannot be fetched. Built once, in the run's own folder.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError

from sdk._programs import run, run_or_skip, running, tool
from server._running import in_subprocess

SOURCE: Final = Path(__file__).with_name("typescript")
SCENARIOS: Final = re.findall(r"^  async (\w+)\(", (SOURCE / "src" / "scenarios.ts").read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the compiled program."""
    tool("node", "the official TypeScript SDK cannot be tried")
    npm = tool("npm", "the official TypeScript SDK cannot be fetched")
    folder = tmp_path_factory.mktemp("typescript") / "build"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("node_modules", "lib"))
    run_or_skip([npm, "ci", "--ignore-scripts", "--prefer-offline"], folder, "npm packages")
    run([npm, "run", "build"], folder)
    return folder


@pytest.fixture(scope="module")
def outcomes(build: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What went wrong in each scenario; empty if nothing did."""
    with (
        in_subprocess(tmp_path_factory.mktemp("server") / "runs.db") as server,
        running(["node", "lib/worker.js", server.target], build),
    ):
        asyncio.run(register_search_attribute(server.target))
        done = subprocess.run(
            ["node", "lib/scenarios.js", server.target],
            cwd=build,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {line["scenario"]: line["failure"] for line in lines}


async def register_search_attribute(target: str) -> None:
    client = await Client.connect(target)
    with suppress(RPCError):  # a server that takes them unregistered
        request = AddSearchAttributesRequest(namespace="default", search_attributes={"CustomKeywordField": 2})
        await client.operator_service.add_search_attributes(request)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(outcomes: dict[str, str], scenario: str) -> None:
    assert outcomes[scenario] == ""
