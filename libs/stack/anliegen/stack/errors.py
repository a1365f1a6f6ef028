"""What can go wrong with the embedded stack. Each message says what to do about it."""


class StackError(Exception):
    """The embedded stack could not do what was asked; the message says why and what helps."""
