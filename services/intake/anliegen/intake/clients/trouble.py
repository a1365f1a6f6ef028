"""Why words could not be handed to a channel."""


class SendingFailed(Exception):
    """The channel did not take it. `code` is a stable word for the cause; `lasting`: trying again is useless."""

    def __init__(self, code: str, *, lasting: bool) -> None:
        super().__init__(code)
        self.code = code
        self.lasting = lasting
