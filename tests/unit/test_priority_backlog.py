"""The order in which waiting tasks leave a queue that knows priorities."""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio.api.common.v1 import Priority

from tsuzuki.engine._matching import Matching, TaskQueue
from tsuzuki.engine._priority_backlog import PriorityBacklog
from tsuzuki.testing import LocalServer


def order(*tasks: tuple[str, Priority | None]) -> str:
    backlog, names = PriorityBacklog(), [name for name, _ in tasks]
    for number, (_, priority) in enumerate(tasks):
        backlog.append((number, 0), priority)
    left = []
    while backlog:
        left.append(names[backlog.pop()[1][0]])
    return " ".join(left)


def of(level: int = 0, key: str = "", weight: float = 0) -> Priority:
    return Priority(priority_key=level, fairness_key=key, fairness_weight=weight)


def test_lower_levels_first_and_three_is_the_default() -> None:
    assert order(("e", of(5)), ("c", None), ("b", of(2)), ("d", of(4)), ("c2", of(3)), ("a", of(1))) == "a b c c2 d e"


def test_tasks_of_one_kind_keep_their_order() -> None:
    assert order(*((str(number), of(2)) for number in range(50))) == " ".join(map(str, range(50)))


def test_fairness_keys_of_a_level_take_turns() -> None:
    many = [(f"a{number}", of(key="a")) for number in range(4)]
    assert order(*many, ("b0", of(key="b")), ("b1", of(key="b"))) == "a0 b0 a1 b1 a2 a3"


def test_twice_the_weight_has_twice_the_turns() -> None:
    heavy = [("A", of(key="heavy", weight=2)) for _ in range(6)]
    light = [("b", of(key="light")) for _ in range(6)]
    assert order(*heavy, *light) == "A A b A A b A A b b b b"


def test_a_key_that_was_idle_gains_nothing() -> None:
    backlog = PriorityBacklog()
    for number in range(6):
        backlog.append((number, 0), of(key="busy"))
    assert [backlog.pop()[1][0] for _ in range(4)] == [0, 1, 2, 3]
    for number in (10, 11, 12):
        backlog.append((number, 0), of(key="new"))
    assert [backlog.pop()[1][0] for _ in range(5)] == [4, 10, 5, 11, 12]


@pytest.mark.parametrize("weight", [1e-9, 1e9])
def test_weights_are_bounded(weight: float) -> None:
    backlog = PriorityBacklog()
    backlog.append((1, 0), of(key="k", weight=weight))
    backlog.append((2, 0), of(key="k", weight=weight))
    assert [backlog.pop()[1][0], backlog.pop()[1][0]] == [1, 2]


def test_a_queue_without_priorities_has_a_plain_backlog() -> None:
    priorities: dict[int, Priority] = {3: of(1)}
    got: list[int] = []
    matching = Matching(
        lambda task, poll: bool(got.append(task[0])) or True, lambda task: priorities.get(task[0]), lambda: 0
    )
    queue = matching.queue(("default", "queue", True))
    for number in (1, 2):
        matching.offer(("default", "queue", True), (number, 0))
    assert not isinstance(queue.backlog, PriorityBacklog)
    matching.offer(("default", "queue", True), (3, 0))
    assert isinstance(queue, TaskQueue)
    assert [queue.backlog.pop()[1][0] for _ in range(3)] == [3, 1, 2]


def test_workflow_tasks_leave_by_the_priority_of_their_workflow(server: LocalServer) -> None:
    server.start_workflow("later", priority=of(4))
    server.start_workflow("default")
    server.start_workflow("first", priority=of(1))
    taken = [server.take_workflow_task().workflow_execution.workflow_id for _ in range(3)]
    assert taken == ["first", "default", "later"]
    server.advance(timedelta(0))
