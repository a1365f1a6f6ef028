"""How often one caller may use a door: moving windows in memory, counted per process; the gateway before us counts all.

Limits are written as the library `limits` reads them (`120/minute`). Its own asynchronous memory store hands every key
to a thread at each hit, so the windows are kept here: a list of times per caller and route.
"""

import ipaddress
import math
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from limits import RateLimitItem, parse
from starlette.types import Scope

from ..errors import TooManyRequests

MOST_CALLERS = 50_000


class RateLimited(TooManyRequests):
    """Too many requests: try again after the time in Retry-After."""

    code = "too_many_requests"

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__()
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left after a hit. `reset` is in seconds."""

    limit: int
    window: int
    remaining: int
    reset: int

    def headers(self) -> dict[str, str]:
        """`RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10)."""
        return {
            "RateLimit-Policy": f'"default";q={self.limit};w={self.window}',
            "RateLimit": f'"default";r={self.remaining};t={self.reset}',
        }


@cache
def parse_limit(text: str) -> RateLimitItem:
    """Read `120/minute`. Raises ValueError."""
    return parse(text)


class Limiter:
    """The windows of one application."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, most_callers: int = MOST_CALLERS) -> None:
        self._clock = clock
        self._most = most_callers
        self._hits: dict[int, OrderedDict[tuple[str, str], list[float]]] = {}
        """Times of hits by window (seconds), then by route and caller; who came last is last."""

    def hit(self, limit: str, *, route: str, caller: str) -> Allowance:
        """Count one request. Raises RateLimited, with the headers that say when to come back."""
        item = parse_limit(limit)
        now = self._clock()
        window = item.get_expiry()
        times = self._times(window, (route, caller), now)
        del times[: bisect_right(times, now - window)]
        if len(times) >= item.amount:
            wait = max(1, math.ceil(times[0] + window - now))
            allowance = Allowance(item.amount, window, 0, wait)
            raise RateLimited({"Retry-After": str(wait), **allowance.headers()})
        times.append(now)
        return Allowance(item.amount, window, item.amount - len(times), math.ceil(times[0] + window - now))

    def _times(self, window: int, place: tuple[str, str], now: float) -> list[float]:
        callers = self._hits.setdefault(window, OrderedDict())
        times = callers.get(place)
        if times is None:
            # Whose last hit has left the window is forgotten; two for each that comes, so that memory follows.
            for _ in range(2):
                if callers and (oldest := next(iter(callers.values()))) and oldest[-1] <= now - window:
                    callers.popitem(last=False)
            # Beyond that, who came longest ago: an attacker with many addresses must not fill the memory.
            while len(callers) >= self._most:
                callers.popitem(last=False)
            times = callers[place] = []
        else:
            callers.move_to_end(place)
        return times


def address_of(scope: Scope) -> str:
    """The caller's network address; of an IPv6 address the /64, which one household or server has to itself."""
    client = scope.get("client")
    if not client:
        return "unknown"
    try:
        address = ipaddress.ip_address(client[0])
    except ValueError:
        return str(client[0])
    if address.version == 6:
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((address, 64), strict=False).network_address)
    return str(address)
