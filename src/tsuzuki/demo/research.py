"""Deep research that survives kill -9: a question goes in, a report with cited sources comes out.

Two kinds of code, and the whole of durable execution is the line between them:

- An *activity* acts: it reads files, searches, calls a model. Once its result is recorded it never runs again.
- The *workflow* decides what to do next. It only waits for activities, so it can be run again at any time:
  after a crash it starts from the top, is handed the recorded results, and goes on where it stopped.

There is no code for saving, resuming or retrying here, and none is missing.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta

from tsuzuki import activity, workflow
from tsuzuki.common import RetryPolicy
from tsuzuki.demo._executions import note_execution
from tsuzuki.demo._index import open_index
from tsuzuki.demo._model import model_from_environment, write_with_model
from tsuzuki.demo._report import Report, write_extract
from tsuzuki.demo._search import find
from tsuzuki.demo._topics import Finding, Plan, Topic, decompose, follow_up
from tsuzuki.exceptions import ApplicationError

__all__ = [
    "FIRST_WAVE",
    "SEARCHES",
    "UNRELIABLE",
    "Draft",
    "Question",
    "Research",
    "Search",
    "make_plan",
    "search",
    "write_report",
]

SEARCHES = 15
FIRST_WAVE = 9  # these run side by side; each of the others follows from what was found before it
UNRELIABLE = 4  # the search whose first attempt always fails, so that a retry can be seen


@dataclass(frozen=True)
class Question:
    """What to find out, and where to look."""

    text: str
    corpus: str = ""  # a folder of text files; empty for Python's own documentation
    log: str = ""  # a file that gets a line for every execution of a search
    seconds: float = 0.0  # how long a search waits, as one over a network would


@dataclass(frozen=True)
class Search:
    """One search to make."""

    number: int
    topic: Topic
    question: Question


@dataclass(frozen=True)
class Draft:
    """All that was found, for the writer."""

    question: str
    findings: list[Finding]


@activity.defn
def make_plan(question: Question) -> Plan:
    """Take the question apart. Builds the full-text index first, unless an earlier run left it."""
    with open_index(question.corpus, progress=activity.heartbeat) as index:
        return decompose(question.text, index, first=FIRST_WAVE, reserve=SEARCHES - FIRST_WAVE)


@activity.defn
def search(job: Search) -> Finding:
    """Make one search. Runs again only if it fails or is cut off before its result is recorded."""
    attempt = activity.info().attempt
    note_execution(job.question.log, activity.info().workflow_run_id or "", job.number, attempt)
    time.sleep(job.question.seconds)
    if job.number == UNRELIABLE and attempt == 1:
        raise ApplicationError("the search service did not answer (made up, to show a retry)")
    with open_index(job.question.corpus) as index:
        return find(job.topic, job.question.text, index)


@activity.defn
async def write_report(draft: Draft) -> Report:
    """Write the report: with a model if there is a key for one, else (or if it fails) from the best sentences."""
    model = model_from_environment()
    if model and activity.info().attempt < 3:
        return await write_with_model(model, draft.question, draft.findings)
    return await asyncio.to_thread(write_extract, draft.question, draft.findings)


@workflow.defn
class Research:
    """Decompose, search in parallel, follow the leads one by one, write."""

    @workflow.run
    async def run(self, question: Question) -> Report:
        plan = await workflow.execute_activity(
            make_plan,
            question,
            start_to_close_timeout=timedelta(minutes=2),
            heartbeat_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(maximum_attempts=3, non_retryable_error_types=["CorpusError"]),
        )
        topics = enumerate(plan.first, start=1)
        findings = list(await asyncio.gather(*(self.search(question, number, topic) for number, topic in topics)))
        while len(findings) < SEARCHES:
            topic = follow_up(question.text, plan, findings)
            findings.append(await self.search(question, len(findings) + 1, topic))
        return await workflow.execute_activity(
            write_report,
            Draft(question.text, findings),
            start_to_close_timeout=timedelta(minutes=3),
            retry_policy=RetryPolicy(maximum_attempts=3),
        )

    async def search(self, question: Question, number: int, topic: Topic) -> Finding:
        return await workflow.execute_activity(
            search,
            Search(number, topic, question),
            activity_id=f"search-{number}",
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(seconds=1),
                backoff_coefficient=2.0,
                maximum_attempts=5,
                non_retryable_error_types=["CorpusError"],
            ),
        )
