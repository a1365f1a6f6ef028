"""The legal clocks of a complaint, and why each runs out when it does."""

from uuid import UUID

from anliegen.kit.http import APIRouter, Caller, Tx, requires

from ..clocks import actions as clocks
from ..clocks.packs import PACKS
from ..clocks.store import get_clock
from ..clocks.views import ClockExplanation, ClocksView
from .shared import PREFIX, worked_on

router = APIRouter(prefix=PREFIX, tags=["legal clocks"])


@router.get("/{complaint_id}/clocks", name="list_clocks", dependencies=[requires("cases:read")])
async def list_clocks(*, complaint_id: UUID, tx: Tx, caller: Caller) -> ClocksView:
    """The clocks that run, or ran, for this complaint."""
    await worked_on(tx, caller, complaint_id)
    return ClocksView.of(await clocks.list_clocks(tx, case_id=complaint_id))


@router.get(
    "/{complaint_id}/clocks/{clock_id}/explanation", name="explain_clock", dependencies=[requires("cases:read")]
)
async def explain_clock(*, complaint_id: UUID, clock_id: UUID, tx: Tx, caller: Caller) -> ClockExplanation:
    """Every day of the clock: the how manieth it is, or why it does not count."""
    complaint = await worked_on(tx, caller, complaint_id)
    clock = await get_clock(tx, case_id=complaint_id, clock_id=clock_id)
    standing, days = await clocks.explain_clock(tx, complaint, clock)
    rule = PACKS.get(clock.pack).rule_of(clock.rule)
    return ClockExplanation.explaining(clock, standing, days, says=rule.says, source=rule.source)
