"""`anliegen journey …`: what an operator does to the journey."""

import asyncio

import click


@click.group()
def journey() -> None:
    """Look after the journey's read models."""


@journey.command()
def rebuild() -> None:
    """Compute every read model again from the stored events; new events wait meanwhile."""
    click.echo(f"journey: computed again from {asyncio.run(_rebuild())} events")


async def _rebuild() -> int:
    # Loaded here, since every `anliegen` command looks at all commands there are.
    from anliegen.kit import begin
    from anliegen.kit.service import open_context
    from anliegen.kit.settings import load

    from . import actions
    from .main import service

    settings = load(service.settings, service.package)
    async with open_context(service, settings, part="rebuild") as context, begin(context) as tx:
        return await actions.rebuild(tx)


commands = [journey]
