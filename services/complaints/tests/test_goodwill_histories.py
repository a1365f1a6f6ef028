"""Random histories of goodwill on the real SQL, with several decisions at the same moment, interleaved statement by
statement as Hypothesis draws it: budget, competence, the cost of winning a customer and the customer's limits hold,
and in what was announced the books close: what was issued is what was redeemed, lapsed, was withdrawn or is left.

`HYPOTHESIS_PROFILE=long .venv/bin/pytest services/complaints/tests/test_goodwill_histories.py` plays 10,000 of them.
"""

import asyncio
import json
import os
from asyncio import FIRST_COMPLETED
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from asyncpg.pool import PoolConnectionProxy
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from anliegen.complaints.goodwill import actions
from anliegen.complaints.goodwill.domain import Goodwill, State
from anliegen.complaints.goodwill.policy import GoodwillKind, Policy, policy_in_force
from anliegen.complaints.goodwill.reckoning import Outcome, Person, Proposal
from anliegen.complaints.goodwill.store import goodwills
from anliegen.complaints.main import service
from anliegen.kit import links
from anliegen.kit.clock import FixedClock
from anliegen.kit.errors import Problem
from anliegen.kit.service import Context, open_context
from anliegen.kit.testing.clients import ISSUER, jwks_address
from anliegen.kit.testing.databases import TestDatabase, TestServer
from anliegen.kit.testing.plugin import IDENTITY_SECRET
from anliegen.kit.transaction import Transaction, begin
from anliegen.kit.versions import ANY_VERSION

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
HISTORIES = int(os.environ.get("HYPOTHESIS_PLAYS", "10000")) if LONG else 40
BLOCKED_AFTER = 0.002
"""Seconds after which PostgreSQL is asked whether a statement waits for a lock, so that somebody else goes on."""
BEGINNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TABLES = ("goodwill_redemptions", "goodwills", "goodwill_signs", "journey_links", "timers", "outbox", "streams")


def small_policy() -> Policy:
    """Limits so small that a few decisions reach every one of them."""
    policy = policy_in_force()
    euros = policy.currencies["EUR"].model_copy(
        update={
            "steps": (500, 1000, 1500, 2000, 2500, 3000),
            "acquisition_cost": {"consumer": 4500},
            "most_for_customer": 4000,
            "budget_per_month": 6000,
            "competence": {"agent": (1000, 2000, 2500), "supervisor": (3000,), "administrator": (3000,)},
            "most_per_month": {"agent": (2000, 3000, 3000), "supervisor": (5000,), "administrator": (6000,)},
        }
    )
    divisible = {kind: rules.model_copy(update={"divisible": True}) for kind, rules in policy.kinds.items()}
    return policy.model_copy(update={"currencies": {"EUR": euros}, "kinds": divisible})


POLICY = small_policy()
PEOPLE = (
    Person(subject="anna", roles=frozenset({"agent"})),
    Person(subject="tim", roles=frozenset({"agent"}), tier=3),
    Person(subject="sara", roles=frozenset({"supervisor"})),
    Person(subject="olga", roles=frozenset({"administrator"})),
)


@dataclass(frozen=True)
class Deed:
    """One thing that somebody does. `nth` chooses among the goodwills that are there, by their order."""

    verb: str
    who: int
    nth: int
    worth: int


deeds = st.builds(
    Deed,
    verb=st.sampled_from(
        ["propose"] * 4 + ["approve"] * 3 + ["decline", "issue", "issue", "redeem", "withdraw", "lapse"]
    ),
    who=st.integers(0, 3),
    nth=st.integers(0, 5),
    worth=st.sampled_from([2500, 8000, 10_000, 12_500, 40_000]),
)
rounds = st.tuples(st.lists(deeds, min_size=1, max_size=3), st.lists(st.integers(0, 2), max_size=12))
histories = st.lists(rounds, min_size=1, max_size=12)


# Statement by statement -----------------------------------------------------------------------------------------------
@dataclass(eq=False)
class Actor:
    """One transaction at work: before each statement it waits for its turn."""

    process: int = 0
    turn: asyncio.Event = field(default_factory=asyncio.Event)
    waits: asyncio.Event = field(default_factory=asyncio.Event)

    async def take_turn(self) -> None:
        self.waits.set()
        await self.turn.wait()
        self.turn.clear()
        self.waits.clear()


