"""Finishes what a process left behind between keeping bytes and understanding them."""

import asyncio
from datetime import timedelta

from anliegen.kit import Context, begin

from . import processing
from .store import vault

EVERY_SECONDS = 30.0
LEFT_BEHIND_AFTER = timedelta(minutes=1)
AT_ONCE = 50


async def run(context: Context) -> None:
    """Look every half minute, for as long as the worker lives."""
    while True:
        await sweep(context)
        await asyncio.sleep(EVERY_SECONDS)


async def sweep(context: Context) -> int:
    """Process what was left behind; tells how many entries."""
    async with begin(context) as tx:
        left = await vault.list_left_behind(tx, before=tx.now - LEFT_BEHIND_AFTER, limit=AT_ONCE)
    for vault_id in left:
        await processing.process(context, vault_id)
    return len(left)
