"""How to reach us: every channel, with who is there now. Never empty (R59)."""

from fastapi import Response
from pydantic import AwareDatetime, BaseModel, Field

from anliegen.events import Channel
from anliegen.kit.http import APIRouter, Tx, public

from ..actions.offer import list_options

router = APIRouter(prefix="/intake/v1", tags=["intake"])


class ContactOption(BaseModel):
    """One way to us."""

    channel: Channel
    address: str | None = Field(description="Where to write, as far as there is an address.")
    takes_matters_now: bool = Field(description="Whether a matter can be brought at this moment.")
    open_now: bool = Field(description="Whether people answer at this moment.")
    next_opening_at: AwareDatetime = Field(description="When people answer next; now, where it is open.")
    time_zone: str
    hours: dict[str, list[str]] = Field(description="When people answer, by weekday, in the time zone.")
    expected_wait_minutes: int = Field(description="Working time until an answer.")
    expected_answer_by: AwareDatetime = Field(description="By when somebody who writes now has an answer.")


class ContactOptions(BaseModel):
    """Every way to us."""

    items: list[ContactOption]


@router.get("/contact-options", name="list_contact_options", dependencies=[public("rate limit")])
async def list_contact_options(tx: Tx, response: Response) -> ContactOptions:
    """Every channel with its hours and the wait to expect."""
    response.headers["Cache-Control"] = "public, max-age=60"
    return ContactOptions(items=[ContactOption(**option) for option in list_options(tx)])
