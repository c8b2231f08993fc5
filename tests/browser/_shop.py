"""Workflows for the page's tests: orders that are checked, paid in the end or not, and can be paused."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from tsuzuki import activity, workflow
from tsuzuki.common import RetryPolicy
from tsuzuki.exceptions import ApplicationError

TASK_QUEUE = "shop"
QUICK = timedelta(seconds=30)
EVIL = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\'"&{{7*7}}'


@dataclass
class Order:
    """What somebody wants."""

    number: int
    items: list[str] = field(default_factory=list)
    card: str = "4000-0000"
    discount: float = 0.0


@dataclass
class Priced:
    """An item with its price."""

    item: str
    price: float


@activity.defn
async def find_price(item: str) -> Priced:
    if item == "saffron" and activity.info().attempt == 1:
        raise ApplicationError("the price list did not answer", type="PriceListError")
    return Priced(item, 3.5 * len(item))


tried: set[str] = set()
"""Cards that were tried before."""


@activity.defn
async def charge_card(card: str, amount: float) -> str:
    if card.endswith("later") and card not in tried:
        tried.add(card)
        raise ApplicationError("not today", type="CardDeclined", non_retryable=True)
    if card.endswith("declined"):
        raise ApplicationError(f"card {card} was declined for {amount:.2f}", type="CardDeclined", non_retryable=True)
    return f"receipt for {amount:.2f}"


@activity.defn
async def ship(number: int) -> str:
    raise ApplicationError("the courier is on strike", type="CourierError")


@activity.defn
async def repeat(text: str) -> str:
    return text


@workflow.defn
class WrapGift:
    """A child: wraps an item."""

    @workflow.run
    async def run(self, item: str) -> str:
        await workflow.sleep(0.05)
        return f"{item} in paper"


@workflow.defn
class Family:
    """Has children, which have children, to a depth."""

    @workflow.run
    async def run(self, depth: int, children: int) -> None:
        own = workflow.info().workflow_id
        for number in range(children if depth else 0):
            await workflow.execute_child_workflow(Family.run, args=[depth - 1, 1], id=f"{own}.{number}")


@workflow.defn
class Growing:
    """Has so many children, and one more for each signal."""

    def __init__(self) -> None:
        self.wanted = self.had = 0

    @workflow.run
    async def run(self, children: int) -> None:
        self.wanted += children
        own = workflow.info().workflow_id
        while True:
            await workflow.wait_condition(lambda: self.wanted > self.had)
            await workflow.execute_child_workflow(Family.run, args=[0, 0], id=f"{own}.{self.had}")
            self.had += 1

    @workflow.signal
    def grow(self) -> None:
        self.wanted += 1


@workflow.defn
class Rounds:
    """Goes on as new so many times."""

    @workflow.run
    async def run(self, left: int) -> str:
        if left:
            workflow.continue_as_new(left - 1)
        return "the last round"


@workflow.defn
class Fulfil:
    """Prices the items side by side, adds them up, charges the card."""

    def __init__(self) -> None:
        self.paused = False
        self.stage = "pricing"
        self.total = 0.0

    @workflow.run
    async def run(self, order: Order) -> str:
        prices = await asyncio.gather(*(self.price(item) for item in order.items))
        for priced in prices:
            self.total += priced.price
        self.stage = "wrapping"
        wrapped = await workflow.execute_child_workflow(WrapGift.run, order.items[0], id=f"wrap-{order.number}")
        await workflow.sleep(0.1)
        self.stage = "charging"
        await workflow.wait_condition(lambda: not self.paused)
        receipt = await workflow.execute_activity(
            charge_card, args=[order.card, self.total * (1 - order.discount)], start_to_close_timeout=QUICK
        )
        self.stage = "done"
        return f"{wrapped}: {receipt}"

    async def price(self, item: str) -> Priced:
        return await workflow.execute_activity(
            find_price,
            item,
            start_to_close_timeout=QUICK,
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200)),
        )

    @workflow.signal
    def pause(self, on: bool = True) -> None:
        self.paused = on

    @workflow.query
    def get_status(self) -> str:
        return "paused" if self.paused else self.stage

    @workflow.update
    def rename(self, stage: str) -> str:
        self.stage = stage
        return f"the stage is {stage}"


@workflow.defn
class Ship:
    """Its activity fails and is tried again, for ever."""

    @workflow.run
    async def run(self, number: int) -> str:
        return await workflow.execute_activity(
            ship,
            number,
            start_to_close_timeout=QUICK,
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=50)),
        )


@workflow.defn(name=EVIL)
class Echo:
    """What goes in comes out, and fails with it."""

    @workflow.run
    async def run(self, text: str) -> str:
        self.said = await workflow.execute_activity(repeat, text, start_to_close_timeout=QUICK)
        raise ApplicationError(self.said, type=EVIL)


WORKFLOWS = [Fulfil, WrapGift, Family, Growing, Rounds, Ship, Echo]
ACTIVITIES = [find_price, charge_card, ship, repeat]
