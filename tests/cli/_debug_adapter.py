"""An IDE, as far as a debugger can tell: a client of the Debug Adapter Protocol on a socket."""

from __future__ import annotations

import json
import socket
from typing import Any

WAIT_S = 60


class Ide:
    """Attaches to debugpy. Requests are answered in any order, so what comes meanwhile is kept."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        self._stream = self._socket.makefile("rwb")
        self._number = 0
        self._came: list[dict[str, Any]] = []

    def close(self) -> None:
        self._stream.close()
        self._socket.close()

    def attach(self, breakpoints: dict[str, list[int]]) -> None:
        """Attach, and stop at these lines of these files."""
        self.ask("initialize", adapterID="test", pathFormat="path")
        attached = self.send("attach", justMyCode=False)
        self.event("initialized")
        for path, lines in breakpoints.items():
            self.ask("setBreakpoints", source={"path": path}, breakpoints=[{"line": line} for line in lines])
        self.ask("configurationDone")
        self.answer(attached)

    def stopped(self) -> int:
        """Wait until the code stops; the thread that did."""
        thread: int = self.event("stopped")["body"]["threadId"]
        return thread

    def variables(self, thread: int) -> tuple[str, dict[str, str]]:
        """The innermost function of a thread that stopped, and its local variables."""
        frame = self.ask("stackTrace", threadId=thread)["stackFrames"][0]
        scope = self.ask("scopes", frameId=frame["id"])["scopes"][0]
        found = self.ask("variables", variablesReference=scope["variablesReference"])["variables"]
        return frame["name"], {variable["name"]: variable["value"] for variable in found}

    def go_on(self, thread: int) -> None:
        self.ask("continue", threadId=thread)

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        return self.answer(self.send(command, **arguments))

    def send(self, command: str, **arguments: Any) -> int:
        self._number += 1
        body = json.dumps({"seq": self._number, "type": "request", "command": command, "arguments": arguments}).encode()
        self._stream.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._stream.flush()
        return self._number

    def answer(self, number: int) -> dict[str, Any]:
        answer = self._wait(lambda it: it["type"] == "response" and it["request_seq"] == number)
        assert answer["success"], answer
        return answer.get("body") or {}

    def event(self, name: str) -> dict[str, Any]:
        return self._wait(lambda it: it["type"] == "event" and it["event"] == name)

    def _wait(self, wanted: Any) -> dict[str, Any]:
        for message in self._came:
            if wanted(message):
                self._came.remove(message)
                return message
        while True:
            message = self._read()
            if wanted(message):
                return message
            self._came.append(message)

    def _read(self) -> dict[str, Any]:
        length = 0
        while (line := self._stream.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        assert length, "the debugger has gone"
        message: dict[str, Any] = json.loads(self._stream.read(length))
        return message
