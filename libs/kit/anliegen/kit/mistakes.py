"""What the author of a service did wrong: it is found by the first test that comes there, and nothing is committed."""


class KeyNotLocked(RuntimeError):
    """An event was published under a key that is not locked: call `tx.lock` before reading what you decide on."""


class LockOrderBroken(RuntimeError):
    """Keys are locked in one go or in rising order: lock all that a command needs in one call of `tx.lock`."""


class ProjectionPublishes(RuntimeError):
    """A projection cannot publish: it may be run again from any position."""


class CauseMissing(RuntimeError):
    """A handler of lists says for each event which delivery caused it: `tx.publish(event, cause=delivery.envelope)`.

    Without the cause the event would get another id at every repetition.
    """


class NotBegun(RuntimeError):
    """The transaction begins with its first lock or statement: call `await tx.start()` to have its connection."""


class EventLost(RuntimeError):
    """The outbox took fewer events than were announced, so nothing is committed."""
