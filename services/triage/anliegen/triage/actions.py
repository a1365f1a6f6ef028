"""What triage does: read a contact, decide or ask a person, and keep count of what went wrong.

Every action holds the streams of the journey and of the person behind it (`over_person` in the handlers, `lock_person`
in commands and timers), so that nobody's failure is counted twice or missed between two contacts. What concerns another
journey of the same person is done by a timer, under that journey's own lock.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from anliegen.events import ContactReceived, ContactTriaged, Task, Thread
from anliegen.kit import Transaction
from anliegen.kit.versions import ExpectedVersion

from . import store
from .classifier import UNDETERMINED, Classifier
from .deciding import continue_cases, decide_answer, decide_drafts, decide_reading, draft_of, going_on
from .domain import (
    Contact,
    Decided,
    DecidedBy,
    Draft,
    Review,
    ReviewDecided,
    Status,
    review_id_of,
)
from .guard import guarded
from .modes.actions import count_reading, note_judgement, reach_of
from .modes.domain import NothingPreselected
from .packs import Mode, Packs
from .questions.actions import ask_where_worth, hear_answer
from .questions.domain import LONGEST_CHOICE, choice_of
from .reviews import announce_review, review_of
from .routing import market_of

FALLBACK_LANGUAGE = "de"
SETTLE = "settle_waiting"
"""The kind of the timer that settles a contact which waited for another."""
RECOUNT = "recount_failures"
"""The kind of the timer that counts the failures before a contact again."""


def packs_of(tx: Transaction) -> Packs:
    """The rule packs that this process has loaded."""
    packs: Packs = tx.context.resources["packs"]
    return packs


# Contacts -------------------------------------------------------------------------------------------------------------
def understand(tx: Transaction, event: ContactReceived) -> Contact:
    """Read a contact. The words are not kept."""
    classifier: Classifier = tx.context.resources["classifier"]
    reading = classifier.classify(
        text=event.text,
        subject=event.subject_line,
        language=event.language,
        channel=event.channel,
        stated_task=None if event.stated_task is Task.UNKNOWN else event.stated_task,
    )
    # Of a language that nobody knows a person says more; events name languages by two letters.
    language = FALLBACK_LANGUAGE if reading.language == UNDETERMINED else reading.language
    thread = event.thread
    if len(event.text) <= LONGEST_CHOICE:
        reading = replace(reading, choice=choice_of(event.text))
    return Contact(
        contact_id=event.contact_id,
        journey_id=event.journey_id,
        channel=event.channel,
        language=language,
        received_at=event.received_at,
        reading=reading,
        pack=f"{packs_of(tx).version(language)} {classifier.version}",
        status=Status.AUTOMATIC if event.automatic else Status.WAITING,
        earlier_contact_id=thread.contact_id if thread else None,
        found_by=thread.found_by if thread else None,
        market=market_of(account=event.account, sender=event.sender, markets=packs_of(tx).routing.markets),
    )


async def take_contact(tx: Transaction, contact: Contact, thread: Thread | None) -> None:
    """Act on a contact that was read: continue its case, decide it, or ask a person to look."""
    if not await store.insert_contacts(tx, [contact]):
        return
    if contact.status is Status.AUTOMATIC:
        # It leads to no case and no reply; saying so lets everybody see that it was looked at.
        await _decide(tx, contact, [], by=DecidedBy.RULES)
    elif thread and thread.case_id and thread.task and thread.task is not Task.UNKNOWN:
        intent = await store.find_intent_of_case(tx, case_id=thread.case_id)
        cases = await _where_they_are_now(tx, [(thread.case_id, thread.task, intent)])
        concerns = continue_cases(contact, cases, thread.found_by, packs_of(tx))
        await _decide(tx, contact, concerns, by=DecidedBy.RULES)
    else:
        await _continue_or_wait(tx, contact)


async def _continue_or_wait(tx: Transaction, contact: Contact) -> None:
    """Go on with what an earlier contact was about; where that is not understood yet, wait for it for a while."""
    earlier_id = contact.earlier_contact_id
    if earlier_id is None:
        await _settle_alone(tx, contact)
        return
    earlier = await store.find_contact(tx, contact_id=earlier_id)
    if earlier is not None and (said := await hear_answer(tx, contact, earlier)) is not None:
        await _settle_by_answer(tx, earlier, said, contact)
        return  # the answer waited for what it answers, and has been settled with it
    if earlier is None or earlier.status in {Status.WAITING, Status.IN_REVIEW}:
        wait = timedelta(seconds=packs_of(tx).routing.wait_for_earlier_seconds)
        await set_timer(tx, SETTLE, contact.contact_id, contact.journey_id, after=wait)
    else:
        await _follow(tx, contact, earlier)


async def _settle_by_answer(tx: Transaction, contact: Contact, said: Task, answer: Contact) -> None:
    """The customer was asked which task it is, and said so: the review is decided by that."""
    concerns = decide_answer(contact, said, answer.reading, packs_of(tx))
    review = await store.get_review(tx, review_id=review_id_of(contact.contact_id))
    decided = await _decide(tx, contact, concerns, by=DecidedBy.CUSTOMER)
    await _judge(tx, contact, decided, source="answer")
    await store.insert_correction(tx, contact=contact, suggested=review.suggestions, decided=decided, at=tx.now)
    await store.update_review(tx, review_id=review.review_id, decided_by=DecidedBy.CUSTOMER, decided_at=tx.now)


async def _judge(tx: Transaction, contact: Contact, decided: Sequence[Decided], *, source: str) -> None:
    named = {one.concern.task for one in decided}
    read = {one.task: (one.confidence, one.task in named) for one in contact.reading.concerns}
    await note_judgement(tx, contact_id=contact.contact_id, pack=contact.pack, judged=read, source=source)


async def _follow(tx: Transaction, contact: Contact, earlier: Contact) -> None:
    cases: list[tuple[UUID, Task, str | None]] = [
        (one.case_id, one.concern.task, one.concern.intent)
        for one in await store.list_concerns(tx, contact_id=earlier.contact_id)
    ]
    if not cases:
        # It answers something that led to no case, such as an automatic mail.
        await _settle_alone(tx, contact)
        return
    cases = await _where_they_are_now(tx, cases)
    concerns = continue_cases(contact, cases, contact.found_by or "", packs_of(tx))
    await _decide(tx, contact, concerns, by=DecidedBy.RULES)


async def _where_they_are_now(
    tx: Transaction, cases: Sequence[tuple[UUID, Task, str | None]]
) -> list[tuple[UUID, Task, str | None]]:
    """These cases (id, task, intent), each as the task works on it that it was handed over to at last."""
    found: dict[UUID, tuple[UUID, Task, str | None]] = {}
    for case in cases:
        now = case
        while (handed_over := await store.find_handed_over(tx, case_id=now[0])) is not None:
            now = handed_over
        found.setdefault(now[0], now)
    return list(found.values())


async def settle_waiting(tx: Transaction, *, contact_id: UUID) -> None:
    """A waiting contact's time has come: the earlier one is understood by now, or this one stands alone."""
    contact = await store.get_contact(tx, contact_id=contact_id)
    if contact.status is not Status.WAITING or contact.earlier_contact_id is None:
        return
    earlier = await store.find_contact(tx, contact_id=contact.earlier_contact_id)
    if earlier is not None and earlier.status in {Status.DECIDED, Status.AUTOMATIC}:
        await _follow(tx, contact, earlier)
    else:
        await _settle_alone(tx, contact)


