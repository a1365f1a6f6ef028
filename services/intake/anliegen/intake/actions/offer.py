"""Offer every way to reach us."""

from typing import Any

from anliegen.events import Channel
from anliegen.kit import Transaction

from ..resources import resources_of


def list_options(tx: Transaction) -> list[dict[str, Any]]:
    """Every channel of the rule pack, as it is at this moment."""
    resources = resources_of(tx)
    rules = resources.rules
    options = []
    for rule in rules.channels:
        answers = rules.hours[rule.answers]
        options.append(
            {
                "channel": rule.channel,
                "address": _address(rule.channel, resources.settings.mail_from, resources.settings.public_url),
                "takes_matters_now": rules.hours[rule.accepts].is_open(tx.now),
                "open_now": answers.is_open(tx.now),
                "next_opening_at": answers.next_opening(tx.now),
                "time_zone": answers.zone.key,
                "hours": dict(rules.week[rule.answers]),
                "expected_wait_minutes": rule.answer_within_minutes,
                "expected_answer_by": rules.answer_by(rule.channel, tx.now),
            }
        )
    return options


def _address(channel: Channel, mail_from: str, public_url: str) -> str | None:
    match channel:
        case Channel.EMAIL:
            return mail_from
        case Channel.WEB_FORM | Channel.APP:
            return f"{public_url.rstrip('/')}/intake/v1/contacts"
        case _:
            return None
