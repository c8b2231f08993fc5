"""Amounts of money as people read them."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

_MICROS: Final = 1_000_000


def money(micros: int) -> str:
    """Write millionths as a decimal number without zeros at its end: `2.5`."""
    return f"{Decimal(micros) / _MICROS:,.6f}".rstrip("0").rstrip(".")
