"""The official command line's commands, in the order in which they are run, and how their output is compared.

Each step is run against our server and against the real development server, with workers of the same program. What
differs by nature (times, ids that are made up, sizes, what a server says of itself) is put out of sight; all else
must be equal, exit codes and errors too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

QUEUE: Final = "cli"


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        command: As it is typed, after `temporal`.
        plain: Its output is text for people; else JSON is asked for.
        ignoring: Keys of the JSON that are left out of the comparison; why is said in the table.
        until: It is tried until its output or error has this, as what it wants to see comes later; "" for once.
        retry: It is tried until it succeeds, for the same reason.
        bare: Its error is the server's words alone, of which ours are others.
    """

    command: str
    plain: bool = False
    ignoring: tuple[str, ...] = ()
    until: str = ""
    retry: bool = False
    bare: bool = False

    @property
    def name(self) -> str:
        return re.sub(r"[^\w-]+", "-", self.command)[:70].strip("-")


def start(kind: str, workflow_id: str, *more: str, verb: str = "start") -> str:
    return " ".join((f"workflow {verb} --type {kind} --task-queue {QUEUE} --workflow-id {workflow_id}", *more))


STEPS: Final = (
    Step("operator cluster health"),
    Step(start("Greeting", "g1", "--input", "'\"you\"'", verb="execute"), ignoring=("durationMillis",)),
    Step(start("Counter", "c1", "--memo", "kind=1", "--static-summary", "sum")),
    Step(start("Counter", "c1", "--id-conflict-policy", "Fail")),
    Step("workflow signal --workflow-id c1 --name add --input 2"),
    Step("workflow signal --workflow-id nobody --name add --input 2", plain=True),
    Step("workflow query --workflow-id c1 --name total_now"),
    Step("workflow query --workflow-id c1 --name unknown", plain=True),
    Step("workflow update execute --workflow-id c1 --name add_and_get --input 3 --update-id u1"),
    Step("workflow update result --workflow-id c1 --update-id u1"),
    Step("workflow update describe --workflow-id c1 --update-id u1"),
    Step("workflow update execute --workflow-id c1 --name add_and_get --input -1 --update-id u2", plain=True),
    Step(
        "workflow update start --workflow-id c1 --name add_and_get --input 4 --update-id u3 --wait-for-stage accepted"
    ),
    Step("workflow update result --workflow-id c1 --update-id u3"),
    Step("workflow update result --workflow-id c1 --update-id unknown --command-timeout 2s", plain=True),
    Step(start("Counter", "c2", "--signal-name add --signal-input 5", verb="signal-with-start")),
    Step("workflow query --workflow-id c2 --name total_now"),
    Step(
        start(
            "Counter",
            "c3",
            "--update-name add_and_get --update-input 6 --update-id u --id-conflict-policy UseExisting",
            verb="execute-update-with-start",
        )
    ),
    Step(
        start(
            "Counter",
            "c3",
            "--update-name add_and_get --update-input 6 --update-id v --id-conflict-policy UseExisting",
            "--update-wait-for-stage accepted",
            verb="start-update-with-start",
        )
    ),
    Step("workflow describe --workflow-id c1"),
    Step("workflow describe --workflow-id nobody", plain=True),
    Step("workflow show --workflow-id c1"),
    Step("workflow show --workflow-id c1", plain=True),
    Step("workflow show --workflow-id nobody", plain=True),
    Step("workflow stack --workflow-id c1", ignoring=("queryResult",)),
    Step("workflow metadata --workflow-id c1"),
    Step("workflow count --query \"WorkflowType='Counter'\"", until='"count"'),
    Step("workflow list --query \"WorkflowType='Greeting'\"", until="g1", ignoring=("firstRunId",)),
    Step("workflow list --query Nonsense", plain=True),
    Step("workflow list --query \"WorkflowType='Nothing'\""),
    Step("workflow cancel --workflow-id c2", plain=True),
    Step("workflow result --workflow-id c2"),
    Step("workflow cancel --workflow-id nobody", plain=True),
    Step("workflow update result --workflow-id c3 --update-id v"),  # so that no workflow task is under way
    Step("workflow terminate --workflow-id c3 --reason enough", plain=True),
    Step("workflow result --workflow-id c3"),
    Step("workflow terminate --workflow-id c3", plain=True),
    Step("workflow describe --workflow-id c3"),
    Step("workflow show --workflow-id c3"),
    Step(start("Failing", "f1")),
    Step("workflow result --workflow-id f1"),
    Step("workflow show --workflow-id f1"),
    Step("workflow describe --workflow-id f1"),
    Step("workflow signal --workflow-id f1 --name add", plain=True),
    Step(start("Countdown", "n1", "--input 2")),
    Step("workflow result --workflow-id n1"),
    Step(start("Parent", "p1", "--input", "'[\"a\"]'", verb="execute"), ignoring=("durationMillis",)),
    Step("workflow describe --workflow-id p1"),
    Step(start("Elsewhere", "e1")),
    Step("activity complete --workflow-id e1 --activity-id 1 --result 7", plain=True, retry=True),
    Step("workflow result --workflow-id e1"),
    Step(start("Elsewhere", "e2")),
    Step("activity fail --workflow-id e2 --activity-id 1 --reason broken", plain=True, retry=True),
    Step("workflow result --workflow-id e2"),
    Step("activity complete --workflow-id e2 --activity-id 9 --result 7", plain=True),
    Step(start("Elsewhere", "e3")),
    Step("workflow describe --workflow-id e3", until="STATE_STARTED"),
    Step("activity pause --workflow-id e3 --activity-id 1 --reason why", plain=True),
    Step("workflow describe --workflow-id e3"),
    Step("activity pause --workflow-id e3 --activity-id 1", plain=True),
    Step("activity pause --workflow-id e3 --activity-id 9", plain=True),
    Step("activity pause --activity-id 9", plain=True),
    Step("activity unpause --workflow-id e3 --activity-id 1", plain=True),
    Step("activity unpause --workflow-id e3 --activity-id 1"),
    Step(
        "activity update-options --workflow-id e3 --activity-id 1 --heartbeat-timeout 40s --task-queue other"
        " --start-to-close-timeout 50s --retry-maximum-attempts 4 --retry-initial-interval 2s",
        ignoring=("kind",),
    ),
    Step("activity update-options --workflow-id e3 --activity-id 1 --start-to-close-timeout 45s", plain=True),
    Step("activity update-options --workflow-id e3 --activity-id 1 --restore-original-options", ignoring=("kind",)),
    Step("activity reset --workflow-id e3 --activity-id 1 --keep-paused --clear-heartbeat-details", plain=True),
    Step("activity reset --workflow-id e3 --activity-id 1 --restore-original-options"),
    Step("workflow describe --workflow-id e3"),
    Step("activity complete --workflow-id e3 --activity-id 1 --result 7", plain=True),
    Step("workflow result --workflow-id e3"),
    Step("activity reset --workflow-id e3 --activity-id 1", plain=True),
    Step(start("Elsewhere", "e4")),
    Step("workflow describe --workflow-id e4", until="STATE_STARTED"),
    Step("activity update-options --workflow-id e4 --activity-id 1 --start-to-close-timeout 10m", ignoring=("kind",)),
    Step("activity pause --workflow-id e4 --activity-id 1", plain=True),
    Step(
        "workflow count --query \"WorkflowId='e4' AND TemporalPauseInfo IS NOT NULL\"",
        until='"1"',
    ),
    Step("activity unpause --query \"WorkflowId='e4'\" --reason all --yes", plain=True),
    Step("workflow describe --workflow-id e4", until='"PENDING_ACTIVITY_STATE_STARTED"'),
    Step("activity update-options --query \"WorkflowId='e4'\" --heartbeat-timeout 40s --reason all --yes", plain=True),
    Step("workflow describe --workflow-id e4", until='"40s"'),
    Step("activity reset --query \"WorkflowId='e4'\" --reason all --yes", plain=True),
    Step("activity complete --workflow-id e4 --activity-id 1 --result 7", plain=True),
    Step("workflow result --workflow-id e4"),
    Step(start("Counter", "w1")),
    Step("workflow query --workflow-id w1 --name total_now --reject-condition not_open"),
    Step("workflow pause --workflow-id w1 --reason why", plain=True),
    Step("workflow pause --workflow-id w1", plain=True, bare=True),
    Step("workflow describe --workflow-id w1"),
    Step("workflow query --workflow-id w1 --name total_now", plain=True),
    Step("workflow signal --workflow-id w1 --name add --input 2", plain=True),
    Step("workflow list --query \"ExecutionStatus='Paused'\"", until="w1", ignoring=("firstRunId", "historyLength")),
    Step("workflow unpause --workflow-id w1 --reason why", plain=True),
    Step("workflow unpause --workflow-id w1", plain=True, bare=True),
    Step("workflow query --workflow-id w1 --name total_now"),
    Step("workflow show --workflow-id w1"),
    Step("workflow pause --workflow-id nobody", plain=True, bare=True),
    Step("workflow update-options --workflow-id w1 --versioning-override-behavior unspecified", plain=True),
    Step("workflow start --type Counter --task-queue cli --workflow-id c1 --id-reuse-policy RejectDuplicate"),
    Step("workflow start --type Counter --task-queue cli --workflow-id c1 --id-conflict-policy UseExisting"),
    Step(
        "workflow start --type X --task-queue nobody --workflow-id d1 --start-delay 1h --cron '0 * * * *'", plain=True
    ),
    Step("workflow start --type X --task-queue nobody --workflow-id d1 --start-delay 1h"),
    Step("workflow describe --workflow-id d1"),
    Step("workflow start --type X --task-queue nobody --workflow-id d2 --cron '0 0 1 1 *'"),
    Step("workflow show --workflow-id d2"),
    Step("operator search-attribute create --name Region --type Keyword", plain=True),
    Step("operator search-attribute list", ignoring=("customAttributes",)),
    Step(start("Counter", "s1", "--search-attribute", "Region='\"north\"'")),
    Step("workflow query --workflow-id s1 --name total_now"),  # so that no workflow task is under way
    Step("workflow describe --workflow-id s1"),
    Step(start("Counter", "s2", "--search-attribute", "Unknown='\"north\"'"), plain=True),
    Step("operator search-attribute remove --name Region --yes", plain=True),
    Step("workflow reset --workflow-id g1 --event-id 4 --reason again"),
    Step("workflow result --workflow-id g1"),
    Step("workflow show --workflow-id g1"),
    Step("workflow reset --workflow-id f1 --type FirstWorkflowTask --reason again"),
    Step("workflow result --workflow-id f1"),
    Step("workflow reset --workflow-id f1 --event-id 99 --reason x", plain=True),
    Step("workflow reset --workflow-id nobody --event-id 4 --reason x", plain=True),
    Step("worker describe --worker-instance-key unknown", plain=True, bare=True),
    Step("workflow delete --workflow-id p1 --yes", plain=True),
    Step("workflow delete --workflow-id nobody --yes", plain=True),
    Step(
        "operator namespace create --namespace shop --retention 48h --description d --email a@example.org", plain=True
    ),
    Step("operator namespace create --namespace shop", plain=True),
    Step("operator namespace describe --namespace shop", ignoring=("capabilities", "limits")),
    Step("operator namespace describe --namespace nowhere", plain=True),
    Step("operator namespace update --namespace shop --retention 72h --description changed --data k=v", plain=True),
    Step("operator namespace describe --namespace shop", ignoring=("capabilities", "limits")),
    Step("workflow list --namespace shop", retry=True),
    Step("operator namespace delete --namespace shop --yes", plain=True),
    Step("operator namespace describe --namespace shop", plain=True),
    Step(start("Counter", "b1")),
    Step(start("Counter", "b2")),
    Step("workflow count --query \"WorkflowId STARTS_WITH 'b' AND ExecutionStatus='Running'\"", until='"2"'),
    Step("workflow terminate --query \"WorkflowId STARTS_WITH 'b'\" --reason enough --yes", plain=True),
    Step("workflow result --workflow-id b1"),
    Step("workflow result --workflow-id b2"),
    Step("batch list --limit 1", until="TERMINATE_WORKFLOW", ignoring=("jobId", "state", "closeTime")),
    Step("batch describe --job-id unknown", plain=True),
    Step(
        "workflow reset --query \"WorkflowId = 'g1'\" --type FirstWorkflowTask --reason again --yes",
        plain=True,
        retry=True,
    ),
    Step("batch list --limit 1", until="RESET_WORKFLOW", ignoring=("jobId", "state", "closeTime")),
    Step("workflow delete --query \"WorkflowId STARTS_WITH 'b'\" --reason tidy --yes", plain=True, retry=True),
    Step("batch list --limit 1", until="DELETE_WORKFLOW", ignoring=("jobId", "state", "closeTime")),
    Step(start("Counter", "b3")),
    Step("workflow signal --query \"WorkflowId = 'b3'\" --name add --input 1 --yes --reason r", plain=True, retry=True),
    Step("batch list --limit 1", until="SIGNAL_WORKFLOW", ignoring=("jobId", "state", "closeTime")),
    Step("workflow cancel --query \"WorkflowId = 'b3'\" --yes --reason r", plain=True, retry=True),
    Step("batch list --limit 1", until="CANCEL_WORKFLOW", ignoring=("jobId", "state", "closeTime")),
    Step("workflow result --workflow-id b3"),
    Step("batch terminate --job-id unknown --reason x", plain=True),
    Step(
        f"schedule create --schedule-id s1 --interval 1h --type Counter --task-queue {QUEUE} --workflow-id sw --paused"
        " --notes n --overlap-policy Skip --catchup-window 1h",
        plain=True,
    ),
    Step("schedule describe --schedule-id s1"),
    Step("schedule list", until="s1", ignoring=("jitter",)),
    Step("schedule toggle --schedule-id s1 --unpause --reason go", plain=True),
    Step("schedule toggle --schedule-id s1 --pause --reason stop", plain=True),
    Step("schedule trigger --schedule-id s1", plain=True),
    Step("schedule describe --schedule-id s1", until='"recentActions": [\n'),
    Step(
        f"schedule update --schedule-id s1 --cron '0 12 * * *' --type Counter --task-queue {QUEUE} --workflow-id sx",
        plain=True,
    ),
    Step("schedule describe --schedule-id s1"),
    Step(
        "schedule list-matching-times --schedule-id s1 --start-time 2024-01-01T00:00:00Z"
        " --end-time 2024-01-03T00:00:00Z"
    ),
    Step(
        "schedule backfill --schedule-id s1 --start-time 2024-01-01T00:00:00Z --end-time 2024-01-01T01:00:00Z",
        plain=True,
    ),
    Step("schedule delete --schedule-id s1", plain=True),
    Step("schedule describe --schedule-id s1", plain=True, bare=True),
    Step("schedule delete --schedule-id unknown", plain=True, bare=True),
    Step("workflow list --namespace nowhere", plain=True),
)

