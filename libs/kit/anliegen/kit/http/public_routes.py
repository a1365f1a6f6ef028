"""The one list of routes that need no token, with the rate limit of each (per caller's address and process).

A route is public only if it stands here *and* says so itself (`dependencies=[public("…")]`); otherwise its service
does not start. Paths are templates, as in the OpenAPI document.
"""

PUBLIC_ROUTES: dict[str, str] = {
    "POST /intake/v1/contacts": "600/minute",
    "GET /intake/v1/contacts/{contact_id}/status": "120/minute",
    "GET /intake/v1/documents/{reply_id}/{sha256}": "120/minute",
    "GET /intake/v1/contact-options": "120/minute",
    # Providers call from few addresses, and what they bring must not be turned away: their signature protects the door.
    "POST /intake/v1/channels/email/{account}": "60000/minute",
    "GET /intake/v1/channels/whatsapp/{account}": "60/minute",
    "POST /intake/v1/channels/whatsapp/{account}": "60000/minute",
    "OPTIONS /intake/v1/partners/{partner}/events": "60/minute",
}

INFRASTRUCTURE_ROUTES: frozenset[str] = frozenset(
    {
        "/", "/livez", "/readyz", "/startupz", "/metrics", "/openapi.json", "/docs", "/docs/{file}", "/problems/{code}",
    }
)  # fmt: skip
"""Answered by the kit for those who run the product; the edge does not forward health and metrics to the outside."""
