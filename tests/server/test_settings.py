"""Settings: flags over a file over defaults, all of them listed, and a slip of the pen is named."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import grpc
import pytest
from temporalio.api.workflowservice.v1.service_pb2_grpc import WorkflowServiceStub
from temporalio.client import Client
from temporalio.service import RPCError
from typer.testing import CliRunner

from server._running import in_process, in_subprocess
from server.test_calls import start_request
from tsuzuki.cli._app import _app
from tsuzuki.engine import Limits
from tsuzuki.server import FIXED, SETTINGS, ServerOptions, Settings, SettingsError


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "tsuzuki.toml"
    file.write_text(
        """
        [server]
        db = "from-file.db"
        port = 0

        [limits]
        id_characters_max = 60
        workflow_task_timeout_default_s = 2.5
        """
    )
    return file


def test_flags_go_before_the_file_and_the_file_before_defaults(config: Path) -> None:
    settings = Settings.read(config, {"db": "from-flag.db", "host": None})
    sources = {setting.key: value.source for setting, value in settings.items()}
    assert (settings["server.db"], sources["server.db"]) == ("from-flag.db", "--db")
    assert (settings["server.port"], sources["server.port"]) == (0, str(config))
    assert (settings["server.host"], sources["server.host"]) == ("127.0.0.1", "default")
    limits = Limits(id_characters_max=60, workflow_task_timeout_default_ns=2_500_000_000)
    assert settings.limits == limits


def test_without_anything_the_limits_are_temporals() -> None:
    assert Settings.read(None, {}).limits == Limits()


def test_every_limit_is_listed_with_what_it_means(config: Path) -> None:
    shown = CliRunner().invoke(_app, ["server", "settings", "--config", str(config)])
    rows = {line.split()[0]: line for line in shown.output.splitlines() if line.strip()}
    assert SETTINGS.keys() | FIXED.keys() < rows.keys()
    assert len(fields(Limits)) == sum(setting.section == "limits" for setting in SETTINGS.values())
    assert all(setting.meaning for setting in SETTINGS.values())
    assert str(config) in rows["limits.id_characters_max"]
    assert "2097152" in rows["limits.payload_bytes_max"]
    assert "default" in rows["limits.payload_bytes_max"]
    assert "fixed" in rows["message_bytes_max"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[limits]\npayload_byte_max = 1", "Did you mean limits.payload_bytes_max?"),
        ("[limits]\npayload_bytes_max = 0", "a whole number, at least 1"),
        ("[limits]\npayload_bytes_max = '2 MiB'", "a whole number, at least 1"),
        ("[limits]\nsignals_max = true", "a whole number, at least 1"),
        ("[limits]\nworkflow_task_timeout_max_s = -1", "a number of seconds above 0"),
        ("[limits]\nworkflow_task_timeout_max_s = inf", "a number of seconds above 0"),
        ("[limits]\nworkflow_task_timeout_max_s = nan", "a number of seconds above 0"),
        ("[server]\nrequire_api_key = 'yes'", "true or false"),
        ("[server]\nhost = 1", "a text in quotes"),
        ("port = 1", "outside of a table"),
        ("[server", "is no TOML"),
        ("[elsewhere]\nx = 1", "no setting elsewhere.x"),
    ],
)
def test_a_slip_of_the_pen_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as refused:
        Settings.read(file, {})
    assert said in str(refused.value)
    started = CliRunner().invoke(_app, ["server", "start", "--config", str(file)])
    assert (
        started.exit_code,
        "wrong.toml" in started.output or "limits" in started.output or "server." in started.output,
    ) == (2, True)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings.read(tmp_path / "none.toml", {})


async def test_a_server_keeps_the_limits_of_its_file(config: Path, tmp_path: Path) -> None:
    with in_subprocess(tmp_path / "runs.db", arguments=("--config", str(config))) as running:
        async with grpc.aio.insecure_channel(running.target) as channel:
            stub = WorkflowServiceStub(channel)
            await stub.StartWorkflowExecution(start_request("x" * 20))
            with pytest.raises(grpc.aio.AioRpcError, match="the limit is 60"):
                await stub.StartWorkflowExecution(start_request("x" * 61))


# ---- limits of namespaces ----------------------------------------------------------------------------

OF_NAMESPACES = """
[limits]
signals_max = 9
history_events_max = 500

[namespaces.small]
signals_max = 2
workflow_task_timeout_default_s = 3
"""


def test_a_namespace_may_have_limits_of_its_own(tmp_path: Path) -> None:
    """What it does not say of itself is as for all; the list shows what it says, and what would count else."""
    file = tmp_path / "tsuzuki.toml"
    file.write_text(OF_NAMESPACES)
    settings = Settings.read(file, {})
    assert settings.limits == Limits(signals_max=9, history_events_max=500)
    small = Limits(signals_max=2, history_events_max=500, workflow_task_timeout_default_ns=3_000_000_000)
    assert settings.namespace_limits == {"small": small}
    shown = CliRunner().invoke(_app, ["server", "settings", "--config", str(file)])
    [row] = [line for line in shown.output.splitlines() if line.split()[:1] == ["namespaces.small.signals_max"]]
    assert row.split()[1:4] == ["2", "9", str(file)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[namespaces.small]\nsignal_max = 2", "Did you mean limits.signals_max"),
        ("[namespaces.small]\nsignals_max = 0", "namespaces.small.signals_max = 0: expected a whole number"),
        ("[namespaces.small]\nid_characters_max = 9", "the same in every namespace"),
        ("[namespaces]\nsignals_max = 9", "expected a table for each namespace"),
        ("namespaces = 3", "expected a table for each namespace"),
    ],
)
def test_limits_of_namespaces_that_make_no_sense_are_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "tsuzuki.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=words):
        Settings.read(file, {})


async def test_limits_hold_in_the_namespace_that_has_them() -> None:
    """Invariant 41, and 42: what is set for one does not reach another."""
    options = ServerOptions(port=0, namespaces=("default", "small"), namespace_limits={"small": Limits(signals_max=2)})
    async with in_process(options) as server:
        for namespace in options.namespaces:
            client = await Client.connect(server.target, namespace=namespace)
            handle = await client.start_workflow("W", id="w", task_queue="q")
            await handle.signal("s")
            await handle.signal("s")
            if namespace == "small":
                with pytest.raises(RPCError, match="has 2 signals, which is the limit"):
                    await handle.signal("s")
            else:
                await handle.signal("s")
