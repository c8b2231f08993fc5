"""Which HTTP request is which RPC: read from the rules in the service descriptors, not written by hand.

Beside each rule of a namespace stands its short form, without the namespace: `/api/v1/workflows/w` is the workflow
`w` of the server's own namespace. Four bindings are added to the rules, for callers who put a name into the body.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import unquote

from google.api import annotations_pb2  # type: ignore[import-untyped]
from google.protobuf.descriptor import MethodDescriptor

from .._rpcs import OPERATOR_SERVICE, RPCS, WORKFLOW_SERVICE, Rpc

NAMESPACED: Final = "/api/v1/namespaces/{namespace}/"
SHORT: Final = "/api/v1/"
_VARIABLE: Final = re.compile(r"\{([a-z_][a-z0-9_.]*)\}")
_WORKFLOW: Final = "/api/v1/workflows/"


@dataclass(frozen=True, slots=True)
class Binding:
    """One way to make an RPC over HTTP.

    Attributes:
        verb: `GET`, `POST`, ...
        template: Its path, with `{field.path}` for what a field of the request takes from it.
        rpc: Which RPC.
        body: `*` when the body is the request, the path of a field when it is that field, empty for no body.
    """

    verb: str
    template: str
    rpc: Rpc
    body: str

    @property
    def variables(self) -> list[str]:
        """The fields that the path fills."""
        return _VARIABLE.findall(self.template)

    @property
    def segments(self) -> list[str]:
        """The template between its slashes."""
        return self.template.strip("/").split("/")

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """Give what each variable stands for, or None if a literal differs."""
        found: dict[str, str] = {}
        for expected, given in zip(self.segments, segments, strict=True):
            variable = _VARIABLE.fullmatch(expected)
            if variable is not None:
                if not given:
                    return None
                found[variable[1]] = given
            elif expected != given:
                return None
        return found


def _declared() -> Iterator[Binding]:
    for service in (WORKFLOW_SERVICE, OPERATOR_SERVICE):
        for method in service.methods:
            rpc = RPCS[f"/{service.full_name}/{method.name}"]
            for rule in _rules(method):
                verb = rule.WhichOneof("pattern")
                yield Binding(verb.upper(), getattr(rule, verb), rpc, rule.body)


def _rules(method: MethodDescriptor) -> Iterable[Any]:
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    return [each for each in (rule, *rule.additional_bindings) if each.WhichOneof("pattern")]


def _short(bindings: Iterable[Binding]) -> Iterator[Binding]:
    for binding in bindings:
        if binding.template.startswith(NAMESPACED):
            yield replace(binding, template=SHORT + binding.template.removeprefix(NAMESPACED))


def _named_in_the_body() -> Iterator[Binding]:
    rpcs = {rpc.name: rpc for rpc in RPCS.values()}
    for verb, template, name, body in (
        ("POST", _WORKFLOW + "{workflow_execution.workflow_id}/signal", "SignalWorkflowExecution", "*"),
        ("POST", _WORKFLOW + "{execution.workflow_id}/query", "QueryWorkflow", "query"),
        ("POST", _WORKFLOW + "{workflow_execution.workflow_id}/update", "UpdateWorkflowExecution", "request.input"),
        ("GET", _WORKFLOW + "{execution.workflow_id}/describe", "DescribeWorkflowExecution", ""),
    ):
        yield Binding(verb, template, rpcs[name], body)


DECLARED: Final[Sequence[Binding]] = tuple(_declared())
BINDINGS: Final[Sequence[Binding]] = (*DECLARED, *_short(DECLARED), *_named_in_the_body())


class Routes:
    """Finds the binding of a request."""

    def __init__(self, bindings: Iterable[Binding] = BINDINGS) -> None:
        by_length: Mapping[int, list[Binding]] = defaultdict(list)
        for binding in bindings:
            by_length[len(binding.segments)].append(binding)
        for same_length in by_length.values():  # of two that match, the one that says more
            same_length.sort(key=lambda binding: len(binding.variables))
        self._by_length = dict(by_length)

    def find(self, verb: str, raw_path: str) -> tuple[Binding, dict[str, str]] | None:
        """Find the binding of a request, and what the variables of its path stand for.

        Args:
            verb: The method, in capitals.
            raw_path: The path as it was sent: a slash inside a variable is sent as `%2F`.
        """
        segments = [unquote(segment) for segment in raw_path.removeprefix("/").split("/")]
        for binding in self._by_length.get(len(segments), ()):
            found = binding.match(segments) if binding.verb == verb else None
            if found is not None:
                return binding, found
        return None

    def verbs(self, raw_path: str) -> set[str]:
        """The methods under which there is something at a path."""
        verbs = {binding.verb for binding in BINDINGS}
        return {verb for verb in verbs if self.find(verb, raw_path)}
