"""Billing inquiry, put together."""

from anliegen.kit import Service

from . import api, gauges, handlers
from .agreements import api as agreements_api
from .dunning import api as dunning_api
from .money import api as money_api
from .payment_methods import api as payment_methods_api
from .refunds import api as refunds_api

service = Service(
    name="billing-inquiry",
    title="Billing inquiry",
    description="Questions on invoices, reminders and payments, answered and followed until they are settled.",
    routers=(
        api.router,
        money_api.router,
        dunning_api.router,
        agreements_api.router,
        payment_methods_api.router,
        refunds_api.router,
    ),
    handlers=handlers.handlers,
    timers=handlers.timers,
    measures=(gauges.measure_inquiries, gauges.measure_base_rates),
)
