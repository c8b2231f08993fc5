"""`tsuzuki agent`: its commands by name."""

from __future__ import annotations

from ._lazy import group

agent = group(
    "Agents: hold them, answer them, see what they cost.",
    {
        "status": (
            "_agent_control:status",
            "Show whether a run is paused or cancelled, why, by whom, and where it waits.",
        ),
        "pause": ("_agent_control:pause", "Hold a run and its children at their next checkpoints."),
        "resume": ("_agent_control:resume", "Let a paused run and its children go on."),
        "cancel": ("_agent_control:cancel", "Say why a run is cancelled, and cancel it; it may clean up."),
        "approval": ("_agent_approval:approval", "Questions that wait for people."),
        "budget": ("_agent_budget:budget", "Budgets of tokens and money."),
        "execution": ("_agent_execution:execution", "What agents did, from the log of their workers."),
    },
)
