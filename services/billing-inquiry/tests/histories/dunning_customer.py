"""One customer of a random history of dunning: what happens, and what ought to come of it."""

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from dunning_law import DAY, ZONE, Reckoned

from anliegen.billing_inquiry.dunning import actions
from anliegen.billing_inquiry.dunning.domain import DunningNotFound, HoldNotFound, NothingToHold
from anliegen.billing_inquiry.main import service
from anliegen.billing_inquiry.money import correct
from anliegen.billing_inquiry.money import handlers as money
from anliegen.billing_inquiry.money.drafts import LineChange
from anliegen.billing_inquiry.money.records import (
    CorrectionNotInForce,
    InvoiceNotFound,
    InvoiceNotInForce,
    NothingCorrected,
)
from anliegen.billing_inquiry.money.store import invoices as invoice_store
from anliegen.events import (
    CaseStatus,
    ComplaintTaken,
    ContentReference,
    CreditIssued,
    InvoiceCancelled,
    InvoiceIssued,
    InvoiceLine,
    PaymentAllocation,
    PaymentReceived,
    PaymentReturned,
    Task,
)
from anliegen.events.builders import build, envelope_for
from anliegen.kit import Transaction, links, ticker
from anliegen.kit.failpoints import TroubleOnPurpose
from anliegen.kit.service import Context
from anliegen.kit.versions import ANY_VERSION

OPEN_DAYS = 120
SETTLED = [CaseStatus.RESOLVED, CaseStatus.CLOSED, CaseStatus.WITHDRAWN, CaseStatus.TRANSFERRED]
UNSETTLED = [CaseStatus.OPENED, CaseStatus.IN_PROGRESS, CaseStatus.WAITING_FOR_CUSTOMER, CaseStatus.REOPENED]


