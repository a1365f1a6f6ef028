"""Begin the example of an event: a record as it would lie in Kafka, with headers that agree with each other.

`.venv/bin/python scripts/new_example.py lost_property.loss_reported.v1`; then let it tell something that could have
happened.
"""

import argparse
import json
import sys
from dataclasses import replace

from anliegen.events import codec, documentation, registry
from anliegen.events.builders import build, envelope_for


def begun(event_type: str) -> str:
    """The example's text. Raises LookupError where no class has this type."""
    for cls in registry.classes_in("anliegen.events"):
        if cls.event_type == event_type:
            event = build(cls)
            envelope = envelope_for(event)
            envelope = replace(envelope, correlationid=str(envelope.id))
            data = json.loads(codec.encode(event))
            record = {"headers": envelope.attributes(), "key": envelope.key, "data": data}
            return json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    raise LookupError(event_type)


def main() -> int:
    """The command; the exit code is 1 where there is nothing to begin."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("type", help="such as lost_property.loss_reported.v1")
    event_type = parser.parse_args().type
    file = documentation.EXAMPLES / f"{event_type}.json"
    if file.exists():
        print(f"{file.name} is there already.", file=sys.stderr)
        return 1
    try:
        text = begun(event_type)
    except LookupError:
        print(f"No event has the type {event_type}. Is its class exported in __init__.py?", file=sys.stderr)
        return 1
    file.write_text(text, "utf-8")
    print(f"Wrote libs/events/examples/{file.name}. Let it tell something that could have happened, then: make docs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
