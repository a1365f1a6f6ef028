"""What holds at every moment, and what holds once everything has come to rest. Each breach raises Violation."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from anliegen.kit.consumer.records import Place

from .stage import Violation
from .toys import DESK, FRONT, HEARD
from .world import Home, World

ONCE = "each effect once"
NOTHING_LOST = "nothing lost"
NOTHING_INVENTED = "nothing that was not committed"
ORDER = "the order of each key"
SEQUENCE = "the sequence of each stream"
ONE_DECISION = "one decision at a time under a key"
SAME_AGAIN = "a repetition announces the same"
ORPHANS = "no parked event without its parked key"
EMPTY = "the outbox becomes empty"
AT_REST = "everything comes to rest"
UNEXPECTED = "no process ends in an unexpected way"


@dataclass(frozen=True)
class Effect:
    """A row of a ledger."""

    key: str
    topic: str
    event_id: UUID
    announced: UUID | None
    place: int | None
    members: tuple[str, ...]
    of_person: int


@dataclass(frozen=True)
class Seen:
    """One service's database at one moment."""

    effects: list[Effect]
    parked: list[tuple[str, str, UUID]]
    """Key, topic and event, in their order."""
    parked_keys: set[str]
    dead: set[UUID]
    discarded: set[UUID]
    dead_places: set[tuple[str, int, int]]
    refused: set[UUID]
    positions: dict[Place, int]
    outbox: set[UUID]


_LOOK = """
SELECT json_build_object(
    'effects', (SELECT json_agg(json_build_array(key, topic, event_id, announced, place, members, of_person)
                                ORDER BY nth) FROM ledger),
    'parked', (SELECT json_agg(json_build_array(key, topic, event_id) ORDER BY ord) FROM parked_events),
    'parked_keys', (SELECT json_agg(key) FROM parked_keys),
    'dead', (SELECT json_agg(json_build_array(event_id, settled_how, topic, part, "offset"))
             FROM dead_letters),
    'refused', (SELECT json_agg(event_id) FROM inbox WHERE outcome IS NOT NULL),
    'positions', (SELECT json_agg(json_build_array(topic, part, next_offset)) FROM consumer_position),
    'outbox', (SELECT json_agg(event_id) FROM outbox)
)::text
"""


async def look(home: Home) -> Seen:
    """All that counts of a database, as of one moment."""
    told: dict[str, Any] = json.loads(await home.owner.fetchval(_LOOK))
    rows = {name: found or [] for name, found in told.items()}
    return Seen(
        effects=[
            Effect(key, topic, UUID(event), announced and UUID(announced), place, tuple(members), of_person)
            for key, topic, event, announced, place, members, of_person in rows["effects"]
        ],
        parked=[(key, topic, UUID(event)) for key, topic, event in rows["parked"]],
        parked_keys=set(rows["parked_keys"]),
        dead={UUID(event) for event, settled, *_ in rows["dead"] if event and not settled},
        discarded={UUID(event) for event, settled, *_ in rows["dead"] if event and settled == "discarded"},
        dead_places={(topic, part, offset) for _, _, topic, part, offset in rows["dead"]},
        refused={UUID(event) for event in rows["refused"]},
        positions={Place(topic, part): offset for topic, part, offset in rows["positions"]},
        outbox={UUID(event) for event in rows["outbox"]},
    )


async def check(world: World) -> dict[str, Seen]:
    """What holds at every moment."""
    for name, problem in world.stage.troubles:
        raise Violation(UNEXPECTED, f"{name}: {problem!r}") from problem
    seen = {name: await look(home) for name, home in world.homes.items()}
    _check_announcements(world, seen)
    for group in HEARD:
        _check_effects(world, group, seen[group])
    for name in (FRONT, DESK):
        _check_decisions(name, seen[name])
    return seen


async def check_at_rest(world: World) -> None:
    """What holds once all has been relayed, consumed and retried."""
    seen = await check(world)
    for name, one in seen.items():
        if one.outbox:
            raise Violation(EMPTY, f"{name}: {len(one.outbox)} are left")
    _check_sequences_are_whole(world)
    for group in HEARD:
        _check_all_is_settled(world, group, seen[group])


def _check_announcements(world: World, seen: dict[str, Seen]) -> None:
    """What was committed is in the outbox or in the log, and nothing else is."""
    log = world.log
    for name in (FRONT, DESK):
        said = [one.announced if name == DESK else one.event_id for one in seen[name].effects]
        committed = {event for event in said if event is not None}
        world.told.ever[name] |= committed
        if lost := committed - seen[name].outbox - log.seen.keys():
            raise Violation(NOTHING_LOST, f"{name} committed {lost}, which is neither in its outbox nor in the log")
        if invented := seen[name].outbox - world.told.ever[name]:
            raise Violation(NOTHING_INVENTED, f"{invented} in the outbox of {name}")
    for one in seen[DESK].effects:
        if one.announced is not None and world.told.follows.setdefault(one.event_id, one.announced) != one.announced:
            raise Violation(SAME_AGAIN, f"{one.event_id} was followed by another event before")
    if lost := world.told.accepted - world.told.ever[FRONT]:
        raise Violation(NOTHING_LOST, f"answered, and not there: {lost}")
    if invented := log.seen.keys() - world.told.ever[FRONT] - world.told.ever[DESK]:
        raise Violation(NOTHING_INVENTED, f"{invented} in the log")
    for (topic, key), firsts in log.first.items():
        for life in {first.life for first in firsts}:
            sequences = [first.sequence for first in firsts if first.life == life]
            if sequences != sorted(set(sequences)):
                raise Violation(SEQUENCE, f"{topic}, key {key}: {sequences} in life {life}")
    lane = [(one.topic, one.key, one.event_id) for one in seen[FRONT].effects]
    _check_order(world, FRONT, lane, in_log_first=True)


