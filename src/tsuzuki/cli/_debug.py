"""`tsuzuki workflow debug`: pdb, or an IDE, at an event of a run."""

from __future__ import annotations

import bdb
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from tsuzuki.replay import Breakpoint, RunDebugger, StoppedRun, load_workflows, stop_at_event

from ._connection import Connection, Modules, connected, run_or_refuse
from ._endings import FAILED, refuse
from ._ids import RunId
from ._replay import HistoryFile, WorkflowId, recorded_history

IDE_PORT = 5678


@connected
def debug(
    connection: Connection,
    workflows: Modules,
    workflow_id: WorkflowId = "",
    run_id: RunId = "",
    event: Annotated[int, typer.Option("--event", "-e", min=0, help="At which event; 0 for the newest.")] = 0,
    breakpoints: Annotated[
        list[str] | None,
        typer.Option("--break", "-b", metavar="FILE:LINE", help="Stop the replay there too; may be given again."),
    ] = None,
    wait_for_ide: Annotated[
        bool, typer.Option("--wait-for-ide", help="Wait for an IDE to attach instead of opening pdb. Needs debugpy.")
    ] = False,
    ide_port: Annotated[int, typer.Option(min=0, max=65535, help="Where it attaches, on this machine.")] = IDE_PORT,
    file: HistoryFile = None,
) -> None:
    """Replay a run up to an event and open a debugger there, with the real frames of its code.

    `tasks` lists the coroutines that wait and `task N` goes to one; `w`, `u`, `d`, `p`, `l` are those of pdb. Nothing
    is sent anywhere and nothing is changed: what the code decides in the debugger is thrown away.
    """
    history = recorded_history(connection, workflow_id, run_id, file)
    stops = [_breakpoint(given) for given in breakpoints or ()]
    debugger = RunDebugger(stops)
    call: Callable[[Callable[[], StoppedRun]], StoppedRun] = debugger.replay
    if wait_for_ide:
        call = _attached(ide_port)

    async def work() -> StoppedRun:
        code = load_workflows(workflows)
        return await stop_at_event(
            history,
            code,
            event,
            data_converter=connection.data_converter,
            call=call,
            interceptors=connection.code_interceptors,
        )

    try:
        stopped = run_or_refuse(work)
    except bdb.BdbQuit:
        return
    except ValueError as error:
        refuse(str(error))
    try:
        if wait_for_ide:
            _show_to_ide(stopped)
        else:
            debugger.examine(stopped)
    finally:
        stopped.close()


def _breakpoint(given: str) -> Breakpoint:
    path, _, line = given.rpartition(":")
    if not path or not line.isdigit():
        refuse(f"--break {given}: expected FILE:LINE")
    if not Path(path).is_file():
        refuse(f"--break {given}: there is no file {path}")
    return Breakpoint(str(Path(path).resolve()), int(line))


def _attached(port: int) -> Callable[[Callable[[], StoppedRun]], StoppedRun]:
    try:
        import debugpy  # type: ignore[import-untyped,unused-ignore]
    except ModuleNotFoundError:
        refuse("--wait-for-ide needs debugpy: pip install debugpy", FAILED)

    def call(rebuild: Callable[[], StoppedRun]) -> StoppedRun:
        host, taken = debugpy.listen(("127.0.0.1", port))
        typer.echo(f"waiting for an IDE to attach to {host}:{taken}; breakpoints in workflow code stop the replay")
        debugpy.wait_for_client()
        return rebuild()

    return call


def _show_to_ide(stopped: StoppedRun) -> None:
    """Stop at a line whose local variables are the run: its workflow object, and the variables of what waits."""
    import debugpy  # type: ignore[import-untyped,unused-ignore]

    workflow: Any = stopped.workflow  # noqa: F841 - for the IDE to show, as are the others
    state = stopped.state  # noqa: F841
    waiting = {  # noqa: F841
        f"{number} {task.name}": {frame.f_code.co_qualname: dict(frame.f_locals) for frame in task.frames}
        for number, task in enumerate(stopped.tasks)
    }
    debugpy.breakpoint()
    typer.echo("done")
