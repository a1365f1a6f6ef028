"""SQL of what counts against the limits, and of what became of goodwills."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from anliegen.kit import Transaction

from ..domain import Answer, Sign
from ..limits import Given

_COUNTS = """
    CASE WHEN state IN ('approved', 'issued', 'redeemed') THEN amount
         WHEN state IN ('expired', 'withdrawn') THEN taken ELSE 0 END
"""
"""What a goodwill takes from budget and limits, as `Goodwill.counts` says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redemption:
    """What one order redeemed, in minor units."""

    goodwill_id: UUID
    order_reference: str
    amount: int
    redeemed_by: str
    redeemed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """One line of a month's report: what was decided of one kind for one reason, and what of it counts."""

    kind: str
    reason: str
    decided: int
    waiting: int
    declined: int
    amount: int
    redeemed: int


# What is not to be decided any more ---------------------------------------------------------------------------------
async def insert_withdrawn_proposal(
    tx: Transaction, *, proposal_id: UUID, journey_id: UUID, reason: str, by: str, at: datetime
) -> None:
    """Remember that a proposal was withdrawn, whether or not it is known."""
    await tx.execute(
        """
        INSERT INTO withdrawn_proposals (proposal_id, journey_id, reason, withdrawn_by, withdrawn_at)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
        """,
        proposal_id, journey_id, reason, by, at,
    )  # fmt: skip


async def has_withdrawn_proposal(tx: Transaction, *, proposal_id: UUID) -> bool:
    """Whether this proposal was withdrawn."""
    found: bool = await tx.fetchval(
        "SELECT EXISTS (SELECT FROM withdrawn_proposals WHERE proposal_id = $1)", proposal_id
    )
    return found


# What counts ----------------------------------------------------------------------------------------------------------
async def get_given(
    tx: Transaction, *, journey_ids: Sequence[UUID], currency: str, decider: str, since: datetime, together: datetime,
    month: datetime,
) -> Given:  # fmt: skip
    """What counts already: to this person since then, by the decider to this person since `together`, and from the
    beginning of the month on by the decider and by all.

    Amounts are those of the currency, times those of all.
    """
    person = await tx.fetchrow(
        f"""
        SELECT count(*) FILTER (WHERE {_COUNTS} > 0) AS times,
               coalesce(sum({_COUNTS}) FILTER (WHERE currency = $2), 0)::bigint AS amount,
               coalesce(sum({_COUNTS}) FILTER (WHERE currency = $2 AND decided_by = $4 AND decided_at > $5), 0)::bigint
                   AS together
        FROM goodwills WHERE journey_id = ANY ($1::uuid[]) AND decided_at > $3
        """,
        journey_ids, currency, since, decider, together,
    )  # fmt: skip
    months = await tx.fetchrow(
        f"""
        SELECT coalesce(sum({_COUNTS}), 0)::bigint AS budget,
               coalesce(sum({_COUNTS}) FILTER (WHERE decided_by = $2), 0)::bigint AS agent
        FROM goodwills WHERE currency = $1 AND decided_at >= $3
        """,
        currency, decider, month,
    )  # fmt: skip
    assert person is not None and months is not None
    return Given(
        customer_times=person["times"],
        customer_amount=person["amount"],
        together=person["together"],
        agent_month=months["agent"],
        budget=months["budget"],
    )


async def list_spent(tx: Transaction, *, currency: str, since: datetime, until: datetime) -> list[Spent]:
    """What was proposed and decided between these times in this currency, by kind and reason."""
    rows = await tx.fetch(
        f"""
        SELECT kind, reason, count(*) FILTER (WHERE state NOT IN ('waiting_for_approval', 'declined')) AS decided,
               count(*) FILTER (WHERE state = 'waiting_for_approval') AS waiting,
               count(*) FILTER (WHERE state = 'declined') AS declined,
               sum({_COUNTS})::bigint AS amount, sum(taken)::bigint AS redeemed
        FROM goodwills WHERE currency = $1 AND coalesce(decided_at, proposed_at) >= $2
          AND coalesce(decided_at, proposed_at) < $3
        GROUP BY kind, reason ORDER BY kind, reason
        """,
        currency, since, until,
    )  # fmt: skip
    return [Spent(**row) for row in rows]