def _check_effects(world: World, group: str, seen: Seen) -> None:
    """Every record before the position was settled, once, in the order of its key."""
    counts = Counter(one.event_id for one in seen.effects if one.topic)
    if twice := [event for event, count in counts.items() if count > 1]:
        raise Violation(ONCE, f"{group}: {twice} took effect more than once")
    done, parked = set(counts), {event for _, _, event in seen.parked}
    if both := (done & parked) | (done & seen.dead) | (parked & seen.dead) | (done & seen.discarded):
        raise Violation(ONCE, f"{group}: {both} is settled and waits")
    if passed_over := [event for event in seen.refused if not world.fates.of(group, event).startswith("is refused")]:
        raise Violation(NOTHING_LOST, f"{group} enters as refused what nobody refused: {passed_over}")
    if orphans := {key for key, _, _ in seen.parked} - seen.parked_keys:
        raise Violation(ORPHANS, f"{group}: {orphans}")
    if invented := (done | parked | seen.dead) - world.log.seen.keys():
        raise Violation(NOTHING_INVENTED, f"{group} knows {invented}")
    settled = done | parked | seen.dead | seen.refused | world.told.refused[group] | seen.discarded
    for place, position in seen.positions.items():
        for record in world.log.partition(place).records:
            if record.offset >= position:
                break
            kept = record.event_id in settled or (*place, record.offset) in seen.dead_places
            if not kept:
                raise Violation(NOTHING_LOST, f"{group} has passed over {place} offset {record.offset}")
    redriven = world.told.redriven[group]
    lane = [(one.topic, one.key, one.event_id) for one in seen.effects if one.topic and one.event_id not in redriven]
    lane += [(topic, key, event) for key, topic, event in seen.parked if event not in redriven]
    _check_order(world, group, lane, in_log_first=False)


def _check_order(world: World, name: str, lane: Iterable[tuple[str, str, UUID]], *, in_log_first: bool) -> None:
    """Per topic and key, these came in the order in which the log has them, as far as it has them."""
    by_key: dict[tuple[str, str], list[UUID]] = {}
    for topic, key, event in lane:
        by_key.setdefault((topic, key), []).append(event)
    for place, events in by_key.items():
        first = {one.event_id: nth for nth, one in enumerate(world.log.first.get(place, []))}
        ranks = [first[event] for event in events if event in first]
        if ranks != sorted(ranks):
            raise Violation(ORDER, f"{name}, {place}: {ranks}")
        if in_log_first and any(event not in first for event in events[: len(ranks)]):
            raise Violation(ORDER, f"{name}, {place}: a later event is in the log, an earlier one is not")


def _check_decisions(name: str, seen: Seen) -> None:
    """Nobody decided on what another was changing: no two saw the same."""
    for key in {one.key for one in seen.effects}:
        places = [one.place for one in seen.effects if one.key == key]
        if any(place not in (nth, None) for nth, place in enumerate(places)):
            raise Violation(ONE_DECISION, f"{name}, key {key}: {places}")
    persons = [(one.members, one.of_person) for one in seen.effects if one.members]
    if len(set(persons)) < len(persons):
        raise Violation(ONE_DECISION, f"{name}, over a person: {persons}")


def _check_sequences_are_whole(world: World) -> None:
    streams: dict[tuple[str, str, int], list[int]] = {}
    for (_, key), firsts in world.log.first.items():
        for first in firsts:
            streams.setdefault((world.log.sources[first.event_id], key, first.life), []).append(first.sequence)
    for (source, key, life), sequences in streams.items():
        begin = 1 if life == 0 else min(sequences)
        if sorted(sequences) != list(range(begin, begin + len(sequences))):
            raise Violation(SEQUENCE, f"{source}, key {key}, life {life}: {sorted(sequences)}")


def _check_all_is_settled(world: World, group: str, seen: Seen) -> None:
    """Effects, refusals and dead letters are all that was published; what waits, waits behind what never works."""
    for place in world.places(group):
        if world.log.read(place, seen.positions.get(place, 0), 1):
            raise Violation(AT_REST, f"{group} stands before the end of {place}")
    published = {event for event, place in world.log.seen.items() if place.topic in HEARD[group]}
    settled = {one.event_id for one in seen.effects if one.topic} | seen.dead | seen.discarded
    settled |= seen.refused | world.told.refused[group]
    waiting = [event for _, _, event in seen.parked]
    if settled | set(waiting) != published:
        raise Violation(NOTHING_LOST, f"{group}: {published ^ (settled | set(waiting))}")
    oldest = {key: event for key, _, event in reversed(seen.parked)}
    for key in seen.parked_keys:
        if key not in oldest or not world.is_hopeless(group, oldest[key]):
            raise Violation(AT_REST, f"{group}: {key} waits behind {oldest.get(key)}")