ACTOR: ContextVar[Actor | None] = ContextVar("ACTOR", default=None)


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every statement of an actor waits for its turn."""

    def guarded(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def run(connection: Any, *values: Any, **options: Any) -> Any:
            if (actor := ACTOR.get()) is not None:
                actor.process = connection.get_server_pid()
                await actor.take_turn()
            return await original(connection, *values, **options)

        return run

    for name in ("fetch", "fetchrow", "fetchval", "execute", "executemany"):
        monkeypatch.setattr(PoolConnectionProxy, name, guarded(getattr(PoolConnectionProxy, name)))


async def interleave(
    works: Sequence[Callable[[], Awaitable[None]]], order: Sequence[int], *, watch: asyncpg.Connection
) -> None:
    """Run these at the same moment, one statement at a time: whose turn it is says `order`, then one after the other.

    Whoever waits for a lock does not hold up the others.
    """
    actors = [Actor() for _ in works]

    async def act(actor: Actor, work: Callable[[], Awaitable[None]]) -> None:
        ACTOR.set(actor)
        await work()

    tasks = [asyncio.create_task(act(actor, work)) for actor, work in zip(actors, works, strict=True)]
    wanted = list(order)
    # Opening a connection takes longer than any statement: nobody begins before all have one.
    while not all(actor.waits.is_set() or task.done() for actor, task in zip(actors, tasks, strict=True)):
        await asyncio.sleep(0.0005)
    while not all(task.done() for task in tasks):
        ready = [n for n, actor in enumerate(actors) if actor.waits.is_set() and not tasks[n].done()]
        if not ready:
            await asyncio.sleep(0.0005)
            continue
        chosen = wanted.pop(0) if wanted else ready[0]
        if chosen not in ready:
            continue  # it is done, or waits for a lock
        actors[chosen].waits.clear()
        actors[chosen].turn.set()
        again = asyncio.create_task(actors[chosen].waits.wait())
        while not (await asyncio.wait([tasks[chosen], again], timeout=BLOCKED_AFTER, return_when=FIRST_COMPLETED))[0]:
            # A machine that is busy is slow, which is not the same as waiting for somebody.
            if await watch.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", actors[chosen].process):
                break
        again.cancel()
    for task in tasks:
        task.result()


# The stage ------------------------------------------------------------------------------------------------------------
class Stage:
    """One service on its database, in an event loop of its own, with three journeys of two people in each history."""

    def __init__(self, postgres: TestServer) -> None:
        self.runner = asyncio.Runner()
        self.clock = FixedClock(BEGINNING)
        self.opened = AsyncExitStack()
        self.context: Context = self.runner.run(self._open(postgres))

    async def _open(self, postgres: TestServer) -> Context:
        database: TestDatabase = postgres.prepare(service)
        await database.migrate()
        chosen = service.settings(
            environment="test", database_url=database.address, identity_secret=IDENTITY_SECRET, oidc_issuer=ISSUER,
            oidc_jwks_url=jwks_address(),
        )  # fmt: skip
        self.watch = await asyncpg.connect(database.owner_address)
        self.opened.push_async_callback(self.watch.close)
        return await self.opened.enter_async_context(open_context(service, chosen, part="test", clock=self.clock))

    def close(self) -> None:
        self.runner.run(self.opened.aclose())
        self.runner.close()

    def play(self, history: Sequence[tuple[Sequence[Deed], Sequence[int]]]) -> list[str]:
        """Play a history; tells which limits were broken."""
        return self.runner.run(self._play(history))

    async def _play(self, history: Sequence[tuple[Sequence[Deed], Sequence[int]]]) -> list[str]:
        self.clock.time = BEGINNING
        journeys = sorted(uuid4() for _ in range(3))
        async with self.context.pool.acquire() as connection:
            await connection.execute("; ".join(f"DELETE FROM {table}" for table in TABLES))
            await links.record_merge(
                connection, link_id=uuid4(), a=journeys[0], b=journeys[1], made_at=self.clock.now()
            )
        known: list[Goodwill] = []
        for together, order in history:
            works = [self._work(deed, journeys, [one.goodwill_id for one in known]) for deed in together]
            await interleave(works, order, watch=self.watch)
            known, told = await self._known(journeys)
            if broken := violations(known, journeys) + unbalanced(known, told):
                return broken
            self.clock.advance(timedelta(days=3))
        return []

    async def _known(self, journeys: Sequence[UUID]) -> tuple[list[Goodwill], list[tuple[str, dict[str, Any]]]]:
        async with begin(self.context) as tx:
            known = await goodwills.list_goodwills(tx, journey_ids=journeys, limit=500)
            told = await tx.fetch("SELECT type, payload FROM outbox WHERE type LIKE 'complaints.goodwill%'")
            return known, [(row["type"].split(".")[1], json.loads(row["payload"])) for row in told]

    def _work(self, deed: Deed, journeys: Sequence[UUID], known: Sequence[UUID]) -> Callable[[], Awaitable[None]]:
        async def work() -> None:
            try:
                async with begin(self.context) as tx:
                    await self._do(tx, deed, journeys, known)
            except (Problem, asyncpg.SerializationError):
                pass  # a refusal is an outcome, and whoever meets a merge tries again

        return work

    async def _do(self, tx: Transaction, deed: Deed, journeys: Sequence[UUID], known: Sequence[UUID]) -> None:
        by = PEOPLE[deed.who]
        if deed.verb == "propose":
            await actions.propose(tx, proposed(journeys[deed.nth % 3], by, deed.worth))
            return
        if not known:
            return
        goodwill_id = known[deed.nth % len(known)]
        match deed.verb:
            case "approve":
                await actions.approve(tx, goodwill_id=goodwill_id, by=by, amount=None, expected=ANY_VERSION)
            case "decline":
                await actions.decline(tx, goodwill_id=goodwill_id, by=by, reason="abuse", expected=ANY_VERSION)
            case "issue":
                await actions.issue(tx, goodwill_id=goodwill_id, kind=None, expected=ANY_VERSION)
            case "redeem":
                code = (await goodwills.get_goodwill(tx, goodwill_id=goodwill_id)).code
                await actions.redeem(
                    tx, code=code or "NONE", order_reference=f"A-{deed.who}", amount=500 * (1 + deed.who), by="shop"
                )
            case "withdraw":
                await actions.withdraw(tx, goodwill_id=goodwill_id, reason="abuse", by=by.subject, expected=ANY_VERSION)
            case "lapse":
                await actions.let_lapse(tx, goodwill_id=goodwill_id)


def proposed(journey_id: UUID, by: Person, worth: int) -> Proposal:
    return Proposal(
        proposal_id=uuid4(), journey_id=journey_id, case_id=uuid4(), kind=GoodwillKind.VOUCHER, currency="EUR",
        product_value=worth, severity=3, failures=1, reason="late_delivery", by=by,
    )  # fmt: skip


def violations(found: Sequence[Goodwill], journeys: Sequence[UUID]) -> list[str]:
    """Which limits these goodwills break. All of a history lie within one window; months are those of the decision."""
    rules, broken = POLICY.currencies["EUR"], []
    competence = {one.subject: POLICY.competence("EUR", one.roles, one.tier) for one in PEOPLE}
    most = {one.subject: POLICY.most_per_month("EUR", one.roles, one.tier) for one in PEOPLE}
    together: defaultdict[tuple[str, str], list[tuple[datetime, int]]] = defaultdict(list)
    person = {journeys[0]: "one", journeys[1]: "one", journeys[2]: "other"}
    months: Counter[str] = Counter()
    agents: Counter[tuple[str, str]] = Counter()
    people: defaultdict[str, list[int]] = defaultdict(list)
    for one in found:
        if one.state in {State.APPROVED, State.ISSUED, State.REDEEMED}:
            assert one.decided_by is not None
            if one.amount > competence[one.decided_by]:
                broken.append("competence")
            if one.decision.outcome is Outcome.WAITS_FOR_APPROVAL and one.decided_by == one.proposal.by.subject:
                broken.append("own proposal")
        if one.taken > one.amount:
            broken.append("taken")
        if one.counts and one.decided_at is not None and one.decided_by is not None:
            month = f"{one.decided_at:%Y-%m}"
            months[month] += one.counts
            agents[month, one.decided_by] += one.counts
            people[person[one.proposal.journey_id]].append(one.counts)
            together[person[one.proposal.journey_id], one.decided_by].append((one.decided_at, one.counts))
    broken += ["budget" for spent in months.values() if spent > rules.budget_per_month]
    broken += ["agent's month" for (_, who), spent in agents.items() if spent > most[who]]
    days = timedelta(days=POLICY.customer.together_days)
    for (_, who), gifts in together.items():
        sums = [sum(amount for at, amount in gifts if end - days < at <= end) for end, _ in gifts]
        broken += ["competence in parts" for spent in sums if spent > competence[who]]
    for amounts in people.values():
        broken += ["acquisition cost"] if sum(amounts) >= rules.cost_of_winning(None) else []
        broken += ["customer's amount"] if sum(amounts) > rules.most_for_customer else []
        broken += ["customer's times"] if len(amounts) > POLICY.customer.most_times else []
    return broken


def unbalanced(found: Sequence[Goodwill], told: Sequence[tuple[str, dict[str, Any]]]) -> list[str]:
    """Where issued is not redeemed + expired + withdrawn + open, goodwill by goodwill, as other services heard it."""
    heard: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for fact, event in told:
        if fact == "goodwill_expired" and event["was_issued"]:
            heard[event["goodwill_id"]]["expired"] += event["left"]["amount"]
        elif fact == "goodwill_withdrawn" and event["was_issued"]:
            heard[event["goodwill_id"]]["withdrawn"] += event["amount"]["amount"]
        elif fact in {"goodwill_issued", "goodwill_redeemed"}:
            heard[event["goodwill_id"]][fact.removeprefix("goodwill_")] += event["amount"]["amount"]
    broken = []
    for one in found:
        books = heard[str(one.goodwill_id)]
        still_open = one.left if one.state is State.ISSUED else 0
        if books["issued"] != books["redeemed"] + books["expired"] + books["withdrawn"] + still_open:
            broken.append("books")
        if books["redeemed"] != one.taken or books["issued"] != (one.amount if one.issued_at else 0):
            broken.append("told otherwise")
    return broken


@pytest.fixture
def stage(postgres: TestServer, turns: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(actions, "policy_in_force", lambda: POLICY)
    stage = Stage(postgres)
    yield stage
    stage.close()


@pytest.mark.timeout(0 if LONG else 300)
def test_no_history_goes_beyond_a_limit_at_any_interleaving(stage: Stage) -> None:
    @settings(
        max_examples=HISTORIES, derandomize=not LONG, database=None, deadline=None,
        phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(histories)
    def play(history: Sequence[tuple[Sequence[Deed], Sequence[int]]]) -> None:
        assert stage.play(history) == []

    play()


# Rules that are taken away: the same plays must find it ---------------------------------------------------------------
def same_moment(*verbs: tuple[str, int, int, int]) -> list[tuple[list[Deed], list[int]]]:
    """Several deeds in one round, their statements taking turns."""
    return [([Deed(*one) for one in verbs], [n % len(verbs) for n in range(60)])]


def test_without_the_pot_two_decisions_exceed_the_budget(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    give = [([Deed("propose", 2, 2, 8000)], []), ([Deed("propose", 3, 0, 10_000)], [])]
    both = same_moment(("propose", 1, 2, 10_000), ("propose", 2, 0, 10_000))
    assert stage.play([*give, *both]) == []
    monkeypatch.setattr(actions, "pot_of", lambda _currency: f"goodwill/{uuid4()}")
    assert "budget" in stage.play([*give, *both])


def test_without_the_persons_lock_two_journeys_exceed_the_customers_limits(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = same_moment(("propose", 1, 0, 12_500), ("propose", 2, 1, 12_500))
    assert stage.play(both) == []

    async def lock_journey(tx: Transaction, *journey_ids: UUID, also: Sequence[str] = ()) -> None:
        await tx.lock(*journey_ids)
        await tx.lock(*(f"{key}/{uuid4()}" for key in also))

    monkeypatch.setattr(Transaction, "lock_person", lock_journey)
    assert "acquisition cost" in stage.play(both)


def test_two_approvals_at_the_same_moment_stay_within_the_budget(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    # Anna may not give 20 euros, so both wait; 35 of 60 euros are given meanwhile.
    wait = [([Deed("propose", 0, 2, 10_000)], []), ([Deed("propose", 0, 0, 10_000)], [])]
    give = [([Deed("propose", 2, 2, 8000)], []), ([Deed("propose", 3, 0, 10_000)], [])]
    both = same_moment(("approve", 1, 0, 0), ("approve", 2, 1, 0))
    assert stage.play([*wait, *give, *both]) == []
    monkeypatch.setattr(actions, "pot_of", lambda _currency: f"goodwill/{uuid4()}")
    assert "budget" in stage.play([*wait, *give, *both])
