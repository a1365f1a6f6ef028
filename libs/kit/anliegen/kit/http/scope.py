"""Where the kit keeps its own in the ASGI scope of a request."""

PRINCIPAL = "anliegen.principal"
"""The verified caller."""
IDEMPOTENCY = "anliegen.idempotency"
"""The request's `Idempotency-Key`, read."""
BODY = "anliegen.body"
"""The gauge that counts the body."""
