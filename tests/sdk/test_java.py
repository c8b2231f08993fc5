"""The official Java SDK: its worker and client against our server, scenario by scenario.

Skipped where there is no JDK or Maven, or its jars cannot be fetched. Built once, in the run's own folder; Maven only
fetches.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from sdk._programs import run, run_or_skip, tool
from server._running import in_subprocess

SOURCE: Final = Path(__file__).with_name("java")
SCENARIOS: Final = re.findall(r'all\.put\("(\w+)"', (SOURCE / "src" / "scenarios" / "Main.java").read_text())
SCENARIOS_S_MAX: Final = 500


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs it."""
    java = tool("java", "the official Java SDK cannot be tried")
    javac = tool("javac", "a program on the official Java SDK cannot be built")
    maven = tool("mvn", "the official Java SDK cannot be fetched")
    folder = tmp_path_factory.mktemp("java") / "build"
    shutil.copytree(SOURCE, folder)
    fetch = [maven, "--batch-mode", "--quiet", "dependency:build-classpath", "-Dmdep.outputFile=classpath"]
    run_or_skip(fetch, folder, "jars")
    jars = (folder / "classpath").read_text().strip()
    run([javac, "-d", "classes", "-cp", jars, *map(str, sorted(folder.glob("src/scenarios/*.java")))], folder)
    return [java, "-cp", f"{folder / 'classes'}:{jars}", "scenarios.Main"]


@pytest.fixture(scope="module")
def outcomes(program: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What went wrong in each scenario; empty if nothing did."""
    with in_subprocess(tmp_path_factory.mktemp("server") / "runs.db") as server:
        done = subprocess.run(
            [*program, server.target], capture_output=True, text=True, timeout=SCENARIOS_S_MAX, check=False
        )
    assert done.returncode == 0, done.stderr
    return dict(re.findall(r"^scenario (\w+): (.*)$", done.stdout, re.MULTILINE))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(outcomes: dict[str, str], scenario: str) -> None:
    assert outcomes[scenario] == ""
