"""From the vault to contacts. The door behind the channel doors: each contact is accepted in a transaction of its own.

It may be run again at any time, by a provider's retry, by the sweeper or by a person: ids are derived, so whatever was
accepted before stays as it is.
"""

import json
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from anliegen.events import Channel
from anliegen.kit import Context, begin
from anliegen.kit.database import is_passing
from anliegen.kit.errors import Problem

from .actions import accept, keep, speak
from .actions.understand import understand_mail, understand_whatsapp
from .mail.parse import MailUnreadable
from .resources import resources_of
from .store import vault
from .whatsapp.parse import StatusUpdate, WebhookUnreadable, read_webhook

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Outcome:
    """What became of something that came in."""

    vault_id: UUID
    accepted: list[accept.Accepted] = field(default_factory=list)
    quarantined: str | None = None
    """Why it could not be understood, as a code."""


class NotUnderstood(Exception):
    """Something in it could not be understood; `reason` is a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def process(context: Context, vault_id: UUID) -> Outcome:
    """Understand what is kept under this id. What cannot be understood is quarantined; nothing raises for its sake."""
    outcome = Outcome(vault_id)
    async with begin(context) as tx:
        entry = await vault.get_entry(tx, vault_id=vault_id)
        raw = await vault.find_raw(tx, vault_id=vault_id)
    try:
        if raw is None:
            raw = await resources_of(context).files.get(entry.sha256)
        if entry.channel is Channel.EMAIL:
            await _process_mail(context, entry, raw, outcome)
        elif entry.channel is Channel.WHATSAPP:
            await _process_whatsapp(context, entry, raw, outcome)
        else:
            raise NotUnderstood("channel_unknown")
    except Exception as problem:
        if is_passing(problem):
            raise
        await _quarantine(context, entry, problem, outcome)
        return outcome
    async with begin(context) as tx:
        await keep.settle(tx, vault_id=vault_id)
    return outcome


async def _quarantine(context: Context, entry: vault.Entry, problem: Exception, outcome: Outcome) -> None:
    expected = isinstance(problem, NotUnderstood | MailUnreadable | WebhookUnreadable)
    if isinstance(problem, NotUnderstood):
        reason = problem.reason
    elif expected or isinstance(problem, Problem):
        reason = f"{entry.channel.value}_not_readable"
    else:
        reason = "unexpected_trouble"
    log.warning(
        "contact_quarantined", channel=entry.channel.value, vault_id=str(entry.vault_id), reason=reason,
        error=type(problem).__name__, exc_info=None if expected else problem,
    )  # fmt: skip
    async with begin(context) as tx:
        await keep.quarantine(tx, vault_id=entry.vault_id, reason=reason, error=type(problem).__name__)
    outcome.quarantined = reason


async def _process_mail(context: Context, entry: vault.Entry, raw: bytes, outcome: Outcome) -> None:
    message, evidence = await understand_mail(resources_of(context), entry, raw)
    async with begin(context) as tx:
        outcome.accepted.append(await accept.accept_contact(tx, message, evidence))


async def _process_whatsapp(context: Context, entry: vault.Entry, raw: bytes, outcome: Outcome) -> None:
    try:
        payload = json.loads(raw)
    except (ValueError, RecursionError) as problem:
        raise NotUnderstood("whatsapp_not_json") from problem
    webhook = read_webhook(payload, account=entry.account)
    trouble: Exception | None = None
    for inbound in webhook.messages:
        try:
            message, evidence = await understand_whatsapp(resources_of(context), entry, inbound)
            async with begin(context) as tx:
                outcome.accepted.append(await accept.accept_contact(tx, message, evidence))
        except Exception as problem:
            # One person's message must not keep those of the others that came with it.
            if is_passing(problem):
                raise
            trouble = trouble or problem
    for status in webhook.statuses:
        await _note_status(context, status)
    if trouble is not None:
        raise trouble
    if webhook.strange:
        # What we understood is accepted; the rest waits for a person, with the bytes.
        raise NotUnderstood("whatsapp_partly_unknown")


async def _note_status(context: Context, status: StatusUpdate) -> None:
    async with begin(context) as tx:
        await speak.keep_status(tx, provider_id=status.provider_id, status=status.status, code=status.code)
    async with begin(context) as tx:
        await speak.apply_status(tx, provider_id=status.provider_id, status=status.status, code=status.code)
