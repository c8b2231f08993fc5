"""An address that cannot be listened on, said the same way by every port."""

from __future__ import annotations


class PortTakenError(Exception):
    """The address cannot be listened on; the message says what to do."""
