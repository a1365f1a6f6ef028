"""What the AsyncAPI document promises to partners is what intake takes."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from anliegen.events.partners import partner_classes
from anliegen.intake.domain.partners import EventRefused, Partner, check
from anliegen.intake.partners.bindings import STRUCTURED, read_record
from anliegen.intake.partners.cloudevents import CloudEvent

DOCUMENT = json.loads((Path(__file__).resolve().parents[3] / "docs" / "asyncapi.json").read_text("utf-8"))
MESSAGES = [name.rpartition("/")[2] for name in DOCUMENT["channels"]["anliegen.partner"]["messages"]]
ERP = Partner(sources=frozenset({"urn:example:erp"}), types=frozenset({"*"}))
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
RECORD = "partner.customer_record_changed.v1"


@pytest.mark.parametrize("name", MESSAGES)
def test_every_example_of_the_document_is_taken(name: str) -> None:
    message = DOCUMENT["components"]["messages"][name]
    [example] = message["examples"]
    headers = [(header, value.encode()) for header, value in example["headers"].items()]
    told = check("erp", ERP, read_record(headers, json.dumps(example["payload"]).encode()), now=NOW)
    assert told.type == message["name"] in partner_classes()
    assert told.data == (example["payload"]["data"] if message["contentType"] == STRUCTURED else example["payload"])


@pytest.mark.parametrize(
    "data",
    [
        {"customer_number": "CH-4711 02"},
        {"customer_number": "1", "something newer": [1], "journey_id": "ours"},
        {"customer_number": " . ".join("1234567890" * 4)},
        {"customer_number": "1", "language": "de", "name": "x" * 200},
        {},
        [],
        {"customer_number": 1},
        {"customer_number": "1", "name": "x" * 201},
        {"customer_number": "1", "language": "deu"},
        {"customer_number": "1", "email": ["anna@post.example"]},
    ],
)
def test_data_is_taken_where_the_document_says_so_and_nowhere_else(data: Any) -> None:
    schema = {"$ref": f"#/components/schemas/{RECORD}", "components": DOCUMENT["components"]}
    promised = Draft7Validator(schema).is_valid(data)
    event = CloudEvent(id="1", source="urn:example:erp", type=RECORD, time=None, data=data)
    try:
        check("erp", ERP, event, now=NOW)
    except EventRefused:
        assert not promised
    else:
        assert promised