async def _settle_alone(tx: Transaction, contact: Contact) -> None:
    concerns = decide_reading(contact, packs_of(tx))
    [mode] = await reach_of(tx, [contact.reading])
    count_reading(tx, contact.reading, mode)
    if mode is Mode.AUTOMATE:
        await _decide(tx, contact, concerns, by=DecidedBy.MODEL)
    else:
        await store.update_contact(tx, replace(contact, status=Status.IN_REVIEW))
        review = review_of(contact, concerns, mode=mode, at=tx.now)
        await store.insert_reviews(tx, [review])
        announce_review(tx, review)
        await ask_where_worth(tx, contact, mode)


async def _decide(tx: Transaction, contact: Contact, concerns: Sequence[Decided], *, by: DecidedBy) -> list[Decided]:
    """Count the failures before the contact, keep the decision, announce it, and settle what waited for it."""
    status = contact.status if contact.status is Status.AUTOMATIC else Status.DECIDED
    contact = replace(contact, status=status, decided_by=by, decided_at=tx.now)
    decided = await guard_concerns(tx, contact, concerns)
    await store.update_contact(tx, contact)
    await store.insert_concerns(tx, {contact.contact_id: decided})
    announce(tx, contact, decided)
    followers = await store.list_waiting(tx, earlier_contact_ids=[contact.contact_id])
    await settle_followers(tx, contact, followers.get(contact.contact_id, ()))
    return decided


