"""Tokens of pages, as they stand in the page's own URLs."""

from __future__ import annotations

import base64

from tsuzuki.service import ServiceError, StatusCode


def token_text(token: bytes) -> str:
    """A token for a URL."""
    return base64.urlsafe_b64encode(token).decode()


def read_token(text: str) -> bytes:
    """What `token_text` wrote.

    Raises:
        ServiceError: INVALID_ARGUMENT: it did not.
    """
    try:
        return base64.urlsafe_b64decode(text)
    except ValueError:
        raise ServiceError(StatusCode.INVALID_ARGUMENT, "the token is none of a page; begin with the first.") from None
