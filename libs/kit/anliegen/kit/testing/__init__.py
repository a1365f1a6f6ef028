"""What tests of a service need: a real database, the two doors, a clock that is moved, topics in any order."""

from .deliveries import Announced, announced, interleavings

__all__ = ["Announced", "announced", "interleavings"]
