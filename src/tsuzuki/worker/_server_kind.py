"""What kind of server a worker talks to."""

from __future__ import annotations

from temporalio.api.workflowservice.v1 import GetSystemInfoRequest

from tsuzuki.common.stream_frames import OURS
from tsuzuki.service import WorkflowService


class ServerKind:
    """The kind of one server; asked once, when somebody wants to know."""

    __slots__ = ("_is_ours", "_service")

    def __init__(self, service: WorkflowService) -> None:
        self._service = service
        self._is_ours: bool | None = None

    @property
    def known(self) -> bool | None:
        """What `is_ours` has found out; None before."""
        return self._is_ours

    async def is_ours(self) -> bool:
        """Whether it is one of this package, which keeps event streams and logs of runs.

        Raises:
            ServiceError: It gave no answer.
        """
        if self._is_ours is None:
            about = await self._service.get_system_info(GetSystemInfoRequest())
            self._is_ours = about.server_version.startswith(OURS)
        return self._is_ours
