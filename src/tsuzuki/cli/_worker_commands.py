"""`tsuzuki worker`: its commands by name."""

from __future__ import annotations

from ._lazy import group

worker = group(
    "Run workflows and activities; see who does.",
    {
        "run": ("_worker_run:run", "Run workflows and activities until SIGTERM or SIGINT; a second one stops at once."),
        "list": ("_worker_list:list_workers", "List the workers of a namespace that tell the server of themselves."),
    },
)
