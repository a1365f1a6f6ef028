"""YAML in blocks: the few shapes that Kubernetes resources have, and no library for them."""

import json
import re
from collections.abc import Iterator
from typing import Any

NOTE = "# Written by make docs (scripts/deploy.py) from the code. Do not edit.\n"
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 ./_-]*")
WORDS_OF_YAML = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def documents(resources: list[Any]) -> str:
    """As YAML, one document each."""
    return NOTE + "---\n".join("".join(f"{line}\n" for line in _lines(resource)) for resource in resources)


def _lines(value: Any, indent: str = "") -> Iterator[str]:
    pairs = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    for name, inner in pairs:
        start = f"{indent}- " if name is None else f"{indent}{_scalar(name)}:"
        if isinstance(inner, dict | list) and inner:
            lines = list(_lines(inner, f"{indent}  "))
            if name is None:
                yield start + lines[0].lstrip()
                yield from lines[1:]
            else:
                yield start
                yield from lines
        else:
            yield f"{start.rstrip()} {_scalar(inner)}"


def _scalar(value: Any) -> str:
    if (
        isinstance(value, str)
        and PLAIN.fullmatch(value)
        and value.lower() not in WORDS_OF_YAML
        and value == value.strip()
    ):
        return value
    # What JSON quotes, YAML reads alike.
    return json.dumps(value, ensure_ascii=False)
