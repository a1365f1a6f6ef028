"""When it is worth asking a customer what a contact is about, and what an answer says. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from anliegen.events import Flag, Priority, Task
from anliegen.kit import ids
from anliegen.kit.errors import Conflict, Invalid

from ..classifier import Reading
from ..domain import Contact
from ..packs import Mode, Routing
from ..words import fold

TEMPLATE = "routing_question"
LANGUAGES = frozenset({"de", "en", "fr", "it"})
"""The languages in which we can ask."""
CONVERSATIONS = frozenset({"whatsapp", "chat", "sms"})
"""The channels on which people answer without quoting."""
MOST_OPTIONS = 3
LONGEST_CHOICE = 40
"""Characters of an answer that may be nothing but a number."""
_PRESSING = frozenset({Flag.LEGAL, Flag.PRESS, Flag.VULNERABLE, Flag.REPEAT})
_NUMBERED = re.compile(
    r"(?:(?:nr|nummer|number|option|numero|punkt|antwort) )?([1-3])(?: (?:bitte|please|grazie|merci|danke|thanks))?"
)
_SAID = {
    1: "eins, erste, erstes, ersteres, das erste, one, first, the first, un, premier, le premier, la premiere, uno,"
    " primo, il primo, la prima",
    2: "zwei, zweite, zweites, letzteres, das zweite, two, second, the second, deux, deuxieme, le deuxieme,"
    " la deuxieme, le second, due, secondo, il secondo, la seconda",
    3: "drei, dritte, drittes, das dritte, three, third, the third, trois, troisieme, le troisieme, la troisieme, tre,"
    " terzo, il terzo, la terza",
}


def _folded(text: str) -> str:
    return " ".join(fold(word) for word in re.findall(r"[^\W_]+", text))


_BY_WORDS = {_folded(word): number for number, words in _SAID.items() for word in words.split(",")}


class QuestionsUsedUp(Conflict):
    """The customer was asked as often as may be: decide the review by what is there, or call them."""


class AnswerAwaited(Conflict):
    """The customer was asked and has not answered yet. Wait for it, or decide the review without."""


class OptionsUnsuitable(Invalid):
    """Ask for two or three different tasks, each of which a service settles here: else the answer changes nothing."""


class NotAskable(Conflict):
    """We cannot ask in this language, or the contact is decided: call the customer, or decide."""


class State(StrEnum):
    """Where a question stands: `unclear`, the answer did not tell; `undelivered`, nobody could read it."""

    ASKED = "asked"
    ANSWERED = "answered"
    UNCLEAR = "unclear"
    UNDELIVERED = "undelivered"


@dataclass(frozen=True, slots=True)
class Question:
    """What a customer was asked. `asked_by` is triage's own name or a person."""

    contact_id: UUID
    ordinal: int
    options: tuple[Task, ...]
    asked_by: str
    asked_at: datetime
    state: State = State.ASKED
    answered_by: UUID | None = None
    """The contact that answered."""


def reached(questions: Sequence[Question]) -> list[Question]:
    """Those that may have been read: what could not be delivered was not asked."""
    return [one for one in questions if one.state is not State.UNDELIVERED]


def reply_id_of(question: Question) -> UUID:
    """The id of the words that ask: asked twice, they are sent once."""
    return ids.derived("routing question", str(question.contact_id), question.ordinal)


def worth_asking(contact: Contact, mode: Mode | None, routing: Routing, modes: Mapping[Task, Mode]) -> list[Task]:
    """The tasks to ask about, or none where an answer would not change the way or somebody should look at once.

    It changes the way where two tasks together are sure enough, and either of them would get the contact by itself.
    """
    reading, policy = contact.reading, routing.questions
    if (
        mode is Mode.AUTOMATE
        or contact.channel not in policy.channels
        or contact.language not in LANGUAGES
        or reading.stated
        or reading.other is not None
        or len(reading.concerns) != 1
        or not _PRESSING.isdisjoint(reading.flags)
        or reading.priority in {Priority.HIGH, Priority.URGENT}
    ):
        return []
    likely = reading.likely[:2]
    tasks = [task for task, _ in likely]
    together = sum(sure for _, sure in likely)
    by_itself = all(task in routing.served_tasks and modes[task] is Mode.AUTOMATE for task in tasks)
    return tasks if len(tasks) == 2 and by_itself and together >= policy.together else []


def may_ask(contact: Contact, before: Sequence[Question], options: Sequence[Task], routing: Routing) -> None:
    """Raise where this question may not be asked: QuestionsUsedUp, AnswerAwaited, OptionsUnsuitable, NotAskable."""
    if len(reached(before)) >= routing.questions.most:
        raise QuestionsUsedUp(asked=len(reached(before)))
    if any(one.state is State.ASKED for one in before):
        raise AnswerAwaited
    if not 2 <= len(set(options)) == len(options) <= MOST_OPTIONS or not routing.served_tasks.issuperset(options):
        raise OptionsUnsuitable(served=sorted(routing.served_tasks))
    if contact.language not in LANGUAGES:
        raise NotAskable(language=contact.language)


def choice_of(text: str) -> int | None:
    """Which option a short answer names, from 1; None where it says something else."""
    plain = _folded(text)
    if found := _NUMBERED.fullmatch(plain):
        return int(found[1])
    return _BY_WORDS.get(plain)


def answers_unthreaded(reading: Reading, options: Sequence[Task], routing: Routing) -> bool:
    """Whether words that nothing ties to a question answer it: a number, or one matter of a task that was asked about.

    In a conversation people do not quote. What speaks of something else is a matter of its own.
    """
    if reading.choice is None and len(reading.concerns) != 1:
        return False
    return answer_of(reading, options, routing) is not None


def answer_of(reading: Reading, options: Sequence[Task], routing: Routing) -> Task | None:
    """Which of the tasks an answer says: by its number, else in words that are sure enough; None where it says none.

    Words that speak of another task are for the person who looks: they may be about anything. So is a task that
    nobody serves any more.
    """
    said = reading.concerns[0] if reading.concerns else None
    task = None
    if reading.choice is not None:
        task = options[reading.choice - 1] if reading.choice <= len(options) else None
    elif said is not None and said.task in options and said.confidence >= routing.questions.words:
        task = said.task
    return task if task in routing.served_tasks else None
