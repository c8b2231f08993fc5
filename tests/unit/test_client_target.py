"""The target string: what each form means, and what a wrong one is answered with."""

from __future__ import annotations

from typing import Any

import pytest

from tsuzuki.client import Client, InvalidArgumentError
from tsuzuki.client._target import EmbeddedTarget, RemoteTarget, parse_target


@pytest.mark.parametrize(
    ("target", "parsed"),
    [
        ("sqlite://", EmbeddedTarget(None)),
        ("sqlite:///:memory:", EmbeddedTarget(None)),
        ("sqlite:///research.db", EmbeddedTarget("research.db")),
        ("sqlite:///data/research.db", EmbeddedTarget("data/research.db")),
        ("sqlite:////var/lib/research.db", EmbeddedTarget("/var/lib/research.db")),
        ("localhost:7233", RemoteTarget("localhost", 7233)),
        ("10.0.0.1:1", RemoteTarget("10.0.0.1", 1)),
        ("[::1]:7233", RemoteTarget("::1", 7233)),
        ("my-cluster.internal.example:65535", RemoteTarget("my-cluster.internal.example", 65535)),
    ],
)
def test_each_form_is_understood(target: str, parsed: object) -> None:
    assert parse_target(target) == parsed


@pytest.mark.parametrize(
    ("target", "suggestion"),
    [
        ("", ""),
        ("sqlite:///", ""),
        ("sqlite://research.db", "; did you mean 'sqlite:///research.db'?"),
        ("sqlite:research.db", "; did you mean 'sqlite:///research.db'?"),
        ("research.db", "; did you mean 'sqlite:///research.db'?"),
        ("/var/research.sqlite3", "; did you mean 'sqlite:////var/research.sqlite3'?"),
        ("localhost", "; did you mean 'localhost:7233'?"),
        ("http://localhost:7233/", "; did you mean 'localhost:7233'?"),
        ("localhost:0", ""),
        ("localhost:70000", ""),
        ("localhost:http", ""),
        ("::1:7233", ""),
        ("postgresql://host/db", ""),
        (None, None),
        (7233, None),
    ],
)
async def test_a_wrong_one_is_refused_with_the_three_forms(target: Any, suggestion: str | None) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        await Client.connect(target)

    message = str(caught.value)
    assert repr(target) in message
    for form in ("sqlite:///research.db", "`sqlite://`", "localhost:7233"):
        assert form in message
    if suggestion is not None:
        assert f"is not understood{suggestion or '.'} It must be" in message