@dataclass
class Customer:
    """One history: a customer's invoices, and the cases of this one and of a stranger."""

    seed: str
    context: Context
    chance: random.Random
    first: date
    invoices: dict[str, Reckoned] = field(default_factory=dict)
    said: dict[UUID, list[tuple[int, bool, str | None]]] = field(default_factory=dict)
    by_hand: dict[str, list[list[datetime]]] = field(default_factory=dict)
    held_by: dict[str, set[UUID]] = field(default_factory=dict)
    free_since: dict[str, datetime] = field(default_factory=dict)
    deeds: list[tuple[datetime, int, Callable[[datetime], Awaitable[None]]]] = field(default_factory=list)
    touched: bool = True

    def __post_init__(self) -> None:
        self.journey, self.stranger = (UUID(int=self.chance.getrandbits(128), version=4) for _ in range(2))
        self.currency = self.chance.choice(["EUR", "EUR", "EUR", "CHF"])
        self.numbers = [f"{self.seed}-{letter}" for letter in "AB"[: self.chance.choice([1, 1, 2])]]
        self.plan()
        self.deeds.sort(key=lambda deed: deed[:2])

    # What happens -----------------------------------------------------------------------------------------------------
    def plan(self) -> None:
        """Draw the history."""
        chance = self.chance
        for number in self.numbers:
            self.at(0, 15, self.tell(money.take_up_invoice, self.invoice(number)))
        for n in range(chance.choice([0, 1, 1, 2, 3])):
            day, name = self.first + chance.randint(0, 70) * DAY, f"{self.seed}-P{n}"
            amount = chance.choice([1, 400, 5000, 11_900, 12_000, 50_000])
            wanted = [build(PaymentAllocation, invoice_number=chance.choice(self.numbers), amount=amount)]
            paid = build(
                PaymentReceived, journey_id=self.journey, payment_id=name, received_on=day, currency=self.currency,
                amount=amount, allocations=tuple(wanted[: chance.randint(0, 1)]),
            )  # fmt: skip
            lag = (day - self.first).days
            self.at(max(lag - 10, 0), lag + 5, self.tell(money.take_up_payment, paid))
            if chance.random() < 0.5:
                back = day + chance.randint(0, 30) * DAY
                returned = build(PaymentReturned, journey_id=self.journey, payment_id=name, returned_on=back)
                # Perhaps before the payment itself is told of.
                self.at(max(lag - 10, 0), lag + 40, self.tell(money.return_payment, returned))
        if chance.random() < 0.3:
            credit = build(
                CreditIssued, journey_id=self.journey, credit_id=f"{self.seed}-C", invoice_number=self.numbers[0],
                issued_on=self.first + 20 * DAY, currency=self.currency, amount=chance.choice([100, 9000, 11_900]),
            )  # fmt: skip
            self.at(15, 60, self.tell(money.take_up_credit, credit))
        if chance.random() < 0.15:
            told = {"journey_id": self.journey, "invoice_number": self.numbers[-1]}
            gone = build(InvoiceCancelled, cancelled_on=self.first + 30 * DAY, **told)
            self.at(5, 60, self.tell(money.cancel_invoice, gone))
        if chance.random() < 0.3:
            self.at(5, 70, self.correct)
            self.at(20, 110, self.undo)
        for _ in range(chance.choice([0, 1, 1, 2, 3])):
            self.plan_case()
        for _ in range(chance.choice([0, 0, 1])):
            self.at(3, 60, self.hold_by_hand)
            self.at(5, 70, self.release_by_hand)
        for _ in range(chance.choice([0, 1, 2])):
            self.at(10, 100, self.nudge)
        if chance.random() < 0.3:
            self.at(0, 60, self.link(made=True))
            self.at(0, 100, self.link(made=False))

    def at(self, earliest: int, latest: int, deed: Callable[[datetime], Awaitable[None]]) -> None:
        """Have this happen on a day, and perhaps once more."""
        for _ in range(1 if self.chance.random() < 0.7 else 2):
            day = self.first + self.chance.randint(earliest, latest) * DAY
            moment = datetime.combine(day, time(self.chance.choice([7, 15])), tzinfo=ZONE)
            self.deeds.append((moment, self.chance.getrandbits(32), deed))

    def invoice(self, number: str) -> InvoiceIssued:
        amount = self.chance.choice([300, 500, 2400, 6000, 11_900, self.chance.randint(1, 2_000_000)])
        issued = self.first + self.chance.randint(0, 10) * DAY
        line = build(InvoiceLine, line_id="1", text="Mobil", net=amount, tax=0, gross=amount, tax_rate=0)
        return build(
            InvoiceIssued, journey_id=self.journey, invoice_number=number, issued_on=issued,
            due_on=issued + 14 * DAY, currency=self.currency, lines=(line,), total=amount, replaces=None,
            business=self.chance.random() < 0.4, told_of_default=self.chance.random() < 0.5, customer_number=self.seed,
        )  # fmt: skip

    def plan_case(self) -> None:
        """A case in its own journey or a stranger's, whose words come in any order; in the end it is settled."""
        chance, case = self.chance, UUID(int=self.chance.getrandbits(128), version=4)
        journey, number = chance.choice([self.journey, self.stranger]), chance.choice(self.numbers)
        words = [(chance.choice(UNSETTLED), number if chance.random() < 0.7 else None)]
        for _ in range(chance.randint(0, 5)):
            number = chance.choice([number, number, chance.choice(self.numbers), f"{self.seed}-unknown"])
            words.append((chance.choice(UNSETTLED + SETTLED), number if chance.random() < 0.6 else None))
        words.append((chance.choice(SETTLED), None))
        day = chance.randint(0, 80)
        for sequence, (status, named) in enumerate(words, start=1):
            event = build(
                ComplaintTaken, case_id=case, journey_id=journey, task=Task.COMPLAINTS, status=status,
                invoice_number=named,
            )  # fmt: skip
            deed = self.say(event, sequence)
            day = min(day + chance.randint(-4, 12), OPEN_DAYS)
            self.at(max(day, 0), max(day, 0), deed)
        # The last word comes for certain, if late: nothing is lost.
        self.at(OPEN_DAYS, OPEN_DAYS, deed)

    async def commit(self, *keys: UUID, work: Callable[[Transaction], Awaitable[Any]]) -> None:
        """Do this in a transaction; a process that dies before its end does it again."""
        for dies in (self.chance.random() < 0.1, False):
            with suppress(TroubleOnPurpose):
                async with ticker.begin(self.context) as tx:
                    await tx.lock(*sorted(keys, key=str))
                    await work(tx)
                    if dies:
                        raise TroubleOnPurpose
                return

    def tell(self, handler: Any, event: Any) -> Callable[[datetime], Awaitable[None]]:
        async def deed(now: datetime) -> None:
            await self.commit(self.journey, work=lambda tx: handler(event, tx))

        return deed

    def say(self, event: Any, sequence: int) -> Callable[[datetime], Awaitable[None]]:
        envelope = envelope_for(event, sequence=sequence)

        async def work(tx: Transaction) -> None:
            tx.handling(envelope)
            for handler in service.handlers.for_(event.event_type, "anliegen.complaints"):
                await handler.call(event, tx)

        async def deed(now: datetime) -> None:
            await self.commit(event.journey_id, work=work)
            said = (sequence, event.status not in SETTLED, event.invoice_number)
            self.said.setdefault(event.case_id, []).append(said)
            # What is held by it from now on, and what no longer.
            every = self.said[event.case_id]
            named = [word for word in every if word[2] is not None]
            wanted = max(named)[2] if named and max(every, key=lambda word: word[0])[1] else None
            for number in {*self.held_by, *([wanted] if wanted else [])}:
                held = self.held_by.setdefault(number, set())
                if number == wanted:
                    held.add(event.case_id)
                elif event.case_id in held:
                    held.discard(event.case_id)
                    self.free_since[number] = now

        return deed

    async def correct(self, now: datetime) -> None:
        number = self.chance.choice(self.numbers)
        net = self.chance.choice([0, 100, 4000, 20_000, 1_000_000])
        wish = correct.Wish(invoice_number=number, changes=[LineChange(line_id="1", net=net)], reason="wrong_tariff")

        async def work(tx: Transaction) -> None:
            draft = await correct.preview_correction(tx, wish)
            await correct.correct_invoice(
                tx, wish, seen=draft, document=build(ContentReference), agent="agent-1", roles=frozenset(), tier=1,
                expected=ANY_VERSION,
            )  # fmt: skip

        with suppress(InvoiceNotFound, InvoiceNotInForce, NothingCorrected):
            await self.commit(self.journey, work=work)

    async def undo(self, now: datetime) -> None:
        """Undo the correction that was made last, where one is in force."""

        async def work(tx: Transaction) -> None:
            number = self.chance.choice(self.numbers)
            known = await invoice_store.list_corrections(tx, invoice_number=number)
            for one in [one for one in known if one.reversed_at is None][-1:]:
                await correct.reverse_correction(
                    tx, correction_id=one.correction_id, reason="mistake", agent="agent-1", expected=ANY_VERSION
                )

        with suppress(CorrectionNotInForce):
            await self.commit(self.journey, work=work)

    async def hold_by_hand(self, now: datetime) -> None:
        number = self.chance.choice(self.numbers)
        ends = datetime.combine(now.date() + self.chance.randint(1, 30) * DAY, time(12), tzinfo=ZONE)

        async def work(tx: Transaction) -> None:
            await actions.place_hold(
                tx, invoice_number=number, ends_at=ends, reason="vip", agent="agent-1", expected=ANY_VERSION
            )

        known = self.invoices.get(number)
        if known is None or known.cleared:
            with pytest.raises(DunningNotFound if known is None else NothingToHold):
                await self.commit(self.journey, work=work)
            return
        await self.commit(self.journey, work=work)
        self.by_hand.setdefault(number, []).append([now, ends])

    async def release_by_hand(self, now: datetime) -> None:
        number = self.chance.choice(self.numbers)
        in_force = [days for days in self.by_hand.get(number, []) if days[1] > now]

        async def work(tx: Transaction) -> None:
            standing = await actions.get_standing(tx, invoice_number=number)
            for hold in standing.holds:
                if hold.case_id is None and hold.in_force(now):
                    await actions.release_hold(
                        tx,
                        invoice_number=number,
                        hold_id=hold.hold_id,
                        reason="mistake",
                        agent="agent-2",
                        expected=ANY_VERSION,
                    )

        with suppress(DunningNotFound, HoldNotFound):
            await self.commit(self.journey, work=work)
        for days in in_force:
            days[1] = now

    async def nudge(self, now: datetime) -> None:
        """A timer that comes again, or too early."""
        number = self.chance.choice(self.numbers)
        with suppress(DunningNotFound):
            await self.commit(self.journey, work=lambda tx: actions.let_time_pass(tx, invoice_number=number))
            one = self.invoices.get(number)
            if one is not None and one.missed and one.law.sends_on(now.astimezone(ZONE).date()):
                one.take_step(now)

    def link(self, *, made: bool) -> Callable[[datetime], Awaitable[None]]:
        """The two journeys are one person's, or turn out not to be."""
        told: dict[str, Any] = {"link_id": self.journey, "a": self.journey, "b": self.stranger}

        async def work(tx: Transaction) -> None:
            if made:
                await links.record_merge(await tx.start(), made_at=tx.now, **told)
            else:
                await links.record_split(await tx.start(), removed_at=tx.now, **told)

        async def deed(now: datetime) -> None:
            await self.commit(self.journey, self.stranger, work=work)

        return deed

    # What is compared -------------------------------------------------------------------------------------------------
    def is_held(self, number: str, at: datetime) -> bool:
        return bool(self.held_by.get(number)) or any(a <= at < b for a, b in self.by_hand.get(number, []))

    def free(self, number: str, at: datetime) -> datetime | None:
        ended = [days[1] for days in self.by_hand.get(number, []) if days[1] <= at]
        return max([*ended, *([self.free_since[number]] if number in self.free_since else [])], default=None)

    def may_go_out(self, one: Reckoned, nine: datetime) -> bool:
        return not self.is_held(one.number, nine) and one.may_go_out(nine, self.free(one.number, nine))

    def look_back(self, nines: list[datetime]) -> None:
        """Nobody was at work at these hours: what should have gone out is late."""
        for one in self.invoices.values():
            one.missed |= any(self.may_go_out(one, nine) for nine in nines)

    def work_timers(self, now: datetime) -> None:
        for one in self.invoices.values():
            at_nine = now.astimezone(ZONE).time().hour == 9 and self.may_go_out(one, now)
            late = one.missed and one.law.sends_on(now.astimezone(ZONE).date())
            one.missed = False
            if at_nine or late:
                one.take_step(now)
                self.touched = True

    async def do(self, now: datetime) -> None:
        """Everything that happens until now."""
        while self.deeds and self.deeds[0][0] <= now:
            _, _, deed = self.deeds.pop(0)
            await deed(now)
            self.touched = True
            async with self.context.pool.acquire() as connection:
                rows = await connection.fetch(
                    """
                    SELECT i.invoice_number, i.currency, i.issued_on, i.due_on, i.business, i.told_of_default,
                        array_agg(e.effective_on ORDER BY e.ord) AS days, array_agg(e.amount ORDER BY e.ord) AS amounts
                    FROM invoices AS i JOIN entries AS e USING (invoice_number) WHERE i.journey_id = $1
                    GROUP BY i.invoice_number
                    """,
                    self.journey,
                )  # fmt: skip
            for number, currency, issued_on, due_on, business, told, days, amounts in rows:
                if number not in self.invoices:
                    self.invoices[number] = Reckoned(number, currency, issued_on, due_on, business, told, now)
                self.invoices[number].owe(list(zip(days, amounts, strict=True)), now)
            for one in self.invoices.values():
                one.missed &= not self.is_held(one.number, now) and not one.is_over
                freed = self.free(one.number, now)
                one.missed &= freed is None or freed + timedelta(days=one.law.rest_after_hold) <= now
                # What was late on a closed day waits for nine o'clock of the next open one.
                one.missed &= one.law.sends_on(now.astimezone(ZONE).date())

    def next_step(self, one: Reckoned, now: datetime) -> datetime | None:
        if self.is_held(one.number, now) or one.is_over:
            return None
        for n in range(400):
            nine = datetime.combine(now.astimezone(ZONE).date() + n * DAY, time(9), tzinfo=ZONE)
            if nine > now and one.may_go_out(nine, self.free(one.number, now)):
                return nine
        return None

    async def compare(self, now: datetime) -> None:
        """What is stored is what ought to be."""
        self.touched = False
        async with self.context.pool.acquire() as connection:
            for one in self.invoices.values():
                row = await connection.fetchrow("SELECT * FROM dunnings WHERE invoice_number = $1", one.number)
                steps = await connection.fetch(
                    "SELECT * FROM dunning_steps WHERE invoice_number = $1 ORDER BY round, level", one.number
                )
                assert row is not None
                found = {name: row[name] for name in ("stage", "round", "level", "held", "due_on", "next_step_at")}
                assert found == {
                    "stage": one.stage, "round": one.round, "level": len(one.steps),
                    "held": self.is_held(one.number, now), "due_on": one.deadline,
                    "next_step_at": self.next_step(one, now),
                }, (one.number, now)  # fmt: skip
                taken = [
                    {name: row[name] for name in expected if name != "on"}
                    | {"on": row["reached_at"].astimezone(ZONE).date()}
                    for row, expected in zip(steps, one.every_step, strict=True)
                ]
                assert taken == one.every_step, (one.number, now)
