"""`tsuzuki workflow`: its commands by name."""

from __future__ import annotations

from ._lazy import group

workflow = group(
    "Workflows: start them, look at them, work on them.",
    {
        "start": ("_workflow_start:start", "Start a workflow and say its ids."),
        "execute": (
            "_workflow_start:execute",
            "Start a workflow and wait for its result.",
        ),
        "result": (
            "_workflow_start:result",
            "Wait for the result of a workflow, past retries and to the end of a chain of continue-as-new.",
        ),
        "signal-with-start": (
            "_workflow_start:signal_with_start",
            "Signal the open run of a workflow id, or one that is started with the signal in its history.",
        ),
        "execute-update-with-start": (
            "_workflow_start:execute_update_with_start",
            "Update the open run of a workflow id, or one that is started for it, and wait for the result.",
        ),
        "list": ("_workflow_look:list_workflows", "List runs, newest first."),
        "count": (
            "_workflow_look:count",
            "Count runs; with GROUP BY ExecutionStatus at the end of the filter, by status.",
        ),
        "describe": (
            "_workflow_look:describe",
            "Show a run: its state, its times, what it waits for, and why it is stuck if it is.",
        ),
        "show": (
            "_workflow_look:show",
            "Show the history of a run.",
        ),
        "logs": (
            "_workflow_logs:logs",
            "Show what a run's code and its activities have logged.",
        ),
        "stream": (
            "_workflow_stream:stream",
            "Show the event stream of a run: tokens of models, progress.",
        ),
        "trace": ("_trace:trace", "Show a run with its activities, timers and children as a tree."),
        "signal": ("_workflow_talk:signal", "Send a signal to a workflow."),
        "query": (
            "_workflow_query:query",
            "Ask a workflow's code, open or closed.",
        ),
        "stack": (
            "_workflow_query:stack",
            "Show where a workflow's code waits.",
        ),
        "metadata": (
            "_workflow_query:metadata",
            "Show what a workflow takes (signals, queries, updates) and says of itself.",
        ),
        "update": ("_workflow_update:update", "Change a workflow and get an answer."),
        "cancel": (
            "_workflow_talk:cancel",
            "Ask a workflow to stop: its code is cancelled, may clean up, and decides how it ends.",
        ),
        "pause": (
            "_workflow_pause:pause",
            "Hold a workflow: its code does not run and no activity attempt starts until it is unpaused.",
        ),
        "unpause": ("_workflow_pause:unpause", "Let a paused workflow go on, with all that came meanwhile."),
        "terminate": (
            "_workflow_talk:terminate",
            "End a workflow at once; its code is not told and does not clean up.",
        ),
        "delete": ("_workflow_talk:delete", "Delete a run and its history; an open one is terminated first."),
        "reset": (
            "_reset:reset",
            "End a run, and go on in a new one of the same workflow id from a workflow task of the old one.",
        ),
        "replay": (
            "_replay:replay",
            "Replay a history on the code at hand, from a database, a server, or an exported file.",
        ),
        "state": (
            "_replay:state",
            "Show where a run's code stood at an event: lines, variables, pending work, answers of queries.",
        ),
        "debug": (
            "_debug:debug",
            "Replay a run up to an event and open a debugger there, with the real frames of its code.",
        ),
        "fork": (
            "_fork:fork",
            "Start a new run from an event of an old one, if wanted with other results or further signals.",
        ),
    },
)