async def list_effects(
    tx: Transaction, *, currency: str, since: datetime, until: datetime
) -> dict[tuple[Answer, Answer], int]:
    """How often which effect was measured of what was issued between these times: (kept, bought again) → number."""
    rows = await tx.fetch(
        """
        SELECT kept, bought_again, count(*) AS times FROM goodwills
        WHERE measured_at IS NOT NULL AND currency = $1 AND issued_at >= $2 AND issued_at < $3
        GROUP BY kept, bought_again
        """,
        currency, since, until,
    )  # fmt: skip
    return {(Answer(row["kept"]), Answer(row["bought_again"])): row["times"] for row in rows}


# Redemptions and signs ------------------------------------------------------------------------------------------------
async def insert_redemption(tx: Transaction, redemption: Redemption) -> None:
    """Record what an order redeemed."""
    await tx.execute(
        """
        INSERT INTO goodwill_redemptions (goodwill_id, order_reference, amount, redeemed_by, redeemed_at)
        VALUES ($1, $2, $3, $4, $5)
        """,
        redemption.goodwill_id, redemption.order_reference, redemption.amount, redemption.redeemed_by,
        redemption.redeemed_at,
    )  # fmt: skip


async def list_redemptions(tx: Transaction, *, goodwill_id: UUID) -> list[Redemption]:
    """What was redeemed of a goodwill, the first first."""
    rows = await tx.fetch(
        """
        SELECT goodwill_id, order_reference, amount, redeemed_by, redeemed_at FROM goodwill_redemptions
        WHERE goodwill_id = $1 ORDER BY redeemed_at, order_reference
        """,
        goodwill_id,
    )
    return [Redemption(**row) for row in rows]


async def insert_failures(tx: Transaction, *, failures: Sequence[tuple[UUID, UUID, datetime]]) -> None:
    """Remember what went wrong (failure, journey, when); the same failure again changes nothing."""
    if not failures:
        return
    failure_ids, journey_ids, times = zip(*sorted(failures), strict=True)
    await tx.execute(
        """
        INSERT INTO goodwill_failures (failure_id, journey_id, occurred_at)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) ON CONFLICT DO NOTHING
        """,
        failure_ids, journey_ids, times,
    )  # fmt: skip


async def count_failures(tx: Transaction, *, journey_ids: Sequence[UUID], since: datetime) -> int:
    """What this person suffered since then."""
    suffered: int = await tx.fetchval(
        "SELECT count(*) FROM goodwill_failures WHERE journey_id = ANY ($1::uuid[]) AND occurred_at > $2",
        journey_ids, since,
    )  # fmt: skip
    return suffered


async def insert_signs(tx: Transaction, *, sign: Sign, seen: Collection[tuple[UUID, datetime]]) -> None:
    """Remember a sign of these journeys at these times; the same one again changes nothing."""
    if not seen:
        return
    journey_ids, times = zip(*sorted(seen), strict=True)
    await tx.execute(
        """
        INSERT INTO goodwill_signs (journey_id, sign, seen_at)
        SELECT journey_id, $1, seen_at FROM unnest($2::uuid[], $3::timestamptz[]) AS seen (journey_id, seen_at)
        ON CONFLICT DO NOTHING
        """,
        sign, journey_ids, times,
    )  # fmt: skip


async def list_signs(
    tx: Transaction, *, journey_ids: Sequence[UUID], after: datetime, until: datetime
) -> tuple[frozenset[Sign], bool]:
    """What was seen of this person after one time and until another, and whether their purchases are seen at all."""
    rows = await tx.fetch(
        """
        SELECT DISTINCT sign, seen_at > $2 AND seen_at <= $3 AS within FROM goodwill_signs
        WHERE journey_id = ANY ($1::uuid[])
        """,
        journey_ids, after, until,
    )  # fmt: skip
    within = frozenset(Sign(row["sign"]) for row in rows if row["within"])
    return within, any(row["sign"] == Sign.PURCHASE for row in rows)
