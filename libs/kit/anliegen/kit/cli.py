"""The command `anliegen`: serve, work and migrate; other packages add their own commands by entry point."""

import asyncio
import contextlib
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from .service import Service

COMMANDS = "anliegen.commands"

_services = click.argument("names", nargs=-1, metavar="[SERVICE]…", envvar="ANLIEGEN_SERVICES")
_all = click.option("--all", "everything", is_flag=True, help="Every installed service.")


class Commands(click.Group):
    """The kit's own commands, and those of other packages, which are loaded only when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._others()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        # A worker that only works need not load the embedded stack.
        return super().get_command(ctx, cmd_name) or self._others().get(cmd_name)

    @staticmethod
    def _others() -> dict[str, click.Command]:
        return {str(c.name): c for entry in entry_points(group=COMMANDS) for c in entry.load()}


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Anliegen: an event-driven customer-service backend."""


def _chosen(names: tuple[str, ...], everything: bool) -> "list[Service]":
    from . import collector
    from .service import UnknownService, all_services, load_service

    if everything == bool(names):
        raise click.UsageError(f"Name services, or say --all. Installed: {', '.join(all_services())}.")
    known = all_services()
    for name in names:
        if name not in known:
            raise click.UsageError(f"{UnknownService.__doc__} Asked for {name!r}, installed: {', '.join(known)}.")
    loaded = [load_service(name) for name in (known if everything else names)]
    collector.settle()
    return loaded


@main.command()
def services() -> None:
    """List the installed services."""
    from .service import all_services

    for name in all_services():
        click.echo(name)


@main.command()
@_services
@_all
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 in a container.")
@click.option("--port", default=8400, show_default=True, type=int)
@click.option("--share-port", is_flag=True, help="Several processes at one port, to use more cores than one.")
def serve(names: tuple[str, ...], everything: bool, host: str, port: int, share_port: bool) -> None:
    """Serve the HTTP interface of one service, or of several in one process."""
    from .http.server import serve_services

    serve_services(_chosen(names, everything), host=host, port=port, share_port=share_port)


@main.command()
@_services
@_all
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 in a container.")
@click.option("--port", default=0, type=int, help="Where to serve health and metrics; 0 for nowhere.")
def work(names: tuple[str, ...], everything: bool, host: str, port: int) -> None:
    """Run the workers of one service, or of several in one process: consumer, relay, retry, timers."""
    from .telemetry.start import start_telemetry
    from .worker import work as run

    chosen = _chosen(names, everything)
    start_telemetry(chosen, part="work")
    _run(run(chosen, metrics_host=host, metrics_port=port))


@main.command()
@_services
@_all
def migrate(names: tuple[str, ...], everything: bool) -> None:
    """Bring the databases of services up to date."""
    from .migrate import migrate as run
    from .settings import load
    from .telemetry.logs import setup

    setup("WARNING")
    for service in _chosen(names, everything):
        asyncio.run(run(service, load(service.settings, service.package)))
        click.echo(f"{service.name}: up to date")


def _run(coroutine: "object") -> None:
    import uvloop

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(coroutine)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
