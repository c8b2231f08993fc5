"""TSU009: other processes."""

from __future__ import annotations

from typing import Final

from ._forbidden import IN_ACTIVITY, calls, each
from ._rule import Rule

_CALLS: Final = {
    **each("subprocess", "run call check_call check_output Popen getoutput getstatusoutput", IN_ACTIVITY),
    **each("asyncio", "create_subprocess_exec create_subprocess_shell", IN_ACTIVITY),
    **each("os", "system popen fork forkpty kill killpg abort _exit", IN_ACTIVITY),
    **each("os", "execl execle execlp execv execve execvp execvpe posix_spawn posix_spawnp", IN_ACTIVITY),
    **each("os", "spawnl spawnle spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe", IN_ACTIVITY),
    "signal.pthread_kill": IN_ACTIVITY,
    **each("multiprocessing", "Process Pool Queue SimpleQueue JoinableQueue Pipe Manager", IN_ACTIVITY),
    **each("multiprocessing", "Lock RLock Event Condition Semaphore Barrier Value Array", IN_ACTIVITY),
    **each("multiprocessing.pool", "Pool ThreadPool", IN_ACTIVITY),
}

RULE: Final = Rule(
    code="TSU009",
    name="processes",
    why="The process would be started again on every replay. In an activity it is started once, and its result kept.",
    bad='subprocess.run(["make", "report"])',
    good="await workflow.execute_activity(make_report, start_to_close_timeout=MINUTE)",
    check=calls(_CALLS, "starts or signals a process, again on every replay"),
    calls=_CALLS,
)
