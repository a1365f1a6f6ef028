"""Why something cannot be done with a goodwill."""

from anliegen.kit.errors import Conflict, Invalid, NotAllowed, NotFound


class GoodwillNotFound(NotFound):
    """There is no goodwill with this id, or it is not yours to see."""


class CodeUnknown(NotFound):
    """There is no voucher with this code."""


class ReasonUnknown(Invalid):
    """The goodwill policy knows no such reason."""


class SegmentUnknown(Invalid):
    """The goodwill policy knows no customers of this segment; leave it out where you do not know it."""


class ValueNegative(Invalid):
    """A product is not worth less than nothing."""


class NotWaiting(Conflict):
    """This goodwill does not wait for an approval (any more): load it again to see who decided it and how."""


class OwnProposal(NotAllowed):
    """Nobody approves or declines what they proposed themselves: somebody else decides."""


class NotCompetent(NotAllowed):
    """This is more than you may decide: somebody whose competence reaches it has to."""


class LimitReached(Conflict):
    """A limit does not leave room for this amount any more: approve less, or decline it."""


class MoreThanProposed(Invalid):
    """Not more than what was proposed can be approved."""


class NotOffered(Conflict):
    """There is nothing to issue: this goodwill was not approved, its offer has lapsed, or it was issued already."""


class KindNotOffered(Invalid):
    """The customer may choose among the kinds that were offered, and this is none of them."""


class NotRedeemable(Conflict):
    """This goodwill has no code to redeem, was redeemed already, lapsed or was taken back."""


class MoreThanLeft(Conflict):
    """The goodwill is not worth so much any more."""


class RedeemedWhole(Invalid):
    """This goodwill is redeemed in one piece: for its whole amount."""


class NotWithdrawable(Conflict):
    """What was redeemed, has lapsed, was declined or taken back cannot be taken back."""


class CustomersOnly(NotAllowed):
    """Only customers have goodwill of their own: the token names no customer's journey."""
