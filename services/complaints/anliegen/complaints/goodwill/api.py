"""Door 2 of goodwill: what people at the desk and shops do with it."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response, status

from anliegen.events import Money
from anliegen.kit import Principal, Transaction, ids
from anliegen.kit.cases import refuse_own
from anliegen.kit.http import (
    APIRouter,
    Caller,
    IfMatch,
    Page,
    Paging,
    Tx,
    idempotent,
    requires,
    set_etag,
    unconditional,
)
from anliegen.kit.http.access import StaffOnly
from anliegen.kit.principal import ADMINISTRATOR, AGENT, CUSTOMER, SUPERVISOR

from . import actions
from .domain import Goodwill, State
from .errors import CustomersOnly, GoodwillNotFound
from .policy import policy_in_force
from .reckoning import Person, Proposal
from .store import counts, goodwills
from .views import (
    ApproveGoodwill,
    BudgetReport,
    DecisionView,
    DeclineGoodwill,
    EffectCount,
    GoodwillDetail,
    GoodwillView,
    IssueGoodwill,
    OwnGoodwillView,
    ProposeGoodwill,
    RedeemGoodwill,
    SpentView,
    WithdrawGoodwill,
)

STAFF = frozenset({AGENT, SUPERVISOR, ADMINISTRATOR})

router = APIRouter(prefix="/complaints/v1/goodwill", tags=["goodwill"])


@router.post(
    "/preview",
    name="preview_goodwill",
    dependencies=[requires("cases:read"), unconditional("it changes nothing")],
)
async def preview_goodwill(*, body: ProposeGoodwill, tx: Tx, caller: Caller) -> DecisionView:
    """What would be decided now, with every step; nothing is changed."""
    proposal = await _proposal(body, caller, tx)
    return DecisionView.of(await actions.preview_proposal(tx, proposal), proposal.currency)


@router.post(
    "",
    name="propose_goodwill",
    status_code=status.HTTP_201_CREATED,
    dependencies=[requires("cases:write"), idempotent],
)
async def propose_goodwill(*, body: ProposeGoodwill, tx: Tx, caller: Caller, response: Response) -> GoodwillView:
    """Propose something: what is within your own competence is approved at once, else the next in the chain decides."""
    goodwill = await actions.propose(tx, await _proposal(body, caller, tx))
    response.headers["Location"] = router.url_path_for("get_goodwill", goodwill_id=str(goodwill.goodwill_id))
    return _shown(goodwill, response)


@router.get("", name="list_goodwills", dependencies=[requires("cases:read")])
async def list_goodwills(
    *,
    tx: Tx,
    caller: Caller,
    paging: Paging,
    response: Response,
    journey_id: Annotated[UUID | None, Query(description="The person behind this journey.")] = None,
    case_id: Annotated[list[UUID] | None, Query()] = None,
    status: Annotated[list[State] | None, Query()] = None,
    waits_for: Annotated[list[str] | None, Query(description="Who can decide it, such as `supervisor`.")] = None,
) -> Page[GoodwillView]:
    """Goodwills, the oldest proposals first. A repeated parameter means "any of these"."""
    _staff(caller)
    rows = await goodwills.list_goodwills(
        tx,
        journey_ids=await tx.members(journey_id) if journey_id else None,
        case_ids=case_id,
        states=status,
        waits_for=waits_for,
        after=paging.after(datetime),
        backwards=paging.backwards,
        limit=paging.fetch,
    )
    return paging.page(
        rows, edge=lambda one: (one.proposed_at, one.goodwill_id), view=GoodwillView.in_list, response=response
    )


@router.get("/own", name="list_own_goodwills", dependencies=[requires("journeys:read")])
async def list_own_goodwills(*, tx: Tx, caller: Caller, paging: Paging, response: Response) -> Page[OwnGoodwillView]:
    """What the customer of this token was given, the oldest first, over all journeys of the person.

    What was proposed, waits or was declined is not among it.
    """
    if CUSTOMER not in caller.roles or caller.journey_id is None:
        raise CustomersOnly
    rows = await goodwills.list_goodwills(
        tx,
        journey_ids=await tx.members(caller.journey_id),
        issued_only=True,
        after=paging.after(datetime),
        backwards=paging.backwards,
        limit=paging.fetch,
    )
    return paging.page(
        rows, edge=lambda one: (one.proposed_at, one.goodwill_id), view=OwnGoodwillView.of, response=response
    )


@router.get("/budget", name="get_goodwill_budget", dependencies=[requires("cases:read")])
async def get_goodwill_budget(
    *,
    tx: Tx,
    caller: Caller,
    month: Annotated[str, Query(pattern=r"^20\d\d-(0[1-9]|1[0-2])$", examples=["2026-03"])],
    currency: Annotated[str, Query(pattern=r"^[A-Z]{3}$")],
) -> BudgetReport:
    """A month's budget: what is given, for which reasons, what is left, and what it was good for."""
    _staff(caller)
    policy = policy_in_force()
    rules = policy.currencies.get(currency)
    if rules is None:
        raise GoodwillNotFound
    since = datetime.fromisoformat(f"{month}-01").replace(tzinfo=UTC)
    until = actions.begin_of_month(since.replace(day=28) + actions.FEW_DAYS)
    lines = await counts.list_spent(tx, currency=currency, since=since, until=until)
    given = sum(line.amount for line in lines)
    effects = await counts.list_effects(tx, currency=currency, since=since, until=until)
    return BudgetReport(
        month=month,
        currency=currency,
        budget=Money(amount=rules.budget_per_month, currency=currency),
        given=Money(amount=given, currency=currency),
        left=Money(amount=rules.budget_per_month - given, currency=currency),
        lines=[SpentView.of(line) for line in lines],
        effects=[EffectCount(kept=k, bought_again=b, times=times) for (k, b), times in sorted(effects.items())],
        pack=policy.pack,
    )


