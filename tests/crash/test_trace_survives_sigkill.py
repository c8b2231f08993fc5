"""A process that dies in the middle of a traced workflow: the next one goes on with the trace and the context."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).with_name("traced_program.py")
SECONDS_MAX = 180


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), f"sqlite:///{folder}/runs.db", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)


def test_one_trace_with_each_span_once_and_the_context_of_the_dead_process(tmp_path: Path) -> None:
    killed = run(tmp_path)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = run(tmp_path)
    assert resumed.stdout == "ada\n", resumed.stderr
    log = (tmp_path / "log").read_text().splitlines()
    assert log == ["first ada", "second ada", "second ada", "third ada"]

    spans = [json.loads(line) for line in (tmp_path / "spans").read_text().splitlines()]
    assert len({trace_id for _, trace_id, _, _ in spans}) == 1
    once = {span_id: (name, parent) for name, _, span_id, parent in spans}
    names = {span_id: name for span_id, (name, _) in once.items()}
    found = sorted(f"{names.get(parent, '')} > {name}" for name, parent in once.values())
    assert found == [
        " > StartWorkflow:Steps",
        "StartActivity:step > RunActivity:step",
        "StartActivity:step > RunActivity:step",
        "StartActivity:step > RunActivity:step",
        "StartWorkflow:Steps > CompleteWorkflow:Steps",
        "StartWorkflow:Steps > RunWorkflow:Steps",
        "StartWorkflow:Steps > StartActivity:step",
        "StartWorkflow:Steps > StartActivity:step",
        "StartWorkflow:Steps > StartActivity:step",
    ]
    # The task that scheduled the second activity may have been lost with the process, and run again: the same span.
    assert len(spans) - len(once) <= 1
