"""Who asks: what a verified token says about the caller, carried by the transaction."""

from dataclasses import dataclass
from uuid import UUID

CUSTOMER = "customer"
AGENT = "agent"
SUPERVISOR = "supervisor"
PARTNER = "partner"
ADMINISTRATOR = "administrator"
SERVICE = "service"
_TIERS = frozenset({"tier_1", "tier_2", "tier_3"})


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose token was verified.

    `scopes` are what the token allows at all (`cases:read`, `admin:*`), `roles` whose rights they are. `tasks` limits
    an agent to some of the seven tasks (None: not limited), and `journey_id` is the one journey a customer may see.
    `customer_number` and `email` are a customer's own, as the issuer vouches for them.
    """

    subject: str
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    tasks: frozenset[str] | None = None
    journey_id: UUID | None = None
    customer_number: str | None = None
    email: str | None = None

    @property
    def tier(self) -> int:
        """Which agents this one is of: 1 is everybody, 3 the top staff; by the roles `tier_2` and `tier_3`."""
        return max((int(role[-1]) for role in self.roles if role in _TIERS), default=1)

    def may(self, scope: str) -> bool:
        """Whether the scope was granted, by its name or by its family: `admin:*` grants `admin:anything`."""
        return scope in self.scopes or f"{scope.partition(':')[0]}:*" in self.scopes
