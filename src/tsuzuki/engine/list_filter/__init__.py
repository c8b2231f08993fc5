"""Temporal's list filter: `WorkflowType = 'Research' AND StartTime > '2026-01-01T00:00:00Z'`, as conditions of a store.

Text to a tree (`_syntax`), the tree with the namespace's attributes to conditions (`_conditions`). No text of a filter
reaches the store but as a bound value.
"""

from __future__ import annotations

from ._conditions import Attributes, ListFilter, read_filter
from ._in_memory import fits

__all__ = ["Attributes", "ListFilter", "fits", "read_filter"]
