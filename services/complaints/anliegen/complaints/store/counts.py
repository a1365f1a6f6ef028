"""What is counted for dashboards."""

from anliegen.events import PromiseState
from anliegen.kit import Transaction

from ..states import WAITING_FOR_US, State


async def count_unsettled(tx: Transaction) -> tuple[dict[State, int], int]:
    """How many complaints of each state are not settled, and how many wait for longer than was promised."""
    rows = await tx.fetch(
        """
        SELECT state, count(*) AS total, count(*) FILTER (WHERE promise_state = $1) AS broken
        FROM complaints WHERE settled_at IS NULL GROUP BY state
        """,
        PromiseState.BROKEN,
    )
    overdue = sum(row["broken"] for row in rows if State(row["state"]) in WAITING_FOR_US)
    return {State(row["state"]): row["total"] for row in rows}, overdue
