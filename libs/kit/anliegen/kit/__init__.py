"""What every service of Anliegen needs and none should write again."""

from . import ids
from .handlers import AnyDelivery, Delivery, Handlers
from .principal import Principal
from .service import Context, Service
from .settings import Settings
from .timers import Timer, Timers
from .transaction import Transaction, begin

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
