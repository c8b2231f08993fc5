"""What an agent remembers of a session, behind gates: a run keeps the memory that it began with."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from virtual_run import QUEUE, scheduled, virtual_site

from tsuzuki import activity, workflow
from tsuzuki.agents import Entry, EntryKind, MemoryStore, compress, recall, remember
from tsuzuki.agents._memory import Recall
from tsuzuki.client import Client, WorkflowHistory
from tsuzuki.replay import Replayer
from tsuzuki.worker import Worker


def user(text: str) -> Entry:
    return Entry(EntryKind.USER, text)


def reply(text: str) -> Entry:
    return Entry(EntryKind.REPLY, text, message={"opaque": True})


def tool(text: str) -> Entry:
    return Entry(EntryKind.TOOL, text, tool="search", call_id="1")


@workflow.defn(name="Chat")
class Chat:
    """Remembers, answers, is remembered."""

    @workflow.run
    async def run(self, question: str, session_id: str) -> list[str]:
        known = await recall(session_id, question)
        conversation = await compress([*known, user(question)], session_id)
        await remember(session_id, [user(question), tool("not kept"), reply(f"about {question}")])
        return [entry.text for entry in conversation]


@workflow.defn(name="Chat")
class ChatWithSessionMemory:
    """As it was before layers."""

    @workflow.run
    async def run(self, question: str, session_id: str) -> list[str]:
        if workflow.get_version("session_memory_v1", workflow.DEFAULT_VERSION, 1) >= 1 and session_id:
            return [
                entry.text
                for entry in await workflow.execute_activity(
                    "get_session_messages",
                    {"session_id": session_id},
                    result_type=list[Entry],
                    start_to_close_timeout=timedelta(seconds=30),
                )
            ] + [question]
        return [question]


@workflow.defn(name="Chat")
class ChatWithoutMemory:
    """As it was at first."""

    @workflow.run
    async def run(self, question: str, session_id: str) -> list[str]:
        return [question]


def filled(path: Path) -> MemoryStore:
    store = MemoryStore(path)
    for number in range(10):
        said = [user(f"question {number} on {'owls' if number == 2 else 'ants'}"), reply(f"answer {number}")]
        store.add("monday", said, key=str(number))
    return store


async def chat(store: MemoryStore, target: str, session_id: str) -> list[str]:
    async with (
        await Client.connect(target) as client,
        Worker(client, task_queue=QUEUE, workflows=[Chat], activities=store.activities),
    ):
        return await client.execute_workflow(
            Chat.run, args=["What of owls?", session_id], id=f"chat-{session_id}", task_queue=QUEUE
        )


async def test_memory_has_layers_a_summary_what_is_relevant_and_what_was_last(tmp_path: Path) -> None:
    store = filled(tmp_path / "memory.db")
    known = await chat(store, "sqlite://", "monday")
    assert known[0].startswith("Earlier in this session:\n- user: question 0 on ants\n- reply: answer 0\n")
    assert known[1:] == [
        "question 2 on owls",
        "question 7 on ants",
        "answer 7",
        "question 8 on ants",
        "answer 8",
        "question 9 on ants",
        "answer 9",
        "What of owls?",
    ]
    assert store.messages("monday")[-2:] == [user("What of owls?"), Entry(EntryKind.REPLY, "about What of owls?")]
    store.close()


async def test_of_what_is_equally_relevant_the_last_is_told_in_every_process(tmp_path: Path) -> None:
    """The order of a set of words is another in each, and sums of fractions depend on it."""
    store = MemoryStore(tmp_path / "memory.db")
    answers = [[f"word{answer}in{times}" for times in (3, 5, 7, 9, 11, 13, 17)] for answer in range(8)]
    for words in answers:
        store.add("s", [user(word) for word in words for _ in range(int(word.partition("in")[2]) - 1)], key=words[0])
    store.add("s", [reply(" ".join(words)) for words in answers], key="answers")
    store.add("s", [user("-")] * 6, key="last")
    question = " ".join(word for words in answers for word in words)
    _, *relevant, _, _, _, _, _, _ = await store.retrieve(Recall("s", question))
    assert [entry.text for entry in relevant] == [" ".join(words) for words in answers[-4:]]
    store.close()


async def test_without_a_session_nothing_is_asked_or_kept(tmp_path: Path) -> None:
    store = filled(tmp_path / "memory.db")
    assert await chat(store, "sqlite://", "") == ["What of owls?"]
    assert store.messages("") == []
    store.close()


async def test_it_works_on_the_real_server(real_server: str, tmp_path: Path) -> None:
    store = filled(tmp_path / "memory.db")
    assert len(await chat(store, real_server, "monday")) == 9
    assert len(store.messages("monday")) == 22
    store.close()


def test_the_same_messages_are_added_once(tmp_path: Path) -> None:
    store = MemoryStore(tmp_path / "memory.db")
    for _ in range(2):
        store.add("s", [user("a"), reply("b")], key="k")
    assert [entry.text for entry in store.messages("s")] == ["a", "b"]
    store.close()


@workflow.defn
class Compress:
    @workflow.run
    async def run(self, conversation: list[Entry], session_id: str) -> list[Entry]:
        return await compress(conversation, session_id)


LONG = [user("one"), *(it for n in range(4) for it in (reply(f"r{n}"), tool(f"t{n}"))), *[user("two"), reply("r")] * 6]


@pytest.mark.parametrize(
    ("conversation", "session_id", "kept"),
    [
        (LONG, "s", 10),
        (LONG[:20], "s", None),
        (LONG, "", None),
        ([user("one"), *[reply("r"), tool("t")] * 12], "s", None),  # nowhere to cut
        ([user("one"), reply("r"), user("two"), *[reply("r"), tool("t")] * 12], "s", 25),  # only far back
    ],
)
async def test_long_conversations_are_compressed_where_they_may_be_cut(
    conversation: list[Entry], session_id: str, kept: int | None, tmp_path: Path
) -> None:
    store = MemoryStore(tmp_path / "memory.db")
    async with (
        await Client.connect("sqlite://") as client,
        Worker(client, task_queue=QUEUE, workflows=[Compress], activities=store.activities),
    ):
        made = await client.execute_workflow(Compress.run, args=[conversation, session_id], id="w", task_queue=QUEUE)
    if kept is None:
        assert made == conversation
    else:
        assert made[0].kind is EntryKind.SUMMARY
        assert made[0].text.startswith("Summary of what was said before:\n- user: one\n- reply: r")
        assert made[1:] == conversation[-kept:]
        assert made[1].kind is EntryKind.USER
    store.close()


@activity.defn(name="get_session_messages")
async def nothing_said(wanted: Any) -> list[Entry]:
    return []


@pytest.mark.parametrize(
    ("began_as", "way"),
    [(ChatWithoutMemory, []), (ChatWithSessionMemory, ["get_session_messages"])],
)
async def test_a_run_keeps_the_memory_it_began_with(began_as: Any, way: list[str]) -> None:
    async with virtual_site() as site, site.worker([began_as], [nothing_said]):
        handle = await site.client.start_workflow("Chat", args=["?", "monday"], id="chat", task_queue=QUEUE)
        await site.advance(1)
        assert await scheduled(handle) == way
        history = WorkflowHistory.from_json("chat", (await handle.fetch_history()).to_json())
    await Replayer(workflows=[Chat]).replay_workflow(history)
