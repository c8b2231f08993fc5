"""Which handlers of signals and updates are running, and the warning when a workflow ends before they do."""

from __future__ import annotations

import logging
import warnings
from typing import Final, NamedTuple

from tsuzuki.workflow import (
    HandlerDefinition,
    HandlerUnfinishedPolicy,
    UnfinishedSignalHandlersWarning,
    UnfinishedUpdateHandlersWarning,
)

_logger: Final = logging.getLogger("tsuzuki.worker")


class Handling(NamedTuple):
    """One running handler; `kind` is `signal` or `update`, `id` that of the update."""

    kind: str
    name: str
    handler: HandlerDefinition
    id: str


def warn_of_unfinished(running: list[Handling], workflow_type: str, workflow_id: str) -> None:
    """Say which handlers get no further, one warning for signals and one for updates."""
    for kind, category, consequence in (
        ("update", UnfinishedUpdateHandlersWarning, "Their clients get an error in place of an answer. "),
        ("signal", UnfinishedSignalHandlersWarning, ""),
    ):
        named = [
            f"{each.name} ({each.id})" if each.id else each.name
            for each in running
            if each.kind == kind and each.handler.unfinished_policy is HandlerUnfinishedPolicy.WARN_AND_ABANDON
        ]
        if named:
            message = (
                f"workflow {workflow_type!r} ({workflow_id}) ended while handlers of {kind}s were running: "
                f"{', '.join(named)}. {consequence}To let them finish, end the workflow with `await "
                "workflow.wait_condition(workflow.all_handlers_finished)`; to say that this is meant, mark the "
                f"handler with @workflow.{kind}(unfinished_policy=workflow.HandlerUnfinishedPolicy.ABANDON)"
            )
            try:
                warnings.warn(message, category, stacklevel=2)
            except category:  # where warnings are errors: no reason to fail the workflow task
                _logger.warning("%s", message)
