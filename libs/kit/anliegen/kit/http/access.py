"""Who may see which case, beyond what a scope grants. A case that is not yours looks like one that does not exist."""

from collections.abc import Collection
from uuid import UUID

from ..errors import NotAllowed, NotFound
from ..principal import ADMINISTRATOR, AGENT, CUSTOMER, SUPERVISOR, Principal


class StaffOnly(NotAllowed):
    """Only people who work on this task may do this."""


def works_on(principal: Principal, *, task: str) -> bool:
    """Whether this caller is one of the people who work on this task, and so sees all of its cases.

    An agent whose token names tasks works only on these. Supervisors and administrators work on all.
    """
    roles = principal.roles
    if SUPERVISOR in roles or ADMINISTRATOR in roles:
        return True
    return AGENT in roles and (principal.tasks is None or task in principal.tasks)


def authorize_work(principal: Principal, *, task: str) -> None:
    """Raise StaffOnly where the caller does not work on this task."""
    if not works_on(principal, task=task):
        raise StaffOnly


def may_see_case(principal: Principal, *, task: str, journey_id: UUID, members: Collection[UUID] = ()) -> bool:
    """Whether this caller may see a case of this task and journey.

    A customer sees the one journey of the token, and where `members` are given (all journeys of the person behind the
    case, `tx.members`) those of the same person. Whoever works on the task sees all. Whoever has no role sees nothing.
    """
    if works_on(principal, task=task):
        return True
    if CUSTOMER in principal.roles and principal.journey_id is not None:
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