@router.post("/redemptions", name="redeem_goodwill", dependencies=[requires("goodwill:redeem"), idempotent])
async def redeem_goodwill(*, body: RedeemGoodwill, tx: Tx, caller: Caller) -> OwnGoodwillView:
    """Use a code on an order; the shop sees what customers see. The same order again changes nothing."""
    goodwill = await actions.redeem(
        tx, code=body.code, order_reference=body.order_reference, amount=body.amount, by=caller.subject
    )
    return OwnGoodwillView.of(goodwill)


@router.get("/{goodwill_id}", name="get_goodwill", dependencies=[requires("cases:read")])
async def get_goodwill(*, goodwill_id: UUID, tx: Tx, caller: Caller, response: Response) -> GoodwillDetail:
    """One goodwill with what was redeemed of it."""
    _staff(caller)
    goodwill = await goodwills.get_goodwill(tx, goodwill_id=goodwill_id)
    set_etag(response, goodwill.version)
    return GoodwillDetail.with_redemptions(goodwill, await counts.list_redemptions(tx, goodwill_id=goodwill_id))


@router.get("/{goodwill_id}/explanation", name="explain_goodwill", dependencies=[requires("cases:read")])
async def explain_goodwill(*, goodwill_id: UUID, tx: Tx, caller: Caller) -> DecisionView:
    """Why it was decided so: every step with the amount after it."""
    _staff(caller)
    goodwill = await goodwills.get_goodwill(tx, goodwill_id=goodwill_id)
    return DecisionView.of(goodwill.decision, goodwill.proposal.currency)


@router.post("/{goodwill_id}/approval", name="approve_goodwill", dependencies=[requires("cases:write"), idempotent])
async def approve_goodwill(
    *, goodwill_id: UUID, body: ApproveGoodwill, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> GoodwillView:
    """Approve what somebody else proposed, all of it or less, within your own competence."""
    goodwill = await actions.approve(
        tx, goodwill_id=goodwill_id, by=_person(caller), amount=body.amount, expected=version
    )
    return _shown(goodwill, response)


@router.post("/{goodwill_id}/refusal", name="decline_goodwill", dependencies=[requires("cases:write"), idempotent])
async def decline_goodwill(
    *, goodwill_id: UUID, body: DeclineGoodwill, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> GoodwillView:
    """Decline what somebody else proposed. The customer is offered another way."""
    goodwill = await actions.decline(
        tx, goodwill_id=goodwill_id, by=_person(caller), reason=body.reason, expected=version
    )
    return _shown(goodwill, response)


@router.post("/{goodwill_id}/issue", name="issue_goodwill", dependencies=[requires("cases:write"), idempotent])
async def issue_goodwill(
    *, goodwill_id: UUID, body: IssueGoodwill, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> GoodwillView:
    """Give the customer what was approved; the customer is told."""
    _staff(caller)
    goodwill = await actions.issue(tx, goodwill_id=goodwill_id, kind=body.kind, expected=version)
    return _shown(goodwill, response)


@router.post("/{goodwill_id}/withdrawal", name="withdraw_goodwill", dependencies=[requires("cases:write"), idempotent])
async def withdraw_goodwill(
    *, goodwill_id: UUID, body: WithdrawGoodwill, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> GoodwillView:
    """Take back what was not redeemed yet; a customer who has a code is told."""
    _staff(caller)
    goodwill = await actions.withdraw(
        tx, goodwill_id=goodwill_id, reason=body.reason, by=caller.subject, expected=version
    )
    return _shown(goodwill, response)


def _shown(goodwill: Goodwill, response: Response) -> GoodwillView:
    set_etag(response, goodwill.version)
    return GoodwillView.of(goodwill)


def _staff(caller: Principal) -> None:
    # Whatever the task: all service staff may decide something (R90), and see what was decided.
    if not STAFF & caller.roles:
        raise StaffOnly


def _person(caller: Principal) -> Person:
    _staff(caller)
    return Person(subject=caller.subject, roles=caller.roles & STAFF, tier=caller.tier)


async def _proposal(body: ProposeGoodwill, caller: Principal, tx: Transaction) -> Proposal:
    by = _person(caller)
    await refuse_own(tx, body.journey_id)
    known = body.failures or await actions.count_failures(tx, body.journey_id)
    proposal = Proposal(
        proposal_id=ids.uuid7(tx.wall),
        journey_id=body.journey_id,
        case_id=body.case_id,
        contact_id=body.contact_id,
        kind=body.kind,
        currency=body.product_value.currency,
        product_value=body.product_value.amount,
        severity=body.severity,
        failures=known,
        reason=body.reason,
        segment=body.segment,
        asked=body.amount,
        by=by,
    )
    return proposal.checked(policy_in_force())
