"""Door 1: which events a service hears, and what each brings about, in one visible table."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from anliegen.events import Envelope, Event, JourneysMerged, JourneysSplit, registry
from anliegen.events.topics import partner_topic

if TYPE_CHECKING:
    from .consumer.records import Record
    from .settings import Settings
    from .transaction import Transaction

E = TypeVar("E", bound=Event)
E_co = TypeVar("E_co", bound="Event | None", covariant=True)
One = Callable[[E, "Transaction"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Delivery(Generic[E_co]):
    """One event as it came: the event (None for a type that is not known here), its envelope, bytes and place."""

    event: E_co
    envelope: Envelope
    payload: bytes
    topic: str
    partition: int
    offset: int
    lock_keys: tuple[str, ...] = ()


AnyDelivery = Delivery[Event | None]
Many = Callable[[list[AnyDelivery], "Transaction"], Awaitable[None]]
TakeRecords = Callable[[list["Record"], "Transaction"], Awaitable[Sequence[tuple["Record", Exception]]]]


@dataclass(frozen=True, slots=True)
class Handler:
    """One entry of the table."""

    name: str
    many: bool
    call: Callable[..., Awaitable[None]] = field(compare=False)
    over_person: bool = False
    """Its rules count over a person: the roots of the journeys are locked with them."""


class HandlerMisplaced(TypeError):
    """A handler must name at least one event class that can be published, and a projection cannot publish."""


class VersionOutdated(TypeError):
    """Events of this version are read as a newer one: handle the newer class, and you hear both."""


class Handlers:
    """The table of one service's handlers.

    `projection=True`: the handlers only write what can be computed again, so they publish nothing and need no lock.
    `policy` says what happens to an event that still fails after `attempts` tries: `stay` (its journey waits and an
    alarm sounds) or `dead_letter` (it is set aside and the journey goes on).
    """

    def __init__(
        self,
        service: str,
        *,
        projection: bool = False,
        attempts: int = 12,
        policy: Literal["stay", "dead_letter"] = "dead_letter",
    ) -> None:
        self.service = service
        self.projection = projection
        self.attempts = attempts
        self.policy = policy
        # Every service follows merges and splits (`links.py`), whether or not it handles anything else of intake's.
        self._table: dict[str, list[Handler]] = {cls.event_type: [] for cls in (JourneysMerged, JourneysSplit)}
        self._every: list[Handler] = []
        self._every_topics: tuple[str, ...] = ()
        self.take_partner_records: TakeRecords | None = None
        self._partners: Callable[[Any], Iterable[str]] = lambda _settings: ()

    def on(self, *classes: type[E], over_person: bool = False) -> Callable[[One[E]], One[E]]:
        """Handle each event of these classes, or of classes that derive from them, alone."""

        def enter(function: One[E]) -> One[E]:
            self._enter(classes, Handler(function.__name__, many=False, call=function, over_person=over_person))
            return function

        return enter

    def on_many(
        self, *classes: type[Event], over_person: bool = False
    ) -> Callable[[Callable[[list[Any], "Transaction"], Awaitable[None]]], Callable[..., Awaitable[None]]]:
        """Handle the events of these classes as lists, for services that are hot; order within a key is kept."""

        def enter(function: Callable[[list[Any], "Transaction"], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
            self._enter(classes, Handler(function.__name__, many=True, call=function, over_person=over_person))
            return function

        return enter

    def on_every(self, topics: Iterable[str]) -> Callable[[Many], Many]:
        """Handle everything on these topics as lists, types that are not known here among them."""

        def enter(function: Many) -> Many:
            self._every.append(Handler(function.__name__, many=True, call=function))
            self._every_topics = tuple(sorted({*self._every_topics, *topics}))
            return function

        return enter

    def on_partner_records(self, partners: "Callable[[Any], Iterable[str]]") -> Callable[[TakeRecords], TakeRecords]:
        """Take the records that partner systems write, each to its own topic; `partners` reads their names in settings.

        They are not in our envelope, so nothing of the inbox, of keys or of parking holds for them: the function sees
        to it that the same one twice changes nothing, announces nothing, and gives back those that are of no use, each
        with the reason. They are kept as dead letters, as is one with which the function itself fails.
        """

        def enter(function: TakeRecords) -> TakeRecords:
            self.take_partner_records = function
            self._partners = partners
            return function

        return enter

    def _enter(self, classes: tuple[type[Event], ...], handler: Handler) -> None:
        found = [concrete for cls in classes for concrete in registry.classes_of(cls)]
        if not found:
            raise HandlerMisplaced(f"{HandlerMisplaced.__doc__} {handler.name}: {classes}")
        for cls in classes:
            if cls.event_type and not registry.versions_read_as(cls):
                raise VersionOutdated(f"{VersionOutdated.__doc__} {handler.name}: {cls.event_type}")
        for kind in (kind for cls in found for kind in registry.versions_read_as(cls)):
            entries = self._table.setdefault(kind, [])
            if handler not in entries:
                entries.append(handler)

    @property
    def heard(self) -> dict[str, list[str]]:
        """Every event type that is heard, with the names of its handlers."""
        return {kind: [handler.name for handler in entries] for kind, entries in sorted(self._table.items())}

    @property
    def topics(self) -> list[str]:
        """The topics of our own services that are heard, sorted."""
        classes = [cls for kind in self._table if (cls := registry.find_class(kind)) is not None]
        return sorted({*registry.topics_of(classes), *self._every_topics})

    def topics_under(self, settings: "Settings") -> list[str]:
        """The topics to subscribe to under these settings: those of partner systems among them."""
        return sorted({*self.topics, *map(partner_topic, self._partners(settings))})

    def wants(self, event_type: str, topic: str) -> bool:
        """Whether anything here handles events of this type from this topic."""
        return event_type in self._table or bool(self._every and topic in self._every_topics)

    def for_(self, event_type: str, topic: str) -> list[Handler]:
        """The handlers of one delivery, in the order in which they were entered."""
        entries = self._table.get(event_type, [])
        return [*self._every, *entries] if self._every and topic in self._every_topics else entries
