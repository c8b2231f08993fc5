"""`tsuzuki demo`: reads the command line and says in one line what is wrong with it.

The report goes to standard output, everything else to standard error, so that the report can be redirected.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from tsuzuki.client import RPCError, WorkflowFailureError
from tsuzuki.demo import SEARCHES, CorpusError
from tsuzuki.store import StoreError

from ._demo_run import Order, Outcome, research
from ._demo_view import view_on

DEFAULT_QUESTION = "How do Python coroutines, tasks and cancellation work, and what can go wrong?"
QUESTION_CHARS_MAX = 1000

BAD_INPUT = 2
FAILED = 1
INTERRUPTED = 130


class BadInput(Exception):
    """What was typed cannot work; the message is one line."""


def demo(
    question: Annotated[str, typer.Argument(help="What to find out.")] = DEFAULT_QUESTION,
    db: Annotated[Path, typer.Option(help="Database file; made if missing.")] = Path("research.db"),
    corpus: Annotated[
        Path | None, typer.Option(help="Folder of text files to search. Default: Python's own documentation.")
    ] = None,
    crash_after: Annotated[
        int | None, typer.Option(metavar="N", help=f"Kill this process after N searches (1 to {SEARCHES}).")
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Start again, even if this question was answered before.")] = False,
    search_seconds: Annotated[float, typer.Option(help="How long a search waits, as one over a network would.")] = 0.4,
) -> None:
    """Research a question with 15 searches, in a way that survives kill -9.

    Kill the process at any time and run the same command again: it goes on where it stopped, and no finished
    search runs twice. A finished question is answered from the database.
    """
    messages = Console(stderr=True, highlight=False)
    # What fails is shown in its row; a traceback would tear the display.
    logging.getLogger("tsuzuki").addHandler(logging.NullHandler())
    logging.getLogger("tsuzuki").propagate = False
    try:
        order = _order(question, db, corpus, crash_after, new, search_seconds)
        outcome = asyncio.run(research(order, view_on(messages)))
    except (BadInput, CorpusError, StoreError) as error:
        # The text may have lines of its own (a path can); the promise is one.
        typer.echo(f"tsuzuki: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(BAD_INPUT) from None
    except (RPCError, WorkflowFailureError) as error:
        typer.echo(f"tsuzuki: {' '.join(_reason(error).split())}", err=True)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        typer.echo(f"Interrupted. What is finished is recorded in {db}: the same command goes on from there.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    _print_report(outcome)
    for line in outcome.closing:
        typer.echo(line, err=True)
    if outcome.repeated:
        raise typer.Exit(FAILED)


def _order(
    question: str, db: Path, corpus: Path | None, crash_after: int | None, new: bool, search_seconds: float
) -> Order:
    question = " ".join(question.split())
    if not question:
        raise BadInput("the question is empty: say what to find out, or leave it out for the default question")
    if len(question) > QUESTION_CHARS_MAX:
        raise BadInput(f"the question has {len(question):,} characters; at most {QUESTION_CHARS_MAX:,} are allowed")
    if crash_after is not None and not 1 <= crash_after <= SEARCHES:
        raise BadInput(f"--crash-after is {crash_after}; it must be from 1 to {SEARCHES}")
    if not 0 <= search_seconds <= 20:  # NaN fails too
        raise BadInput(f"--search-seconds is {search_seconds}; it must be from 0 to 20")
    if db.is_dir():
        raise BadInput(f"database {db} is a folder: give the path of a file in it")
    if not db.absolute().parent.is_dir():
        raise BadInput(f"database folder {db.absolute().parent} does not exist: make it, or give another --db")
    return Order(
        question=question,
        db=db,
        corpus=str(corpus.resolve()) if corpus is not None else "",
        crash_after=crash_after,
        new=new,
        search_seconds=search_seconds,
    )


def _reason(error: BaseException) -> str:
    """The cause at the bottom of a failure, which says most."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error)


def _print_report(outcome: Outcome) -> None:
    output = Console(highlight=False)
    if output.is_terminal:
        output.print(Markdown(outcome.report.text))
    else:
        typer.echo(outcome.report.text)
