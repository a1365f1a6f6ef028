"""Let the legal clocks of a complaint say how they stand: whatever changes a complaint calls this in its transaction.

A clock is reckoned anew from what is known, so it does not matter in which order things became known: a confirmation
that was sent in time and is heard of too late turns "breached" into "met".
"""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from anliegen.events import (
    ClockBreached,
    ClockEvent,
    ClockMet,
    ClockPaused,
    ClockResumed,
    ClockStarted,
    ClockStopped,
    ClockWarned,
)
from anliegen.kit import Transaction, ids

from .. import store as complaints
from ..domain import Complaint
from ..states import State
from . import store
from .domain import Clock, CountedDay, History, Pause, Stage, Standing, explain, reckon
from .packs import PACKS, Fact

TIMER = "clock"
"""The kind of the timer that looks at a clock when it would warn or run out; its subject is the clock."""
ENDED_OTHERWISE = frozenset({State.WITHDRAWN, State.TRANSFERRED})


async def keep_clocks(tx: Transaction, complaint: Complaint) -> None:
    """Start what has to run, and announce what changed. The complaint's journey is locked."""
    pauses = await _pauses(tx, complaint)
    known = {
        clock.clock_id: clock
        for clock in await store.list_clocks(tx, case_id=complaint.case_id)
        if clock.started_at == complaint.round_at
    }
    wanted = {clock.clock_id: clock for clock in _wanted(complaint)}
    for clock_id, new in wanted.items():
        # One that was stopped, because the complaint fell under other rules for a while, goes on.
        clock = replace(known.get(clock_id, new), stopped_at=None)
        await _keep(tx, complaint, before=known.get(clock_id), clock=clock, pauses=pauses)
    for clock_id, clock in known.items():
        if clock_id not in wanted:
            stopped = replace(clock, stopped_at=clock.stopped_at or tx.now)
            await _keep(tx, complaint, before=clock, clock=stopped, pauses=pauses)


async def explain_clock(tx: Transaction, complaint: Complaint, clock: Clock) -> tuple[Standing, list[CountedDay]]:
    """How the clock stands now, and every day of it."""
    pack = PACKS.get(clock.pack)
    rule = pack.rule_of(clock.rule)
    calendar = PACKS.calendar(pack, rule, country=clock.country)
    history = _history(complaint, clock, await _pauses(tx, complaint))
    return reckon(rule, calendar, history, now=tx.now), explain(rule, calendar, history, now=tx.now)


def _wanted(complaint: Complaint) -> list[Clock]:
    packs = PACKS.for_complaint(country=complaint.country, line=complaint.line, received_at=complaint.round_at)
    first_round = complaint.round_at == complaint.opened_at
    return [
        Clock(
            clock_id=ids.derived("clock", complaint.case_id, pack.pack, rule.rule, complaint.round_at.isoformat()),
            case_id=complaint.case_id, pack=pack.pack, rule=rule.rule, country=complaint.country,
            started_at=complaint.round_at, stage=Stage.RUNNING, due_at=None,
        )
        for pack in packs
        for rule in pack.clocks
        # Who comes back was confirmed the receipt of the complaint already.
        if first_round or rule.met_by is not Fact.ACKNOWLEDGED
    ]  # fmt: skip


async def _keep(
    tx: Transaction, complaint: Complaint, *, before: Clock | None, clock: Clock, pauses: tuple[Pause, ...]
) -> None:
    pack = PACKS.get(clock.pack)
    rule = pack.rule_of(clock.rule)
    calendar = PACKS.calendar(pack, rule, country=clock.country)
    standing = reckon(rule, calendar, _history(complaint, clock, pauses), now=tx.now)
    now = clock.standing(standing)
    next_at = standing.next_at(tx.now)
    if next_at is None:
        await tx.cancel_timer(TIMER, subject=clock.clock_id)
    else:
        told = {"case_id": str(complaint.case_id)}
        await tx.set_timer(TIMER, key=complaint.journey_id, subject=clock.clock_id, due_at=next_at, payload=told)
    if now == before:
        return
    await store.upsert_clock(tx, clock=now)
    if before is None:
        _announce(tx, ClockStarted, complaint, now)
    _announce_change(tx, complaint, before.stage if before else Stage.RUNNING, now, duty=rule.duty)


def _announce_change(tx: Transaction, complaint: Complaint, was: Stage, now: Clock, *, duty: bool) -> None:
    if now.stage is was:
        return
    if now.stage is Stage.BREACHED:
        _announce(tx, ClockBreached, complaint, now, duty=duty)
    elif now.stage is Stage.MET:
        _announce(tx, ClockMet, complaint, now, met_at=now.ended_at)
    elif now.stage is Stage.STOPPED:
        _announce(tx, ClockStopped, complaint, now, stopped_at=now.ended_at)
    elif now.stage is Stage.PAUSED:
        _announce(tx, ClockPaused, complaint, now)
    else:
        if was not in {Stage.RUNNING, Stage.WARNED}:
            _announce(tx, ClockResumed, complaint, now)
        if now.stage is Stage.WARNED:
            _announce(tx, ClockWarned, complaint, now)


def _announce(tx: Transaction, event: type[ClockEvent], complaint: Complaint, clock: Clock, **more: Any) -> None:
    tx.publish(
        event.about(
            complaint, invoice_number=complaint.invoice_number, clock_id=clock.clock_id, rule=clock.rule,
            pack=clock.pack, due_at=clock.due_at, **more,
        )
    )  # fmt: skip


def _history(complaint: Complaint, clock: Clock, pauses: tuple[Pause, ...]) -> History:
    if clock.started_at != complaint.round_at and clock.ended_at is not None:
        # What an earlier round ended with is known from the clock alone: the complaint tells of the newest.
        fact = PACKS.get(clock.pack).rule_of(clock.rule).met_by
        facts = {} if clock.stage is Stage.STOPPED else {fact: clock.ended_at}
        return History(started_at=clock.started_at, facts=facts, pauses=pauses, stopped_at=clock.stopped_at)
    facts = {
        fact: moment
        for fact, moment in (
            (Fact.ACKNOWLEDGED, complaint.acknowledged_at),
            (Fact.HOLDING_REPLY, complaint.held_at),
            (Fact.FINAL_RESPONSE, complaint.answered_at),
        )
        if moment is not None
    }
    ended: datetime | None = complaint.settled_at if complaint.state in ENDED_OTHERWISE else None
    return History(started_at=clock.started_at, facts=facts, pauses=pauses, stopped_at=clock.stopped_at or ended)


async def _pauses(tx: Transaction, complaint: Complaint) -> tuple[Pause, ...]:
    rows = await complaints.list_pauses(tx, case_id=complaint.case_id)
    return tuple(Pause(began_at=began_at, ended_at=ended_at) for began_at, ended_at in rows)


async def list_clocks(tx: Transaction, *, case_id: UUID) -> list[Clock]:
    """The clocks of a complaint, as they were last announced."""
    return await store.list_clocks(tx, case_id=case_id)
