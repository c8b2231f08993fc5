"""What a call costs, what a budget allows, and the error when it does not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final, Self

from tsuzuki.exceptions import ApplicationError, ApplicationErrorCategory

MICROS: Final = 1_000_000


@dataclass(frozen=True)
class Usage:
    """An amount of what is budgeted.

    Attributes:
        tokens: Tokens, of the prompt and of the answer together.
        micros: Money, in millionths of the currency that you count in; whole, so that sums are exact.
    """

    tokens: int = 0
    micros: int = 0

    @classmethod
    def of(cls, tokens: int = 0, cost: Decimal | str | int = 0) -> Self:
        """An amount with its money as a decimal: `Usage.of(1200, "0.0036")`; parts of a millionth are rounded up."""
        exact = Decimal(cost) * MICROS
        return cls(tokens, -int(-exact // 1))

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.tokens + other.tokens, self.micros + other.micros)

    def __sub__(self, other: Usage) -> Usage:
        return Usage(self.tokens - other.tokens, self.micros - other.micros)


NOTHING: Final = Usage()


@dataclass(frozen=True)
class Limit:
    """What a budget allows in all; None for no bound.

    Attributes:
        tokens: Tokens.
        micros: Money, as in `Usage`.
    """

    tokens: int | None = None
    micros: int | None = None

    def refuses(self, total: Usage) -> bool:
        """Tell whether a total is more than is allowed."""
        return (self.tokens is not None and total.tokens > self.tokens) or (
            self.micros is not None and total.micros > self.micros
        )

    def share_of(self, total: Usage) -> float:
        """How much of the limit a total is: 1.0 at the limit, by whichever of the two is nearer."""
        shares = [0.0]
        for spent, bound in ((total.tokens, self.tokens), (total.micros, self.micros)):
            if bound is not None:
                shares.append(spent / bound if bound > 0 else float(spent > 0))
        return max(shares)


UNLIMITED: Final = Limit()


@dataclass(frozen=True)
class BudgetState:
    """A budget as the ledger has it.

    Attributes:
        id: Its id.
        parent: The budget that it is a part of; None at the top.
        limit: What it allows.
        used: What was billed, here and in its parts.
        reserved: What the calls that are running (or whose process died) may still cost.
        soft: Share of the limit at which calls begin to be delayed; 1.0 for never.
        delay_s_max: The delay of a call, in seconds, when nothing is left.
    """

    id: str
    parent: str | None
    limit: Limit
    used: Usage
    reserved: Usage
    soft: float
    delay_s_max: float

    @property
    def overrun(self) -> Usage:
        """What was billed beyond the limit, because calls cost more than was reserved for them."""
        return Usage(
            max(0, self.used.tokens - self.limit.tokens) if self.limit.tokens is not None else 0,
            max(0, self.used.micros - self.limit.micros) if self.limit.micros is not None else 0,
        )


@dataclass(frozen=True)
class Exhausted:
    """Which budget refused what; the details of a `BudgetExhaustedError`."""

    budget: str
    limit: Limit
    used: Usage
    reserved: Usage
    wanted: Usage


_EXHAUSTED: Final = "BudgetExhaustedError"


class BudgetExhaustedError(ApplicationError):
    """A call was refused before it was made: what is left of a budget is less than the call may cost.

    Trying again does not help, and is not done; a larger budget does.

    Attributes:
        exhausted: Which budget, and its numbers at that moment.
    """

    def __init__(self, exhausted: Exhausted) -> None:
        limit = exhausted.limit
        in_tokens = "" if limit.tokens is None else f", limit {limit.tokens} tokens"
        in_money = "" if limit.micros is None else f", limit {_money(limit.micros)}"
        super().__init__(
            f"budget {exhausted.budget!r} has no room for a call of {_words(exhausted.wanted)}: used "
            f"{_words(exhausted.used)}, reserved {_words(exhausted.reserved)}{in_tokens}{in_money}. "
            "Increase the budget, or make smaller calls",
            exhausted,
            type=_EXHAUSTED,
            non_retryable=True,
            category=ApplicationErrorCategory.BENIGN,
        )
        self.exhausted: Final = exhausted

    @classmethod
    def find(cls, error: BaseException | None) -> Self | None:
        """Find it in what an activity or child failed with: the error itself or one of its causes; else None."""
        while error is not None:
            if isinstance(error, cls):
                return error
            if isinstance(error, ApplicationError) and error.type == _EXHAUSTED and error.details:
                return cls(_read(error.details[0]))
            error = error.__cause__
        return None


class RateLimitedError(ApplicationError):
    """A provider's rate leaves no room for a call soon; it is tried again when it does.

    Attributes:
        provider: The provider.
    """

    def __init__(self, provider: str, wait: timedelta) -> None:
        super().__init__(
            f"the rate of provider {provider!r} has no room for {wait.total_seconds():.1f} s",
            type="RateLimitedError",
            next_retry_delay=wait,
            category=ApplicationErrorCategory.BENIGN,
        )
        self.provider: Final = provider


def _read(details: object) -> Exhausted:
    assert isinstance(details, dict)
    return Exhausted(
        details["budget"],
        Limit(**details["limit"]),
        Usage(**details["used"]),
        Usage(**details["reserved"]),
        Usage(**details["wanted"]),
    )


def _words(usage: Usage) -> str:
    return f"{usage.tokens} tokens" + (f" and {_money(usage.micros)}" if usage.micros else "")


def _money(micros: int) -> str:
    return str(Decimal(micros) / MICROS)
