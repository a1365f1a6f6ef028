"""Every scope that a route may ask for, and what each role is usually given: the one list of both."""

from .principal import ADMINISTRATOR, AGENT, CUSTOMER, PARTNER, SERVICE, SUPERVISOR

SCOPES: dict[str, str] = {
    "contacts:write": "bring a contact in",
    "contacts:read": "see what became of a contact",
    "cases:read": "see cases",
    "cases:write": "work on cases",
    "goodwill:redeem": "use a customer's voucher on an order",
    "journeys:read": "see a person's timeline",
    "reviews:read": "see what waits for a person's judgement",
    "reviews:write": "decide what waits for a person's judgement",
    "reviews:export": "take what people decided, and the words that may be learned from",
    "modes:write": "say how far triage goes without a person having looked",
    "links:write": "say that journeys are one person's, or that they are not",
    "quarantine:read": "see what could not be parsed",
    "quarantine:write": "have it parsed again, or set it aside",
    "events:write": "announce a partner system's events",
    "admin:events": "see and settle events that could not be handled, without what stands in them",
    "admin:payloads": "see what stands in an event that could not be handled, people's words among it",
    "admin:fence": "see what a restored database does not know, and release its service",
    "admin:*": "do what administrators do",
}
"""What each scope lets a caller do. A scope `admin:x` of an administrator's route is granted by `admin:*`."""

_AGENT = (
    "contacts:write", "contacts:read", "cases:read", "cases:write", "journeys:read", "reviews:read", "reviews:write",
    "links:write", "quarantine:read", "goodwill:redeem",
)  # fmt: skip
_SUPERVISOR = (*_AGENT, "quarantine:write", "modes:write", "reviews:export")

ROLES: dict[str, tuple[str, ...]] = {
    CUSTOMER: ("contacts:write", "journeys:read"),
    AGENT: _AGENT,
    SUPERVISOR: _SUPERVISOR,
    PARTNER: ("events:write", "contacts:write", "goodwill:redeem"),
    ADMINISTRATOR: (*_SUPERVISOR, "events:write", "admin:*"),
    SERVICE: ("contacts:write", "contacts:read", "cases:read", "journeys:read", "events:write"),
}
"""What a token of each role is given by the development issuer and in tests; a real issuer decides for itself."""
