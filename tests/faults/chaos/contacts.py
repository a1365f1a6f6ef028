"""The contacts of a run: who brings what by which channel, drawn from the seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from anliegen.kit import ids

CONTACTS_A_PERSON = 6
FORMS_A_SECOND = 6.0
"""A form's door takes ten a second from one address, and all of these come from one."""
ANSWERS = 0.25
"""The share of mails that answer an earlier one of the same person."""

TEXTS = (
    ("billing_inquiry", "Guten Tag, auf meiner letzten Rechnung ist ein Betrag doppelt. Können Sie das prüfen?"),
    ("helpdesk", "Hallo, bis wann habt ihr heute offen?"),
    ("billing_inquiry", "Die Rechnung vom letzten Monat ist höher als sonst, bitte erklären Sie mir den Betrag."),
    ("both", "Auf der Rechnung ist ein Betrag doppelt. Ausserdem: Wie richte ich das WLAN ein?"),
    ("nobody", "Guten Tag, ich melde mich wegen der Sache von neulich."),
)
WEIGHTS = (4, 4, 3, 2, 1)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who brings contacts. `kind` is how they are known: phone, email, whatsapp or app."""

    number: int
    kind: str
    run: str

    @property
    def address(self) -> str:
        """Their phone number, mail address or journey."""
        match self.kind:
            case "phone":
                return f"+49151{self.number:08}"
            case "whatsapp":
                return f"4179{self.number:07}"
            case "email":
                return f"person{self.number}.{self.run}@posteo.example"
        return str(ids.derived("person", self.run, self.number))


@dataclass(frozen=True, slots=True)
class Contact:
    """One contact. `answers` is the number of the mail that it answers."""

    number: int
    person: Person
    channel: str
    text: str
    answers: int | None = None


def draw_contacts(*, seed: int, planned: int, rate: float) -> list[Contact]:
    """The contacts of a run in the order in which they are brought."""
    chance = random.Random(f"contacts {seed}")
    run = f"{chance.getrandbits(32):08x}"
    kinds = chance.choices(
        ("phone", "email", "app", "whatsapp"), (40, 25, 20, 15), k=max(8, planned // CONTACTS_A_PERSON)
    )
    people = [Person(number, kind, run) for number, kind in enumerate(kinds)]
    forms = min(0.3, FORMS_A_SECOND / (0.25 * rate))
    last_mail: dict[int, int] = {}
    contacts = []
    for number in range(planned):
        person = chance.choice(people)
        channel = "web_form" if person.kind == "email" and chance.random() < forms else person.kind
        answers = last_mail.get(person.number) if channel == "email" and chance.random() < ANSWERS else None
        task, text = chance.choices(TEXTS, WEIGHTS)[0]
        if channel == "email" and task != "nobody":
            last_mail[person.number] = number
        contacts.append(Contact(number, person, channel, f"{text} (Nr. {number})", answers))
    return contacts


def journeys(contacts: Sequence[Contact]) -> int:
    """How many people bring something."""
    return len({contact.person.number for contact in contacts})
