"""Files in answers: offered for saving, never for showing within our pages."""

from collections.abc import Mapping
from urllib.parse import quote

from fastapi import Response


def saved(name: str, content: bytes, *, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that a browser saves under this name (RFC 6266), whatever the bytes are."""
    return Response(
        content,
        media_type="application/octet-stream",
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox",
            **(headers or {}),
        },
    )
