"""The door's transaction: `Tx`. It is committed before the caller hears "done", and rolled back by any exception."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request

from ..database import is_passing
from ..errors import Unavailable
from ..telemetry import logs
from ..transaction import Transaction, begin
from .doors import doors_of
from .scope import IDEMPOTENCY, PRINCIPAL


class OutcomeUnknown(Unavailable):
    """The database went away while the change was being stored: it may have taken effect or not. Repeat the request
    with the same Idempotency-Key, or read again before you decide."""


async def open_transaction(request: Request) -> AsyncIterator[Transaction]:
    """Open a transaction that carries the caller and, on a repeatable route, claims the `Idempotency-Key`."""
    scope = request.scope
    ended = False
    try:
        async with begin(doors_of(scope).running, principal=scope.get(PRINCIPAL), late=True) as tx:
            call = scope.get(IDEMPOTENCY)
            if call is not None:
                await call.claim(tx)
            yield tx
            ended = True
            if tx.correlation is not None:
                # What is logged of this request from here on can be found with all that follows from it.
                logs.bind(correlation_id=tx.correlation)
    except Exception as problem:
        if ended and is_passing(problem):
            raise OutcomeUnknown from problem
        raise


# FastAPI closes a plain `yield` dependency after the response was sent; "function" closes it before.
Tx = Annotated[Transaction, Depends(open_transaction, scope="function")]
"""An open transaction, for every route that touches the database."""
