"""The workflows that somebody registered, by type."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from tsuzuki.exceptions import TsuzukiError
from tsuzuki.workflow import WorkflowDefinition, definition_of


class UnknownWorkflowError(TsuzukiError):
    """No workflow of this name is registered."""


class Workflows:
    """The workflows that somebody registered, by name.

    Raises:
        TypeError: Something among them is not a workflow.
        ValueError: Two have the same name.
    """

    def __init__(self, workflows: Sequence[Any]) -> None:
        definitions: dict[str | None, WorkflowDefinition] = {}
        for workflow in workflows:
            definition = definition_of(workflow)
            if definition.name in definitions:
                raise ValueError(
                    f"two workflows are named {definition.name!r}; give one another name with @workflow.defn(name=...)"
                    if definition.name is not None
                    else "two dynamic workflows; a worker has at most one"
                )
            definitions[definition.name] = definition
        self.definitions: Mapping[str | None, WorkflowDefinition] = definitions

    def guarded_modules(self) -> list[str]:
        """The modules of those that the determinism guard watches."""
        return [definition.run.__module__ for definition in self.definitions.values() if definition.sandboxed]

    def find(self, name: str, where: str) -> WorkflowDefinition:
        """Return the workflow of a type, or the dynamic one.

        Args:
            name: Workflow type.
            where: Who registered them, for the message.

        Raises:
            UnknownWorkflowError: There is none; the message says which there are.
        """
        definition = self.definitions.get(name) or self.definitions.get(None)
        if definition is not None:
            return definition
        known = sorted(known for known in self.definitions if known is not None)
        near = difflib.get_close_matches(name, known, n=1)
        raise UnknownWorkflowError(
            f"workflow type {name!r} is not registered with {where}; "
            + (f"did you mean {near[0]!r}? " if near else "")
            + f"It knows: {', '.join(known) or 'none'}"
        )
