"""TSU006: the environment of the process, and the machine it happens to run on."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from .._workflow_code import Reach
from ._forbidden import calls, each
from ._rule import Problem, Rule

_ARGUMENT: Final = "read it before the workflow starts and pass it as an argument, or read it in an activity"
_EFFECT: Final = "depends on the machine and process that the code happens to run on"

_CALLS: Final = {
    **each("os", "getenv getenvb putenv unsetenv", _ARGUMENT),
    **each(
        "os", "getpid getppid getcwd getcwdb getlogin uname cpu_count process_cpu_count getloadavg getuid", _ARGUMENT
    ),
    **each("platform", "node platform system machine processor release version uname python_version", _ARGUMENT),
    "getpass.getuser": _ARGUMENT,
}
_VARIABLES: Final = ("os.environ", "os.environb", "sys.argv")

_check_calls: Final = calls(_CALLS, _EFFECT)


def _check(reach: Reach) -> Iterator[Problem]:
    yield from _check_calls(reach)
    function = reach.function
    for node in function.nodes:
        if isinstance(node, ast.Attribute) or (isinstance(node, ast.Name) and node.id not in function.scope.bindings):
            name = function.qualify(node)
            if name in _VARIABLES:
                yield Problem(node, f"`{name}` {_EFFECT}", _ARGUMENT)


RULE: Final = Rule(
    code="TSU006",
    name="environment",
    why=(
        "A replay may take place in another process, on another machine, after another deployment. What is "
        "configured has to come in as an argument, so that it is recorded, or from an activity."
    ),
    bad='region = os.environ["REGION"]',
    good="region = order.region",
    check=_check,
    calls={**_CALLS, **dict.fromkeys(_VARIABLES, _ARGUMENT)},
)