_VOLATILE: Final = re.compile(r"(Time|Timestamp|Duration)$")
_ELSEWISE: Final = frozenset(
    {"autoResetPoints", "mostRecentWorkerVersionStamp", "BuildIds", "requestIdInfos", "runExpirationTime"}
)
"""Builds, which workers call checksums where worker versioning is not offered; ids of requests, which the command makes
up; and the year 1, which is there the end of a run without a timeout. `differential` compares them field by field."""
_DROPPED: Final = _ELSEWISE | frozenset(
    {"identity", "requestId", "taskId", "historySizeBytes", "sizeBytes", "stateTransitionCount", "workerVersion"}
    | {"sdkMetadata", "meteringMetadata", "binaryChecksum", "versioningInfo", "workerDeploymentName", "namespaceId"}
    | {"originalExecutionRunId", "firstExecutionRunId", "runId", "executionDuration", "lastWorkerIdentity"}
)
_IN_TEXT: Final = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"\b[\d.]+(ms|µs|s|m)( ago)?\b"), "SPAN"),
    (re.compile(r"time=\S+ "), ""),
    (re.compile(r"\d+@[\w-]+"), "STICKY"),
)


def normalized(text: str, ignoring: tuple[str, ...] = ()) -> Any:
    """Output without what differs by nature: JSON as data, other text by line."""
    try:
        return _without(json.loads(text), frozenset(ignoring) | _DROPPED)
    except json.JSONDecodeError:
        return [re.sub(r"\s+", " ", line).strip() for line in _masked(text).splitlines() if line.strip()]


