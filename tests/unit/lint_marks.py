"""Snippets whose bad lines say so: a line that ends in `#! TSU001` must be found, and no other."""

from __future__ import annotations

import re
from textwrap import dedent, indent

from tsuzuki.replay.lint import Result, lint_text, select

_MARK = re.compile(r"#! ([A-Z0-9 ]+)$")

HEAD = """\
import asyncio, contextlib, datetime, functools, glob, itertools, os, pathlib, random, socket, subprocess, sys, time
import threading, uuid
from collections import defaultdict, deque
from datetime import timedelta
from pathlib import Path
import httpx, requests
from tsuzuki import activity, workflow
from tsuzuki.exceptions import ActivityError, is_cancelled_exception

MINUTE = timedelta(minutes=1)
RECENT = []

@activity.defn
async def charge(order): ...

"""


def found(source: str, *codes: str) -> list[tuple[int, str]]:
    """Where the rules find something: (line, code)."""
    result: Result = lint_text(source, "snippet.py", select(codes))
    return [(finding.line, finding.code) for finding in result.findings]


def marked(source: str) -> list[tuple[int, str]]:
    """Where the marks say that something is to be found."""
    marks = ((number, _MARK.search(line)) for number, line in enumerate(source.splitlines(), start=1))
    return [(number, code) for number, mark in marks if mark for code in mark[1].split()]


def in_run(body: str) -> str:
    """A module with a workflow that has these lines in its `run`."""
    return HEAD + (
        "@workflow.defn\nclass Order:\n"
        "    @workflow.run\n    async def run(self, order):\n"
        f"{indent(dedent(body).strip(), ' ' * 8)}\n\n"
        "    async def poll(self):\n"
        "        await workflow.execute_activity(charge, 1, start_to_close_timeout=MINUTE)\n\n"
        "    async def visit(self, city):\n"
        "        await workflow.execute_activity(charge, city, start_to_close_timeout=MINUTE)\n\n"
        "    async def work(self):\n"
        "        await self.poll()\n"
    )


def in_module(text: str) -> str:
    """A module with these lines after the imports."""
    return HEAD + dedent(text)
