"""Searching the web over HTTP, for research that may look beyond its own texts. Without an address there is none.

It asks a search service that answers in JSON: a list `results` of objects with `url`, `title` and `content`, as SearXNG
and several commercial services give it.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any, Final, Self

from tsuzuki.exceptions import ApplicationError

from ._passages import Passage

ADDRESS: Final = "TSUZUKI_SEARCH_URL"
KEY: Final = "TSUZUKI_SEARCH_KEY"
"""Where the environment names the service, and the key for it."""

ANSWER_BYTES_MAX: Final = 1 << 20
RESULTS_MAX: Final = 5
TEXT_MAX: Final = 2000
REFUSED: Final = frozenset((400, 401, 403, 404, 422))
"""Answers that another try will not change."""


@dataclass(frozen=True)
class WebSearch:
    """A search service.

    Attributes:
        address: Of its search, without a query: `https://search.example/search?format=json`.
        key: Sent as a bearer token; empty for none.
        timeout_s: For one answer.
    """

    address: str
    key: str = ""
    timeout_s: float = 15.0

    @classmethod
    def from_environment(cls) -> Self | None:
        """The service that the environment names, or None."""
        address = os.environ.get(ADDRESS, "")
        return cls(address, os.environ.get(KEY, "")) if address else None

    def search(self, query: str) -> list[Passage]:
        """Ask, and give what it found: a page each, with what the service quotes of it; at most five.

        Raises:
            ApplicationError: It refuses for good (type `WebSearchRefused`), or does not answer (`WebSearchFailed`).
        """
        separator = "&" if urllib.parse.urlsplit(self.address).query else "?"
        url = f"{self.address}{separator}{urllib.parse.urlencode({'q': query})}"
        if not url.startswith(("http://", "https://")):
            raise ApplicationError(
                f"{ADDRESS} is {self.address!r}; expected an address of http or https",
                type="WebSearchRefused",
                non_retryable=True,
            )
        headers = {"Accept": "application/json", **({"Authorization": f"Bearer {self.key}"} if self.key else {})}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=self.timeout_s) as answer:
                said = json.loads(answer.read(ANSWER_BYTES_MAX))
        except urllib.error.HTTPError as error:
            with error:
                final = error.code in REFUSED
                kind = "WebSearchRefused" if final else "WebSearchFailed"
                why = f"the web search answered {error.code} {error.reason}"
                raise ApplicationError(why, type=kind, non_retryable=final) from error
        except (OSError, ValueError) as error:
            raise ApplicationError(f"the web search gave no answer: {error}", type="WebSearchFailed") from error
        return _passages(said)


def _passages(said: Any) -> list[Passage]:
    results = said.get("results", []) if isinstance(said, dict) else []
    found = [
        Passage(str(result["url"]), str(result.get("title") or result["url"]), " ".join(str(text).split())[:TEXT_MAX])
        for result in results
        if isinstance(result, dict) and result.get("url") and (text := result.get("content"))
    ]
    return found[:RESULTS_MAX]
