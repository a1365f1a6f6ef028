"""Dunning over HTTP: where it stands and why, holding by hand, and what a year would bring."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Path, Response

from anliegen.events import Task
from anliegen.kit import Transaction
from anliegen.kit.errors import Invalid
from anliegen.kit.http import (
    APIRouter,
    Caller,
    IfMatch,
    Principal,
    Tx,
    authorize_case,
    authorize_work,
    idempotent,
    requires,
    set_etag,
    unconditional,
    works_on,
)
from anliegen.kit.versions import ANY_VERSION

from . import actions, store
from .domain import DunningNotFound
from .rules import rules_for
from .simulate import Change, HeldDays, simulate
from .store import Standing
from .views import DunningView, HappeningView, HoldDunning, ReleaseDunning, SimulateDunning, SimulationView

TASK = Task.BILLING_INQUIRY.value
Number = Annotated[str, Path(min_length=1, max_length=60)]
router = APIRouter(prefix="/billing-inquiry/v1", tags=["billing-inquiry"])


class CurrencyNotDunned(Invalid):
    """There is no dunning pack for this currency."""


@router.get("/dunnings/{invoice_number}", name="get_dunning", dependencies=[requires("cases:read")])
async def get_dunning(*, invoice_number: Number, tx: Tx, caller: Caller, response: Response) -> DunningView:
    """Where dunning of an invoice stands, and why: this level, this fee, this interest, this day of the next step."""
    await _seen(tx, caller, invoice_number)
    return _shown(await actions.get_standing(tx, invoice_number=invoice_number), tx, response)


@router.post("/dunnings/{invoice_number}/hold", name="hold_dunning", dependencies=[requires("cases:write"), idempotent])
async def hold_dunning(
    *, invoice_number: Number, body: HoldDunning, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> DunningView:
    """Have nothing go out on an invoice until a time. What cases hold ends with these."""
    await _worked_on(tx, caller, invoice_number)
    standing = await actions.place_hold(
        tx, invoice_number=invoice_number, ends_at=body.ends_at, reason=body.reason, agent=caller.subject,
        expected=version,
    )  # fmt: skip
    return _shown(standing, tx, response)


@router.post(
    "/dunnings/{invoice_number}/hold/preview",
    name="preview_hold",
    dependencies=[requires("cases:read"), unconditional("it stores nothing")],
)
async def preview_hold(*, invoice_number: Number, body: HoldDunning, tx: Tx, caller: Caller) -> DunningView:
    """How dunning would stand if it were held so, or why it cannot be. Nothing is stored."""
    await _worked_on(tx, caller, invoice_number)
    standing = await actions.preview_hold(
        tx, invoice_number=invoice_number, ends_at=body.ends_at, reason=body.reason, agent=caller.subject,
        expected=ANY_VERSION,
    )  # fmt: skip
    return DunningView.of(standing, now=tx.now)


@router.post(
    "/dunnings/{invoice_number}/holds/{hold_id}/release",
    name="release_dunning",
    dependencies=[requires("cases:write"), idempotent],
)
async def release_dunning(
    *,
    invoice_number: Number,
    hold_id: UUID,
    body: ReleaseDunning,
    tx: Tx,
    caller: Caller,
    version: IfMatch,
    response: Response,
) -> DunningView:
    """End a hold that was placed by hand; the customer has some days before the next reminder."""
    await _worked_on(tx, caller, invoice_number)
    standing = await actions.release_hold(
        tx, invoice_number=invoice_number, hold_id=hold_id, reason=body.reason, agent=caller.subject, expected=version
    )
    return _shown(standing, tx, response)


@router.post(
    "/dunnings/{invoice_number}/holds/{hold_id}/release/preview",
    name="preview_release",
    dependencies=[requires("cases:read"), unconditional("it stores nothing")],
)
async def preview_release(
    *, invoice_number: Number, hold_id: UUID, body: ReleaseDunning, tx: Tx, caller: Caller
) -> DunningView:
    """How dunning would go on if this hold ended now. Nothing is stored."""
    await _worked_on(tx, caller, invoice_number)
    standing = await actions.preview_release(
        tx, invoice_number=invoice_number, hold_id=hold_id, reason=body.reason, agent=caller.subject,
        expected=ANY_VERSION,
    )  # fmt: skip
    return DunningView.of(standing, now=tx.now)


@router.post(
    "/dunning-simulations",
    name="simulate_dunning",
    dependencies=[requires("cases:read"), unconditional("it stores nothing")],
)
async def simulate_dunning(*, body: SimulateDunning, caller: Caller) -> SimulationView:
    """What would happen to an invoice from its issue on. Nothing is stored."""
    authorize_work(caller, task=TASK)
    currency = body.amount.currency
    rules = rules_for(currency)
    if rules is None:
        raise CurrencyNotDunned
    happenings = simulate(
        issued_on=body.issued_on,
        due_on=body.due_on,
        amount=body.amount.amount,
        business=body.business,
        told_of_default=body.told_of_default,
        currency=currency,
        rules=rules,
        until=body.issued_on + timedelta(days=body.days),
        changes=[Change(change.on, change.amount) for change in body.changes],
        held=[HeldDays(days.first, days.end) for days in body.held],
    )
    return SimulationView(
        pack=rules.pack, happenings=[HappeningView.of(happening, currency=currency) for happening in happenings]
    )


def _shown(standing: Standing, tx: Transaction, response: Response) -> DunningView:
    set_etag(response, standing.dunning.version)
    return DunningView.of(standing, now=tx.now)


async def _seen(tx: Transaction, caller: Principal, invoice_number: str) -> None:
    dunning = await store.find_dunning(tx, invoice_number=invoice_number)
    if dunning is None:
        raise DunningNotFound
    members = () if works_on(caller, task=TASK) else await tx.members(dunning.journey_id)
    authorize_case(caller, task=TASK, journey_id=dunning.journey_id, members=members, otherwise=DunningNotFound)


async def _worked_on(tx: Transaction, caller: Principal, invoice_number: str) -> None:
    await _seen(tx, caller, invoice_number)
    authorize_work(caller, task=TASK)