def told(error: str, bare: bool) -> list[str]:
    """What went wrong as the command says it, without the server's own words: ours say more."""
    return [] if bare else [line.split(": ")[1] if line.startswith("Error: ") else line for line in normalized(error)]


def _masked(text: str) -> str:
    for pattern, word in _IN_TEXT:
        text = pattern.sub(word, text)
    return text


def _without(value: Any, dropped: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        kept = {key: each for key, each in value.items() if key not in dropped}
        told = {key: "TIME" if _VOLATILE.search(key) else _without(each, dropped) for key, each in kept.items()}
        return {key: each for key, each in told.items() if each not in ({}, {"indexedFields": {}})}
    if isinstance(value, list):
        return [_without(each, dropped) for each in value]
    return _masked(value) if isinstance(value, str) else value


NOT_OFFERED: Final[Mapping[str, str]] = {
    "activity start --activity-id a --type T --task-queue q --start-to-close-timeout 1s": "StartActivityExecution",
    "task-queue versioning get-rules --task-queue q": "GetWorkerVersioningRules",
    "task-queue get-build-ids --task-queue q": "GetWorkerBuildIdCompatibility",
    "worker deployment list": "ListWorkerDeployments",
    "operator cluster list": "ListClusters",
    "operator nexus endpoint list": "ListNexusEndpoints",
}
"""Commands whose RPC the server does not offer (yet). One that has come moves to `STEPS`."""