async def settle_followers(tx: Transaction, contact: Contact, followers: Sequence[tuple[UUID, UUID]]) -> None:
    """Go on with the contacts (id, journey) that waited for this one to be understood."""
    for contact_id, journey_id in followers:
        if journey_id == contact.journey_id:
            await tx.cancel_timer(SETTLE, subject=contact_id)
            await settle_waiting(tx, contact_id=contact_id)
        else:
            await set_timer(tx, SETTLE, contact_id, journey_id)


def announce(tx: Transaction, contact: Contact, decided: Sequence[Decided]) -> None:
    """Tell what a contact is about."""
    assert contact.decided_at is not None
    tx.publish(
        ContactTriaged(
            journey_id=contact.journey_id,
            contact_id=contact.contact_id,
            language=contact.language,
            concerns=tuple(one.concern for one in decided),
            decided_by=contact.decided_by or DecidedBy.RULES,
            pack=contact.pack,
            decided_at=contact.decided_at,
            market=contact.market,
        )
    )


async def decide_review(
    tx: Transaction, *, review_id: UUID, version: ExpectedVersion, drafts: Sequence[Draft], decided_by: str
) -> Review:
    """A person says what a contact is about; no draft means that there is nothing to do.

    Raises ReviewNotFound, PreconditionFailed, ReviewDecided, TaskNotServed, IntentUnknown.
    """
    await tx.lock_person((await store.get_review(tx, review_id=review_id)).journey_id)
    review = await store.get_review(tx, review_id=review_id)
    version.check(review.version)
    if review.status == "decided":
        raise ReviewDecided
    contact = await store.get_contact(tx, contact_id=review.contact_id)
    known = await store.list_concerns(tx, contact_id=contact.contact_id)
    waiting = await store.list_handovers(tx, contact_ids=[contact.contact_id], waiting=True)
    concerns = going_on(decide_drafts(contact, drafts, packs_of(tx), first=len(known)), waiting)
    decided = await _decide(tx, contact, concerns, by=DecidedBy.PERSON)
    if not known and not contact.reading.stated:
        await _judge(tx, contact, decided, source="review")
    await store.insert_correction(tx, contact=contact, suggested=review.suggestions, decided=decided, at=tx.now)
    return await store.update_review(tx, review_id=review_id, decided_by=decided_by, decided_at=tx.now)


async def confirm_review(tx: Transaction, *, review_id: UUID, version: ExpectedVersion, decided_by: str) -> Review:
    """A person confirms what triage chose. Raises ReviewNotFound, NothingPreselected, and what `decide_review` does."""
    review = await store.get_review(tx, review_id=review_id)
    if review.mode is not Mode.PRESELECT:
        raise NothingPreselected
    drafts = [draft_of(one) for one in review.suggestions]
    return await decide_review(tx, review_id=review_id, version=version, drafts=drafts, decided_by=decided_by)


# The repeat-failure guard ---------------------------------------------------------------------------------------------
async def guard_concerns(tx: Transaction, contact: Contact, concerns: Sequence[Decided]) -> list[Decided]:
    """The concerns at the tiers that the failures before the contact ask for."""
    guard = packs_of(tx).routing.guard
    failures = await store.list_failures(
        tx,
        journey_ids=await tx.members(contact.journey_id),
        since=contact.received_at - timedelta(days=guard.window_days),
        until=contact.received_at,
    )
    return [guarded(one, failures, received_at=contact.received_at, guard=guard) for one in concerns]


async def set_timer(
    tx: Transaction, kind: str, contact_id: UUID, journey_id: UUID, *, after: timedelta = timedelta()
) -> None:
    """Have a contact looked at again, under the lock of its person."""
    # The timer locks its key first and the journey second, so its key is the person's root, which is the smaller.
    root = (await tx.members(journey_id))[0]
    await tx.set_timer(kind, key=root, subject=contact_id, due_at=tx.now + after)


async def hold_person(tx: Transaction, *, kind: str, contact_id: UUID, held: str) -> bool:
    """Lock the person behind a contact in a timer that holds `held`; tells whether it may go on.

    Where a merge gave the person a smaller root meanwhile, the timer is set again under that one.
    """
    journey_id = (await store.get_contact(tx, contact_id=contact_id)).journey_id
    if str((await tx.members(journey_id))[0]) < held:
        await set_timer(tx, kind, contact_id, journey_id)
        return False
    await tx.lock_person(journey_id)
    return True
