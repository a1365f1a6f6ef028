"""How often a caller may come."""

import asyncio

import pytest

from anliegen.kit.http.rates import Limiter, RateLimited, address_of
from anliegen.kit.testing.clients import TestClient

COUNTED = "/kit-door/v1/counted"


async def test_a_public_route_is_limited_as_the_list_says(client: TestClient, problem):
    answers = [await client.anonymous.get(COUNTED) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    problem(answers[3], 429, "too_many_requests")
    assert answers[0].headers["ratelimit-policy"] == '"default";q=3;w=60'
    assert answers[0].headers["ratelimit"] == '"default";r=2;t=60'
    assert 1 <= int(answers[3].headers["retry-after"]) <= 60
    assert answers[3].headers["ratelimit"].startswith('"default";r=0;t=')


async def test_a_costly_route_is_limited_per_principal(client: TestClient):
    anna, bert = (client.as_("agent", scopes="things:read", sub=name) for name in ("anna", "bert"))
    path = "/kit-door/v1/costly"
    assert [(await anna.get(path)).status_code for _ in range(3)] == [200, 200, 429]
    assert (await bert.get(path)).status_code == 200


def test_the_window_moves():
    now = [0.0]
    limiter = Limiter(clock=lambda: now[0])
    for moment in (0.0, 30.0):
        now[0] = moment
        limiter.hit("2/minute", route="r", caller="c")
    now[0] = 59.9
    with pytest.raises(RateLimited) as refused:
        limiter.hit("2/minute", route="r", caller="c")
    assert refused.value.headers["Retry-After"] == "1"
    now[0] = 60.0
    assert limiter.hit("2/minute", route="r", caller="c").remaining == 0
    limiter.hit("2/minute", route="other", caller="c")
    limiter.hit("2/minute", route="r", caller="other")


def test_many_callers_do_not_fill_the_memory():
    limiter = Limiter(most_callers=100)
    for number in range(10_000):
        limiter.hit("2/minute", route="r", caller=str(number))
    assert [len(callers) for callers in limiter._hits.values()] == [100]


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        (("203.0.113.9", 1), "203.0.113.9"), (("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::"),
        (("2001:db8:1:2::9", 1), "2001:db8:1:2::"), (("::ffff:203.0.113.9", 1), "203.0.113.9"),
        (("testclient", 1), "testclient"), (None, "unknown"),
    ],
)  # fmt: skip
def test_whose_address_it_is(client, expected: str):
    assert address_of({"client": client}) == expected


async def test_a_hit_is_cheap():
    limiter = Limiter()
    started = asyncio.get_running_loop().time()
    for _ in range(10_000):
        limiter.hit("1000000/hour", route="r", caller="c")
    assert asyncio.get_running_loop().time() - started < 1.0


def test_callers_whose_last_request_is_out_of_the_window_are_forgotten() -> None:
    now = [0.0]
    limiter = Limiter(clock=lambda: now[0])
    for number in range(5_000):
        now[0] += 0.1  # 600 callers come in a window
        limiter.hit("10/minute", route="/a", caller=f"10.0.0.{number}")
        limiter.hit("10/hour", route="/b", caller="10.0.0.1") if number % 1_000 == 0 else None
    minute, hour = (len(callers) for callers in limiter._hits.values())
    assert 600 <= minute <= 610
    assert hour == 1
