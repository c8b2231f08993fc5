"""Who may call what: one table over all RPCs, and the one place where a call is allowed or denied.

Deny by default: an RPC without a row is denied to everybody, and a test names it. Rows go by name, over both
services. A row says what a call reaches (one namespace, or the whole server) and which access it takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, NoReturn

from google.protobuf.message import Message
from temporalio.api.common.v1 import Principal
from temporalio.api.errordetails.v1 import PermissionDeniedFailure

from tsuzuki.service import ServiceError, StatusCode

from ._fields import fields_named
from ._rpcs import Rpc

EVERY_NAMESPACE: Final = "*"
"""Stands for all namespaces in what a key may reach."""


class Access(Enum):
    """What a call does."""

    READ = "read"
    WRITE = "write"
    WORK = "work"
    ADMINISTER = "administer"


class Role(Enum):
    """What an API key is for; a key may have several."""

    READ = "read"
    WRITE = "write"
    WORKER = "worker"
    ADMIN = "admin"


ACCESS: Final[Mapping[Role, frozenset[Access]]] = {
    Role.READ: frozenset({Access.READ}),
    Role.WRITE: frozenset({Access.READ, Access.WRITE}),
    Role.WORKER: frozenset({Access.WORK}),
    Role.ADMIN: frozenset(Access),
}
"""What each role may do."""


class Scope(Enum):
    """What a call reaches.

    `PUBLIC` is for everybody, without a key: what a client asks before it can say who it is.
    """

    NAMESPACE = "namespace"
    SERVER = "server"
    PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Permission:
    """A row: what is reached, and the accesses of which the caller needs one."""

    scope: Scope
    one_of: frozenset[Access] = frozenset()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls.

    Attributes:
        name: For people.
        namespaces: What the caller may reach; `*` is every namespace, and the server itself.
        roles: What the caller may do there.
        kind: What shows who it is.
    """

    name: str
    namespaces: frozenset[str]
    roles: frozenset[Role]
    kind: str = "api-key"

    @property
    def principal(self) -> Principal:
        """As events keep it."""
        return Principal(type=self.kind, name=self.name)

    @property
    def access(self) -> frozenset[Access]:
        """All that the roles allow."""
        return frozenset[Access]().union(*(ACCESS[role] for role in self.roles))

    def reaches(self, namespace: str) -> bool:
        return EVERY_NAMESPACE in self.namespaces or (namespace != "" and namespace in self.namespaces)


def _rows(names: str, scope: Scope, *one_of: Access) -> Iterable[tuple[str, Permission]]:
    permission = Permission(scope, frozenset(one_of))
    return ((name, permission) for name in names.split())


