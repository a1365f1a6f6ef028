"""Who somebody is: addresses in one spelling, ids that follow from them, and how sure we are."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from anliegen.events import Assurance, Handle, HandleKind
from anliegen.kit import ids

LONGEST_HANDLE = 320
SHORTEST_PHONE = 8
"""Signs, with the plus and the country: what is shorter is an extension or an emergency number, not a person's."""
_NOT_A_NUMBER = re.compile(r"[\s./\-_]+")
_CUSTOMER_NUMBER = re.compile(r"[0-9A-Z]{1,40}")
LONGEST_EMAIL = 254
"""Octets: a path has 256, its angle brackets included (RFC 5321, 4.5.3.1.3)."""
_WORD = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
# RFC 5321, 4.1.2 and 4.5.3.1.1, without quoted names, which mail servers read differently, and without what looks like
# an encoded word (RFC 2047), which some decode into another address.
_LOCAL_PART = re.compile(rf"(?!.*=\?)(?=.{{1,64}}$){_WORD}(?:\.{_WORD})*")
# RFC 5321, 2.3.5: a name with all its labels. Underlines are in none of the standards and in some names.
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?=[a-z]){_LABEL}(?<=[a-z0-9_-][a-z0-9])")


def normalise_email(address: str) -> str | None:
    """An e-mail address in the one spelling we keep (lower case, domain as ASCII); None where no mail can go there."""
    text = unicodedata.normalize("NFKC", address).strip().strip("<>").lower()
    if len(text) > LONGEST_HANDLE:
        return None
    local, _, domain = text.rpartition("@")
    domain = domain.removesuffix(".")
    if not domain.isascii():
        import idna

        try:
            domain = idna.encode(domain, uts46=True).decode()
        except (idna.IDNAError, UnicodeError):
            return None
    if not _LOCAL_PART.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        return None
    normalised = f"{local}@{domain}"
    return normalised if len(normalised) <= LONGEST_EMAIL else None


def normalise_phone(number: str, *, region: str) -> str | None:
    """A phone number as E.164 (`+41791234567`); `region` (ISO 3166-1) is where a number without country belongs."""
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number[:60], region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    found = str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
    return found if len(found) >= SHORTEST_PHONE else None


def normalise_whatsapp(wa_id: str) -> str | None:
    """A WhatsApp id, which is an international number without its plus, as E.164."""
    digits = wa_id.strip().removeprefix("+")
    return f"+{digits}" if digits.isascii() and digits.isdigit() and 5 <= len(digits) <= 20 else None


def normalise_customer_number(number: str) -> str | None:
    """A customer number without blanks and separators, in capitals; None where it is none."""
    text = _NOT_A_NUMBER.sub("", unicodedata.normalize("NFKC", number)).upper()
    return text if _CUSTOMER_NUMBER.fullmatch(text) else None


def handle_of(kind: HandleKind, value: str, *, region: str) -> Handle | None:
    """The handle in its one spelling, or None where the value cannot be an address of this kind."""
    match kind:
        case HandleKind.EMAIL:
            found = normalise_email(value)
        case HandleKind.PHONE:
            found = normalise_phone(value, region=region)
        case HandleKind.WHATSAPP:
            found = normalise_whatsapp(value)
        case HandleKind.CUSTOMER_NUMBER:
            found = normalise_customer_number(value)
        case HandleKind.ACCOUNT:
            found = value.strip()[:LONGEST_HANDLE] or None
        case _:
            found = None
    return None if found is None else Handle(kind=kind, value=found)


def journey_id_of(secret: bytes, handle: Handle, *, generation: int) -> UUID:
    """The journey of a handle. `generation` rises when the address passes to another person, or is erased."""
    return ids.keyed(secret, "journey", handle.kind.value, handle.value, generation)


def anonymous_journey_id(secret: bytes, contact_id: UUID) -> UUID:
    """The journey of a contact whose sender said nothing about themselves."""
    return ids.keyed(secret, "journey", HandleKind.ANONYMOUS.value, contact_id, 0)


def contact_id_of(secret: bytes, *parts: object) -> UUID:
    """The id of a contact: from channel, account and what the provider calls it, so that a retry is the same one."""
    return ids.keyed(secret, "contact", *parts)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What we know about a sender before anything is looked up."""

    sender: Handle | None = None
    """The address they wrote from, or gave."""
    sender_verified: bool = False
    """The channel vouches for the address (WhatsApp; mail with a verdict of our own server)."""
    customer_number: str | None = None
    """As stated, in its one spelling."""
    customer_number_verified: bool = False
    journey_id: UUID | None = None
    """The journey in a customer's own token."""
    vouched: tuple[Handle, ...] = ()
    """Handles that an issuer says are this person's: their journeys are linked with the contact's."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Under which identity a contact comes in."""

    handle: Handle | None
    """The handle whose journey it is; None where the token names the journey, and for the anonymous."""
    journey_id: UUID | None
    """The journey, where a token names it."""
    assurance: Assurance


def identify(evidence: Evidence) -> Identity:
    """The ladder: the token's journey → customer number → verified handle → unverified handle → anonymous.

    A number that is only claimed opens the journey of that number, so that an agent finds its history, with the
    assurance `claimed`: nothing is revealed, redirected or merged by it.
    """
    if evidence.journey_id is not None:
        return Identity(None, evidence.journey_id, Assurance.VERIFIED)
    if evidence.customer_number is not None:
        handle = Handle(kind=HandleKind.CUSTOMER_NUMBER, value=evidence.customer_number)
        verified = evidence.customer_number_verified
        return Identity(handle, None, Assurance.VERIFIED if verified else Assurance.CLAIMED)
    if evidence.sender is not None:
        verified = evidence.sender_verified
        return Identity(evidence.sender, None, Assurance.VERIFIED if verified else Assurance.CLAIMED)
    return Identity(None, None, Assurance.NONE)


def ordered(first: UUID, second: UUID) -> tuple[UUID, UUID]:
    """Two journeys, the smaller id first: the one under whose key a link is announced."""
    return (first, second) if first < second else (second, first)


def link_id_of(first: UUID, second: UUID, *cause: object) -> UUID:
    """The id of a link between two journeys. A removed link never comes back, so a new cause makes a new one."""
    return ids.derived("link", *ordered(first, second), *cause)


MADE, REMOVED = 1, 2
"""The versions of a link: it is made, and it may be removed; a removed one never comes back."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link between two journeys of one person, the smaller id first."""

    link_id: UUID
    journey_a: UUID
    journey_b: UUID
    made_at: datetime | None
    removed_at: datetime | None

    @property
    def version(self) -> int:
        """Rises when it is removed."""
        return MADE if self.removed_at is None else REMOVED
