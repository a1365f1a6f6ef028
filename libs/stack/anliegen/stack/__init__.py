"""The embedded stack: the real PostgreSQL and the real Kafka on one machine, and the services on top of them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anliegen.stack.databases import drop_database, package_name, prepare_database, prepare_databases
    from anliegen.stack.errors import StackError
    from anliegen.stack.home import Home, Secrets
    from anliegen.stack.kafka import KafkaServer, make_topics, start_kafka
    from anliegen.stack.lifecycle import down, read_stack, reset, running_stack, up
    from anliegen.stack.postgres import PostgresServer, server_at, start_postgres
    from anliegen.stack.stack import Stack
    from anliegen.stack.throwaway import throwaway_postgres

_HOMES = {
    "databases": ("drop_database", "package_name", "prepare_database", "prepare_databases"),
    "errors": ("StackError",),
    "home": ("Home", "Secrets"),
    "kafka": ("KafkaServer", "make_topics", "start_kafka"),
    "lifecycle": ("down", "read_stack", "reset", "running_stack", "up"),
    "postgres": ("PostgresServer", "server_at", "start_postgres"),
    "stack": ("Stack",),
    "throwaway": ("throwaway_postgres",),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Home",
    "KafkaServer",
    "PostgresServer",
    "Secrets",
    "Stack",
    "StackError",
    "down",
    "drop_database",
    "make_topics",
    "package_name",
    "prepare_database",
    "prepare_databases",
    "read_stack",
    "reset",
    "running_stack",
    "server_at",
    "start_kafka",
    "start_postgres",
    "throwaway_postgres",
    "up",
]


def __getattr__(name: str) -> Any:
    # Loaded when first asked for: the small process for everything outside needs neither database nor broker.
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
