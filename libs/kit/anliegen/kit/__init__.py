"""What every service of Anliegen needs and none should write again."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import ids
    from .handlers import AnyDelivery, Delivery, Handlers
    from .principal import Principal
    from .service import Context, Service
    from .settings import Settings
    from .timers import Timer, Timers
    from .transaction import Transaction, begin

_HOMES = {
    "handlers": ("AnyDelivery", "Delivery", "Handlers"),
    "principal": ("Principal",),
    "service": ("Context", "Service"),
    "settings": ("Settings",),
    "timers": ("Timer", "Timers"),
    "transaction": ("Transaction", "begin"),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AnyDelivery",
    "Context",
    "Delivery",
    "Handlers",
    "Principal",
    "Service",
    "Settings",
    "Timer",
    "Timers",
    "Transaction",
    "begin",
    "ids",
]


def __getattr__(name: str) -> Any:
    # Loaded when first asked for: `anliegen status` needs neither FastAPI nor a Kafka client.
    if name == "ids":
        return import_module(f"{__name__}.ids")
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
