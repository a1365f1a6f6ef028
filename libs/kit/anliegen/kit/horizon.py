"""How far the relay may pass over the outbox without passing over what is not committed yet (decision 0011)."""


class Horizon:
    """Up to which number no transaction can still add a row, so that the search for the oldest may begin behind it.

    Numbers are drawn before they are committed. A row that is passed over because its transaction was slow would be
    overtaken by the next event of its key, so nothing is passed over before every transaction that was open when a
    number was seen has ended. A transaction that stays open for long makes the search longer, and holds up no event.
    """

    def __init__(self) -> None:
        self.low = 0
        self._seen = 0
        self._next_xid: int | None = None

    def look(self, *, last: int, oldest_xid: int, next_xid: int) -> None:
        """A snapshot with `oldest_xid` as the oldest open transaction gave the oldest rows, up to the number `last`.

        Whoever adds a row has locked its stream before, so it has a transaction id when it draws its number.
        """
        if self._next_xid is not None and oldest_xid >= self._next_xid:
            self.low, self._next_xid = min(self._seen, last), None
        if self._next_xid is None:
            self._seen, self._next_xid = last, next_xid
