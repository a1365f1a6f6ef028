"""The order in which a person's events are told, and where a reader stands."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anliegen.journey.domain import Beat, Filter, cut, place
from anliegen.journey.live import REMEMBERED_GAPS, Position, PositionMalformed
from anliegen.journey.projection import normalised

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


def beat(number: int, *, second: float = 0, source: str = "a", sequence: int = 0, cause: int | None = None) -> Beat:
    return Beat(
        event_id=UUID(int=number),
        key="k",
        source=f"/anliegen/{source}",
        type="x.y.v1",
        sequence=sequence,
        time=START + timedelta(seconds=second),
        causation_id=None if cause is None else UUID(int=cause),
        case_id=None,
    )


def numbers(beats: list[Beat]) -> list[int]:
    return [one.beat.event_id.int for one in place(beats)]


def test_time_decides_where_nothing_else_is_known() -> None:
    assert numbers([beat(1, second=3), beat(2, second=1), beat(3, second=2)]) == [2, 3, 1]


def test_effect_does_not_stand_before_its_cause_though_its_clock_was_behind() -> None:
    effect = beat(1, second=-5, source="b", cause=2)
    assert numbers([effect, beat(2, second=0), beat(3, second=-1, source="c")]) == [3, 2, 1]


def test_at_one_time_causes_come_first() -> None:
    assert numbers([beat(1, source="a", cause=3), beat(2, source="b", cause=1), beat(3, source="c")]) == [3, 1, 2]


def test_sequence_of_a_service_is_kept_though_its_clock_went_back() -> None:
    assert numbers([beat(1, second=9, sequence=1), beat(2, second=1, sequence=2), beat(3, second=5, source="b")]) == [
        3,
        1,
        2,
    ]


def test_late_cause_moves_all_that_follows_from_it() -> None:
    chain = [beat(1, second=10), beat(2, second=1, source="b", cause=1), beat(3, second=2, source="c", cause=2)]
    assert numbers(chain) == [1, 2, 3]
    assert {one.at for one in place(chain)} == {START + timedelta(seconds=10)}


def test_events_that_claim_to_cause_each_other_are_told_by_time() -> None:
    assert numbers([beat(1, second=2, cause=2), beat(2, second=1, source="b", cause=1), beat(3, cause=3)]) == [3, 2, 1]


@st.composite
def histories(draw: st.DrawFn) -> list[Beat]:
    """What services could say: causes before effects and sequences rising, but with clocks that are off."""
    beats: list[Beat] = []
    sequences: dict[str, int] = {}
    for number in range(1, draw(st.integers(1, 14)) + 1):
        source = draw(st.sampled_from("abc"))
        sequences[source] = sequences.get(source, 0) + 1
        cause = draw(st.none() | st.integers(1, number - 1)) if number > 1 else None
        beats.append(
            beat(number, second=draw(st.integers(-3, 3)), source=source, sequence=sequences[source], cause=cause)
        )
    return beats


@given(histories(), st.randoms(use_true_random=False))
def test_order_depends_on_the_events_alone_and_no_effect_precedes_its_cause(
    beats: list[Beat], chance: random.Random
) -> None:
    order = numbers(beats)
    shuffled = list(beats)
    chance.shuffle(shuffled)
    assert numbers(shuffled) == order
    at = {number: index for index, number in enumerate(order)}
    for one in beats:
        if one.causation_id is not None:
            assert at[one.causation_id.int] < at[one.event_id.int]
    for source in {one.source for one in beats}:
        told = [n for n in order if next(b for b in beats if b.event_id.int == n).source == source]
        assert told == sorted(told)


@given(histories(), st.integers(1, 5))
def test_pages_forwards_and_backwards_tell_the_same_story(beats: list[Beat], size: int) -> None:
    timeline = place(beats)
    forwards, edge = [], None
    while page := cut(timeline, edge=edge, backwards=False, limit=size):
        forwards += page
        edge = (page[-1].at, page[-1].beat.event_id)
    assert forwards == timeline
    backwards = []
    edge = (timeline[-1].at, timeline[-1].beat.event_id)
    while page := cut(timeline, edge=edge, backwards=True, limit=size):
        backwards += page
        edge = (page[-1].at, page[-1].beat.event_id)
    assert backwards == list(reversed(timeline[:-1]))


def test_page_goes_on_where_the_edge_is_gone() -> None:
    timeline = place([beat(1, second=1), beat(2, second=3)])
    gone = (START + timedelta(seconds=2), UUID(int=9))
    assert [one.beat.event_id.int for one in cut(timeline, edge=gone, backwards=False, limit=9)] == [2]
    assert [one.beat.event_id.int for one in cut(timeline, edge=gone, backwards=True, limit=9)] == [1]


def test_as_of_hides_what_came_later() -> None:
    timeline = place([beat(1, second=1), beat(2, second=3), beat(3, second=0, source="b", cause=2)])
    wanted = Filter(as_of=START + timedelta(seconds=2))
    assert [one.beat.event_id.int for one in timeline if wanted.lets(one)] == [1]


@given(st.permutations(range(1, 20)), st.integers(0, 19))
def test_position_knows_exactly_what_was_sent(order: list[int], sent: int) -> None:
    position = Position()
    for sequence in order[:sent]:
        position.take("k", "/anliegen/in.take", [sequence])
    again = Position.decode(position.encode())
    assert {n for n in range(1, 20) if again.has("k", "/anliegen/in.take", n)} == set(order[:sent])
    assert again.encode() == position.encode()


def test_position_forgets_gaps_that_never_close() -> None:
    position = Position()
    position.take("k", "s", [sequence for sequence in range(1, 500) if sequence % 7])
    ((_, _, low),) = position.lows
    assert low >= 499 - REMEMBERED_GAPS - 1
    assert len(position.encode()) < 400


@pytest.mark.parametrize(
    "text", ["x", "k.s", "k.s.x", "k.s.-1", "k.s.1+0", "k.s.1+999", "k.s.1~", "~", "a.b.c.d", "9" * 9000]
)
def test_position_of_somebody_else_is_refused(text: str) -> None:
    if text in {"k.s.1~", "~"}:
        assert Position.decode(text).encode() == text.strip("~")
        return
    with pytest.raises(PositionMalformed):
        Position.decode(text)


def test_handles_are_compared_normalised() -> None:
    assert normalised("email", " Reto@Post.example ") == "reto@post.example"
    assert normalised("phone", "0041 44 668 18 00") == normalised("phone", "+41446681800") == "+41446681800"
    assert normalised("customer_number", "ch-4711 ") == "ch-4711"
