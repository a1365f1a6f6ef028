"""Who may see which case, beyond what a scope grants. A case that is not yours looks like one that does not exist."""

from collections.abc import Collection
from uuid import UUID

from ..errors import NotFound
from ..principal import ADMINISTRATOR, AGENT, CUSTOMER, SUPERVISOR, Principal


def may_see_case(principal: Principal, *, task: str, journey_id: UUID, members: Collection[UUID] = ()) -> bool:
    """Whether this caller may see a case of this task and journey.

    A customer sees the one journey of the token, and where `members` are given (all journeys of the person behind the
    case, `tx.members`) those of the same person. An agent whose token names tasks sees only these. Supervisors and
    administrators see all. Whoever has no role sees nothing.
    """
    roles = principal.roles
    if SUPERVISOR in roles or ADMINISTRATOR in roles:
        return True
    if AGENT in roles and (principal.tasks is None or task in principal.tasks):
        return True
    if CUSTOMER in roles and principal.journey_id is not None:
        return principal.journey_id == journey_id or principal.journey_id in members
    return False


def authorize_case(
    principal: Principal,
    *,
    task: str,
    journey_id: UUID,
    members: Collection[UUID] = (),
    otherwise: type[NotFound] = NotFound,
) -> None:
    """Raise `otherwise` (the service's own "there is no such case") where the caller may not see the case."""
    if not may_see_case(principal, task=task, journey_id=journey_id, members=members):
        raise otherwise
