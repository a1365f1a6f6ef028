"""The pipeline at work: its processes, the callers at its door, and the reconciliation at the end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import httpx

from anliegen.events import ContactReceived
from anliegen.events.builders import build
from anliegen.kit import Context, begin
from anliegen.kit.testing.clients import token

from .broker import Broker
from .children import Child, Nursery
from .ledger import Accepted, Ledger, Offsets
from .services import RING

ACCEPT_SECONDS = 60.0
SERVING = "http"
ROLES = {SERVING: "fault-door", "door": "fault-door", "desk": "fault-desk", "shelf": "fault-shelf"}
"""The processes: the door's HTTP part, and one worker for each service."""


@dataclass
class House:
    """The four processes of the pipeline. A test takes one away, or starts it with failpoints."""

    nursery: Nursery
    ledger: Ledger
    broker: Broker
    door: Context
    """The door, opened in the test's own process, for what takes too many requests."""
    port: int
    client: httpx.AsyncClient
    at_work: dict[str, Child] = field(default_factory=dict)
    _speaking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self, role: str, *failpoints: str, **environment: str) -> Child:
        """Start the process of this role, armed with these failpoints; it takes the place of the one before.

        That one is killed, unless it stands still: then it will be heard of again.
        """
        before = self.at_work.pop(role, None)
        if before is not None and not before.ended.done() and not before.is_still():
            await before.kill()
        if role == SERVING:
            child = await self.nursery.serve(ROLES[role], port=self.port, failpoints=failpoints, **environment)
        else:
            child = await self.nursery.work(ROLES[role], failpoints=failpoints, **environment)
        self.at_work[role] = child
        return child

    async def kill(self, role: str) -> None:
        """End the process of this role on the spot."""
        if role in self.at_work:
            await self.at_work.pop(role).kill()

    async def ensure(self) -> None:
        """Have all four at work, unarmed or with nothing left to fail at."""
        for role in ROLES:
            if role not in self.at_work or self.at_work[role].ended.done():
                await self.start(role)

    async def begin_anew(self) -> None:
        """Have all four at work with nothing on its way, whatever the test before has left."""
        try:
            await self.ensure()
            await self.ledger.drain()
        except (AssertionError, TimeoutError):
            for role in list(self.at_work):
                await self.kill(role)
            await self.ledger.forget()
            await self.ensure()
            await self.ledger.drain()

    async def accept(
        self,
        journeys: Sequence[UUID],
        each: int,
        *,
        into: Accepted,
        lanes: int = 1,
        text: str = "",
        thorn: str | None = None,
    ) -> None:
        """Bring contacts to the door until it has accepted all: `each` in every lane of every journey, in turn.

        Whoever gets no answer asks again with the same key, as callers do. A `thorn` has the desk fail at the first
        contact of each lane, until `lift_thorns`: by `NotYet` (`not_yet`) or by any other exception.
        """
        await asyncio.gather(
            *(self._lane(journey, each, into, text, thorn) for journey in journeys for _ in range(lanes))
        )

    async def flood(self, journeys: Sequence[UUID], each: int, *, into: Accepted) -> None:
        """Write so many more contacts for each journey at once, in a transaction for each journey."""
        for journey in journeys:
            lane = [uuid4() for _ in range(each)]
            before = sum(len(other) for other in into.lanes[journey])
            async with begin(self.door) as tx:
                await tx.lock(journey)
                await tx.executemany(
                    "INSERT INTO contacts (contact_id, journey_id, number) VALUES ($1, $2, $3)",
                    [(contact, journey, number) for number, contact in enumerate(lane, start=before + 1)],
                )
                for contact in lane:
                    tx.publish(build(ContactReceived, contact_id=contact, journey_id=journey, text=""))
            into.lanes[journey].append(lane)

    async def lift_thorns(self) -> None:
        """Have the desk fail at nothing any more."""
        await self.ledger.desk.execute("DELETE FROM thorns")

    async def _lane(self, journey: UUID, each: int, into: Accepted, text: str, thorn: str | None) -> None:
        lane: list[UUID] = []
        into.lanes[journey].append(lane)
        for nth in range(each):
            contact = uuid4()
            if thorn and nth == 0:
                await self._one_by_one("INSERT INTO thorns (contact_id, kind) VALUES ($1, $2)", contact, thorn)
            async with asyncio.timeout(ACCEPT_SECONDS):
                while not await self._offer(contact, journey, text):
                    await asyncio.sleep(0.05)
            lane.append(contact)
            if text == RING:
                into.rings.add(contact)

    async def _one_by_one(self, statement: str, *values: object) -> None:
        async with self._speaking:  # all lanes share the connection
            await self.ledger.desk.execute(statement, *values)

    async def _offer(self, contact: UUID, journey: UUID, text: str) -> bool:
        body = {"contact_id": str(contact), "journey_id": str(journey), "text": text}
        try:
            response = await self.client.post(
                "/fault-door/v1/contacts", json=body, headers={"Idempotency-Key": str(contact)}
            )
        except httpx.TransportError:
            return False
        assert response.status_code in {201, 409, 500, 503}, response.text
        return response.status_code == 201

    async def settle(self, accepted: Accepted, *, since: Offsets, repeats: int = 1) -> None:
        """Wait until all is done, then reconcile."""
        try:
            await self.ledger.drain()
            await self.ledger.reconcile(accepted, since=since, repeats=repeats)
        except AssertionError as wrong:
            logs = "\n".join(f"--- {role}\n{child.tail()}" for role, child in self.at_work.items())
            raise AssertionError(f"{wrong}\n{logs}") from None


@contextlib.asynccontextmanager
async def caller(port: int) -> AsyncIterator[httpx.AsyncClient]:
    """Whoever brings contacts to the door."""
    # A connection for each request: one that is kept alive would break with the server and hide what is looked for.
    limits = httpx.Limits(max_keepalive_connections=0)
    headers = {"Authorization": f"Bearer {token('service')}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, limits=limits) as client:
        yield client


def journeys(number: int) -> list[UUID]:
    """Fresh journeys."""
    return [uuid4() for _ in range(number)]
