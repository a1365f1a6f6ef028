"""Log lines are JSON, name their trace and their event, and say nothing of people."""

import json
import logging

import asyncpg
import pytest
import structlog
from pydantic import BaseModel

from anliegen.kit.errors import NotFound
from anliegen.kit.telemetry import logs, traces
from anliegen.kit.telemetry.redaction import MASK, mask, message_of, traceback_of

CANARY = "anna.muster+claims@example.org"


@pytest.fixture
def lines(capsys):
    """The lines that were written, read back; logging is as it was afterwards."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, structlog.get_config())
    levels = {name: logging.getLogger(name).level for name in logs._QUIET}
    logs.setup("DEBUG")

    def read() -> list[dict]:
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    yield read
    logging.captureWarnings(False)
    root.handlers[:], _ = before[0], root.setLevel(before[1])
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    structlog.configure(**before[2])


def test_a_line_has_everything_to_find_it_again(lines):
    logs.know_version("helpdesk", "1.2.3")
    span = traces.tracing.tracer("helpdesk").start_span("x")
    with traces.active(span), logs.fields(service="helpdesk", event_id="e", correlation_id="c"):
        structlog.get_logger().info("question_opened", case_id="7", count=3)
    (line,) = lines()
    assert line["time"].endswith("Z")
    del line["time"]
    context = span.get_span_context()
    assert line == {
        "level": "info",
        "event": "question_opened",
        "service": "helpdesk",
        "version": "1.2.3",
        "trace_id": f"{context.trace_id:032x}",
        "span_id": f"{context.span_id:016x}",
        "event_id": "e",
        "correlation_id": "c",
        "case_id": "7",
        "count": 3,
    }


def test_fields_end_with_their_block(lines):
    with logs.fields(event_id="e"):
        pass
    structlog.get_logger().info("after")
    assert "event_id" not in lines()[0]


def test_the_standard_library_comes_out_the_same_way(lines):
    logging.getLogger("uvicorn.error").warning("mail from %s", CANARY)
    logging.getLogger("aiokafka").warning("not worth a line")
    logging.getLogger("asyncio").error("task", exc_info=ValueError("x"))
    first, second = lines()
    assert (first["level"], first["event"], first["logger"]) == ("warning", f"mail from {MASK}", "uvicorn.error")
    assert second["exception"][0]["type"] == "ValueError"


def test_lower_levels_stay_silent(lines):
    logs.setup("WARNING")
    structlog.get_logger().info("quiet")
    structlog.get_logger().error("loud")
    assert [line["event"] for line in lines()] == ["loud"]


def test_people_are_masked_wherever_they_stand(lines):
    class Body(BaseModel):
        amount: int

    log = structlog.get_logger()
    log.info("a", text="I am Anna", email="x", body={"a": 1}, token="t", values={"answer": "x"})
    log.info("b", error=f"cannot send to {CANARY}", details={"to": CANARY, "phone": "1"}, all=[CANARY, ("x", CANARY)])
    log.info(f"c {CANARY}")
    log.info("d", error=ValueError(CANARY), model=object())
    for problem in (ValueError(f"no {CANARY}"), RuntimeError(f"call +49 151 23456789 or {CANARY}")):
        try:
            raise problem
        except Exception:
            log.exception("e")
    try:
        Body.model_validate({"amount": CANARY})
    except ValueError:
        log.exception("f")
    text = json.dumps(found := lines())
    for word in (CANARY, "example.org", "Anna", "23456789"):
        assert word not in text
    assert found[0]["text"] == found[0]["email"] == found[0]["body"] == found[0]["token"] == MASK
    assert found[6]["exception"][0]["message"] == "amount: int_parsing"


@pytest.mark.parametrize(
    "text",
    [
        "anna@example.org", "a.b+c@sub.example.co.uk", "+49 151 23456789", "+4915123456789", "0049 89 123456",
        "089/1234567", "(089) 123 456 78", "0151-23456789", "+41 (0) 44 123 45 67", "DE89 3704 0044 0532 0130 00",
        "DE89370400440532013000", "Bearer abc.def-ghi", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln",
        "postgresql://user:geheim@host/db",
    ],
)  # fmt: skip
def test_what_is_masked(text: str):
    masked = mask(f"before {text} after")
    assert MASK in masked
    for piece in ("anna", "example", "2345", "0532", "abc.def", "eyJ", "geheim"):
        assert piece not in masked


@pytest.mark.parametrize(
    "text",
    [
        "0b9f6d5e-6d1c-8b1e-9a53-6f2d3c1b7a10", "01920000-1234-7000-8000-000000000000", "2026-11-22T13:05:00.123Z",
        "127.0.0.1:8400", "took 1234567 ms", "offset 0", "partition 12 of 24",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "version 0.9.1", "40001", "helpdesk.question_opened.v1", "20260302 backlog 123456789",
    ],
)  # fmt: skip
def test_what_is_left_alone(text: str):
    assert mask(text) == text


def test_messages_of_exceptions_say_no_values():
    duplicate = asyncpg.UniqueViolationError(f"duplicate key\nDETAIL: Key (mail)=({CANARY}) exists")
    duplicate.table_name, duplicate.constraint_name = "handles", "handles_pkey"
    assert message_of(duplicate) == "23505 handles handles_pkey"
    assert message_of(asyncpg.DataError("invalid input for query argument $1: 'Anna'")) == "22000"
    assert message_of(asyncpg.DeadlockDetectedError("deadlock detected")) == "40P01 deadlock detected"
    assert message_of(KeyError("Anna Muster")) == "'…'"
    assert message_of(ValueError("invalid literal: 'Anna'")) == "invalid literal: '…'"
    assert message_of(UnicodeDecodeError("utf-8", b"Anna\xff", 4, 5, "bad")) == ""
    assert message_of(AttributeError("'NoneType' object has no attribute 'x'")).endswith("attribute 'x'")
    assert message_of(NotFound()) == "There is nothing here, or it is not yours to see."


def test_a_traceback_names_causes_and_places():
    try:
        try:
            raise KeyError("Anna")
        except KeyError as cause:
            raise RuntimeError("outer") from cause
    except RuntimeError as problem:
        first, second = traceback_of(problem)
    assert (first["type"], first["message"]) == ("RuntimeError", "outer")
    assert (second["type"], second["message"]) == ("KeyError", "'…'")
    assert first["frames"][0].endswith("test_a_traceback_names_causes_and_places")
    group = ExceptionGroup("many", [ValueError("x"), TypeError("y")])
    assert [one["type"] for one in traceback_of(group)] == ["ExceptionGroup", "ValueError", "TypeError"]


def test_a_long_text_is_cut():
    assert len(mask("a" * 1_000_000)) < 3000