PERMISSIONS: Final[Mapping[str, Permission]] = dict(
    [
        *_rows("GetSystemInfo", Scope.PUBLIC),
        # What a client and a worker both look at: the namespace when they connect, a history page by page.
        *_rows("DescribeNamespace GetWorkflowExecutionHistory", Scope.NAMESPACE, Access.READ, Access.WORK),
        *_rows(
            """
            CountActivityExecutions CountNexusOperationExecutions CountSchedules CountWorkers CountWorkflowExecutions
            DescribeActivityExecution DescribeBatchOperation DescribeDeployment DescribeNexusOperationExecution
            DescribeSchedule DescribeTaskQueue DescribeWorker DescribeWorkerDeployment DescribeWorkerDeploymentVersion
            DescribeWorkflowExecution DescribeWorkflowRule GetCurrentDeployment GetDeploymentReachability
            GetWorkerBuildIdCompatibility GetWorkerTaskReachability GetWorkerVersioningRules
            GetWorkflowExecutionHistoryReverse ListActivityExecutions ListArchivedWorkflowExecutions
            ListBatchOperations ListClosedWorkflowExecutions ListDeployments ListNexusOperationExecutions
            ListOpenWorkflowExecutions ListScheduleMatchingTimes ListSchedules ListSearchAttributes
            ListTaskQueuePartitions ListWorkerDeployments ListWorkers ListWorkflowExecutions ListWorkflowRules
            PollActivityExecution PollNexusOperationExecution PollWorkflowExecutionTimeSkipping
            PollWorkflowExecutionUpdate QueryWorkflow ScanWorkflowExecutions
            ValidateWorkerDeploymentVersionComputeConfig
            """,
            Scope.NAMESPACE,
            Access.READ,
        ),
        *_rows(
            """
            CreateSchedule CreateWorkflowRule DeleteActivityExecution DeleteNexusOperationExecution DeleteSchedule
            DeleteWorkflowExecution DeleteWorkflowRule ExecuteMultiOperation PatchSchedule PauseActivity
            PauseActivityExecution PauseWorkflowExecution RequestCancelActivityExecution
            RequestCancelNexusOperationExecution RequestCancelWorkflowExecution ResetActivity ResetActivityExecution
            ResetWorkflowExecution SignalWithStartWorkflowExecution SignalWorkflowExecution StartActivityExecution
            StartBatchOperation StartNexusOperationExecution StartWorkflowExecution StopBatchOperation
            TerminateActivityExecution TerminateNexusOperationExecution TerminateWorkflowExecution
            TriggerWorkflowRule UnpauseActivity UnpauseActivityExecution UnpauseWorkflowExecution
            UpdateActivityExecutionOptions UpdateActivityOptions UpdateSchedule UpdateTaskQueueConfig
            UpdateWorkflowExecution UpdateWorkflowExecutionOptions
            """,
            Scope.NAMESPACE,
            Access.WRITE,
        ),
        # Activities are finished by the worker that runs them, or from outside by whoever was told of them.
        *_rows(
            """
            RecordActivityTaskHeartbeat RecordActivityTaskHeartbeatById RespondActivityTaskCanceled
            RespondActivityTaskCanceledById RespondActivityTaskCompleted RespondActivityTaskCompletedById
            RespondActivityTaskFailed RespondActivityTaskFailedById
            """,
            Scope.NAMESPACE,
            Access.WORK,
            Access.WRITE,
        ),
        *_rows(
            """
            FetchWorkerConfig PollActivityTaskQueue PollNexusTaskQueue PollWorkflowTaskQueue RecordWorkerHeartbeat
            ResetStickyTaskQueue RespondNexusTaskCompleted RespondNexusTaskFailed RespondQueryTaskCompleted
            RespondWorkflowTaskCompleted RespondWorkflowTaskFailed ShutdownWorker
            """,
            Scope.NAMESPACE,
            Access.WORK,
        ),
        *_rows(
            """
            AddSearchAttributes CreateWorkerDeployment CreateWorkerDeploymentVersion DeleteWorkerDeployment
            DeleteWorkerDeploymentVersion DeprecateNamespace RemoveSearchAttributes SetCurrentDeployment
            SetWorkerDeploymentCurrentVersion SetWorkerDeploymentManager SetWorkerDeploymentRampingVersion
            UpdateNamespace UpdateWorkerBuildIdCompatibility UpdateWorkerConfig
            UpdateWorkerDeploymentVersionComputeConfig UpdateWorkerDeploymentVersionMetadata
            UpdateWorkerVersioningRules
            """,
            Scope.NAMESPACE,
            Access.ADMINISTER,
        ),
        *_rows(
            "GetClusterInfo GetNexusEndpoint GetSearchAttributes ListClusters ListNamespaces ListNexusEndpoints",
            Scope.SERVER,
            Access.READ,
        ),
        *_rows(
            """
            AddOrUpdateRemoteCluster CreateNexusEndpoint DeleteNamespace DeleteNexusEndpoint RegisterNamespace
            RemoveRemoteCluster UpdateNexusEndpoint
            """,
            Scope.SERVER,
            Access.ADMINISTER,
        ),
    ]
)
"""By the RPC's name."""


def is_public(rpc: Rpc) -> bool:
    """True if the RPC is answered without asking who calls."""
    permission = PERMISSIONS.get(rpc.name)
    return permission is not None and permission.scope is Scope.PUBLIC


class Authorization:
    """Whether an identity may make one kind of call."""

    def __init__(self, rpc: Rpc) -> None:
        self._name = rpc.name
        self._permission = PERMISSIONS.get(rpc.name)
        self._nested = fields_named(rpc.request, "namespace")

    def check(self, identity: Identity, request: Message) -> None:
        """Return if the identity may make this call.

        Raises:
            ServiceError: PERMISSION_DENIED; the same whether what was asked for exists or not.
        """
        permission = self._permission
        if permission is None:
            self._deny("no permission is defined for it, so nobody has it")
        if not permission.one_of & identity.access:
            wanted = sorted(role.value for role in Role if ACCESS[role] & permission.one_of)
            self._deny(f"the key '{identity.name}' has none of the roles {', '.join(wanted)}")
        if permission.scope is Scope.SERVER:
            if EVERY_NAMESPACE not in identity.namespaces:
                self._deny(f"it reaches the whole server; the key '{identity.name}' is bound to namespaces")
            return
        namespace: str = getattr(request, "namespace", "")
        if not identity.reaches(namespace):
            self._deny(f"the key '{identity.name}' does not reach the namespace '{namespace}'")
        for nested in self._nested.values(request):
            # Empty stands for the request's own.
            if nested and not identity.reaches(nested):
                self._deny(f"the key '{identity.name}' does not reach the namespace '{nested}' that stands inside")

    def _deny(self, reason: str) -> NoReturn:
        reason = f"{self._name}: {reason}."
        raise ServiceError(
            StatusCode.PERMISSION_DENIED, f"Request unauthorized. {reason}", PermissionDeniedFailure(reason=reason)
        )
