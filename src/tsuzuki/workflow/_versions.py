"""Changing the code of a workflow while runs of it are open.

A run that has passed a place before the change keeps the old way there, and one that comes by later takes
the new way; history remembers which. `get_version` is for changes that may be changed again; `patched` and
`deprecate_patch` are the two-way form of the official SDKs that have no versions.
"""

from __future__ import annotations

from typing import Final

from ._runtime import current_runtime

DEFAULT_VERSION: Final = -1
"""The version of code from before the first `get_version` with this id."""


def get_version(change_id: str, min_supported: int, max_supported: int) -> int:
    """Return which version of a piece of code this run takes.

    The first call with an id decides for the rest of the run: a run that comes by for the first time gets
    `max_supported`, and its history says so; one that passed here before the call was put in gets
    `DEFAULT_VERSION`. All calls with one id in a run give the same, in a loop too.

        version = workflow.get_version("rank results", workflow.DEFAULT_VERSION, 1)
        if version == workflow.DEFAULT_VERSION:
            ...  # as before
        else:
            ...  # ranked

    Once no open run takes an old branch, raise `min_supported` and remove the branch. Runs with a version that
    has been removed stop with `UnsupportedVersionError` until the code supports it again; the search attribute
    `TemporalChangeVersion` (`<id>-<version>`) finds them. When only one version is left, the call may go too.

    Args:
        change_id: Name of the change, unique in the workflow.
        min_supported: The oldest version that the code still has; `DEFAULT_VERSION` for the code before.
        max_supported: The newest version.

    Returns:
        A number between the two.

    Raises:
        UnsupportedVersionError: The run was recorded with a version outside the range. Fails the workflow
            task, not the workflow.
        ValueError: `min_supported` is more than `max_supported`, or `change_id` is empty.

    Source: a `Version` marker, as the Go SDK writes it.
    """
    return current_runtime().get_version(change_id, min_supported, max_supported)


def patched(id: str) -> bool:
    """Tell whether this run takes the new way at a place that was changed.

    True for a run that comes by for the first time, and its history says so; False for one that passed here
    before the call was put in. All calls with one id in a run give the same.

    Source: a `core_patch` marker, as the official Python SDK writes it.
    """
    return current_runtime().patched(id, deprecated=False)


def deprecate_patch(id: str) -> None:
    """Mark the place of a `patched` call that no open run answers False any more.

    The old way may be removed then. Once all runs that recorded the patch before this call have closed, this
    call may be removed too.
    """
    current_runtime().patched(id, deprecated=True)
