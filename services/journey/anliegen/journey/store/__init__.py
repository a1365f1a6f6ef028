"""SQL of the journey: the events as they came, and the read models that are computed from them."""

from . import events, models

__all__ = ["events", "models"]
