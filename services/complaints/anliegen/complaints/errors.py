"""Expected trouble with complaints; each docstring is the message."""

from anliegen.kit.errors import Conflict, Invalid, NotFound


class ComplaintNotFound(NotFound):
    """There is no complaint with this id, or it is not yours to see."""


class ComplaintSettled(Conflict):
    """The complaint is settled. Where the customer needs more, reopen it first."""


class ComplaintStillOpen(Conflict):
    """The complaint had no final response yet, or another task goes on with it: there is nothing to reopen."""


class NotAssessed(Conflict):
    """Assess the complaint first: how bad, how hard, how many."""


class InvestigationsOpen(Conflict):
    """Something is still being found out about this complaint; finish or drop it before you decide."""


class NotDecided(Conflict):
    """This follows a decision, and there is none now, or the customer has been told of it already."""


class OtherWayMissing(Invalid):
    """A rejection names at least one other way for the customer: nobody hears only no."""


class ResponseDoesNotFit(Invalid):
    """A final response of this kind does not fit what was decided."""


class ContactUnknown(Invalid):
    """There is no contact with this id, or it was not understood yet."""


class NoPrivateWay(Conflict):
    """The customer was only heard where everybody reads along. Ask in public for a private message first."""


class NotPublic(Conflict):
    """The complaint was not made in public, so an answer in public would give the customer away."""


class WorkNotFound(NotFound):
    """There is no such investigation or measure on this complaint."""


class MarketUnknown(Invalid):
    """This country or product line is not in the list of markets."""
