"""The embedded stack: the real PostgreSQL and the real Kafka on one machine, and the services on top of them."""

from anliegen.stack.databases import drop_database, package_name, prepare_database, prepare_databases
from anliegen.stack.errors import StackError
from anliegen.stack.home import Home, Secrets
from anliegen.stack.postgres import PostgresServer, start_postgres
from anliegen.stack.throwaway import throwaway_postgres

__all__ = [
    "Home",
    "PostgresServer",
    "Secrets",
    "StackError",
    "drop_database",
    "package_name",
    "prepare_database",
    "prepare_databases",
    "start_postgres",
    "throwaway_postgres",
]
