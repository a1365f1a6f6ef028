"""Who should see a matter: the market it comes from, and the tier and skills that the rules of `routing.toml` ask for.

Pure. Languages, markets and skills are those of people: whoever gives out work holds them against what agents have.
"""

from collections.abc import Iterator

from anliegen.events import Handle, HandleKind

from .classifier import ReadConcern
from .packs import Markets, Routing, Rule

_CALLED = frozenset({HandleKind.PHONE, HandleKind.WHATSAPP})


def market_of(*, account: str, sender: Handle | None, markets: Markets) -> str:
    """The market (ISO 3166-1) of a contact: of our side of the channel, else of the sender's address, else ours."""
    if account in markets.accounts:
        return markets.accounts[account]
    if sender is not None and sender.kind in _CALLED:
        codes = (sender.value[:length] for length in (4, 3, 2))
        return next((markets.calling_codes[code] for code in codes if code in markets.calling_codes), markets.default)
    if sender is not None and sender.kind is HandleKind.EMAIL:
        return markets.domains.get(sender.value.rpartition(".")[2].lower(), markets.default)
    return markets.default


def asks_of(
    read: ReadConcern, routing: Routing, *, language: str, market: str | None, channel: str
) -> tuple[int, tuple[str, ...]]:
    """The tier that a matter asks for, before failures are counted, and the skills."""
    found = list(_rules_of(read, routing, language=language, market=market, channel=channel))
    tier = max([routing.tier_of_hardness[read.hardness - 1], *(rule.tier for rule in found)])
    skills = (*read.skills, *(skill for rule in found for skill in rule.skills))
    return tier, tuple(dict.fromkeys(skills))


def _rules_of(
    read: ReadConcern, routing: Routing, *, language: str, market: str | None, channel: str
) -> Iterator[Rule]:
    for rule in routing.rules:
        when = rule.when
        if (
            (not when.tasks or read.task in when.tasks)
            and (not when.intents or read.intent in when.intents)
            and (not when.languages or language in when.languages)
            and (not when.markets or market in when.markets)
            and (not when.channels or channel in when.channels)
            and (not when.flags or not when.flags.isdisjoint(read.flags))
            and (not when.priorities or read.priority in when.priorities)
        ):
            yield rule
