"""Dead letters and parked keys over HTTP: for administrators alone, each look inside written down."""

import base64
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from anliegen.events import ContactReceived
from anliegen.events.builders import build
from anliegen.kit import Handlers, Service
from anliegen.kit.http.app import create_app
from anliegen.kit.http.merged import merge
from anliegen.kit.http.operations import operations_router
from anliegen.kit.operations.views import readable
from anliegen.kit.scopes import ROLES
from anliegen.kit.testing.deliveries import Postman

PREFIX = "/kit-door/v1"
LETTERS = f"{PREFIX}/dead-letters"
KEYS = f"{PREFIX}/parked-keys"
SECRET = "an illness that nobody is to know of"
TOPIC = "anliegen.intake.words"


@pytest.fixture
def broken() -> set[str]:
    """Texts whose handling fails."""
    return {SECRET}


@pytest.fixture
def service(router, broken) -> Service:
    handlers = Handlers("kit-door", policy="stay", attempts=2)

    @handlers.on(ContactReceived)
    async def enter_contact(event: ContactReceived, tx) -> None:
        if event.text in broken:
            raise LookupError(f"'{event.text}' cannot be entered")

    return Service(name="kit-door", title="Door", description="Things.", routers=(router,), handlers=handlers)


@pytest.fixture
def admin(client):
    return client.as_administrator()


@pytest.fixture
def press(admin):
    """A command as an administrator, on what was seen last."""

    async def send(path: str, body: dict | None = None, *, version: str | None = '"1"'):
        headers = {} if version is None else {"If-Match": version}
        return await admin.post(path, json=body, headers=headers)

    return send


@pytest.fixture
async def parked(context) -> tuple[str, list[str]]:
    """A key behind which two events wait; tells the key and their ids."""
    journey = uuid4()
    mail = await Postman(context, may_park=True).deliver(
        *(build(ContactReceived, journey_id=journey, text=text) for text in (SECRET, "second"))
    )
    return str(journey), [str(one.envelope.id) for one in mail]


@pytest.fixture
async def letter(press, parked) -> str:
    """The number of a dead letter."""
    key, (first, _) = parked
    answer = await press(f"{KEYS}/{key}/set-aside", {"event_id": first, "reason": "a test"}, version=None)
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


# Who may --------------------------------------------------------------------------------------------------------------
def every_route() -> list[tuple[str, str]]:
    service = Service(name="kit-door", title="", description="", handlers=Handlers("kit-door"))
    return [
        (method, route.path_format.format(letter_id=1, key="k", event_id=uuid4()))
        for route in operations_router(service).routes
        for method in route.methods
    ]


async def test_nobody_but_administrators_is_let_in(client, admin, problem) -> None:
    others = sorted(set(ROLES) - {"administrator"})
    routes = every_route()
    assert len(others) == 5 and len(routes) == 13
    for method, path in routes:
        for role in others:
            caller = client.as_(role, journey_id=uuid4())
            problem(await caller.request(method, path, json={}), 403, "scope_missing")
        problem(await client.anonymous.request(method, path, json={}), 401, "unauthenticated")
        assert (await admin.request(method, path, json={})).status_code in {200, 404, 422, 428}


async def test_who_may_settle_may_not_look_inside(client, letter, parked, problem) -> None:
    key, (_, second) = parked
    caller = client.as_("administrator", scopes="admin:events")
    assert (await caller.get(f"{LETTERS}/{letter}")).status_code == 200
    for path in (f"{LETTERS}/{letter}/content", f"{KEYS}/{key}/events/{second}/content"):
        problem(await caller.get(path), 403, "scope_missing")


async def test_what_people_wrote_is_shown_by_the_content_alone(admin, letter, parked, capsys) -> None:
    key, (_, second) = parked
    paths = [
        LETTERS,
        f"{LETTERS}/{letter}",
        KEYS,
        f"{KEYS}/{key}",
        f"{KEYS}/{key}/events",
        f"{PREFIX}/operator-actions",
    ]
    for path in paths:
        answer = await admin.get(path)
        assert answer.status_code == 200, answer.text
        assert SECRET not in answer.text
    content = await admin.get(f"{LETTERS}/{letter}/content")
    assert content.headers["cache-control"] == "no-store"
    assert (content.json()["form"], content.json()["payload"]["text"]) == ("json", SECRET)
    assert {"name": "ce_type", "text": "intake.contact_received.v1", "base64": None} in content.json()["headers"]
    content = await admin.get(f"{KEYS}/{key}/events/{second}/content")
    assert content.json()["payload"]["text"] == "second"
    done = (await admin.get(f"{PREFIX}/operator-actions")).json()["items"]
    assert [(one["who"], one["did"], one["about"]) for one in done] == [
        ("administrator-1", "read", f"parked-key/{key}/{second}"),
        ("administrator-1", "read", f"dead-letter/{letter}"),
        ("administrator-1", "set aside", f"dead-letter/{letter}"),
    ]
    logged = capsys.readouterr().out
    assert SECRET not in logged


async def test_a_look_inside_names_who_looked_in_the_log(client, letter, capsys) -> None:
    caller = client.as_administrator(sub="anna.muster@example.org")
    await caller.get(f"{LETTERS}/{letter}/content")
    logged = capsys.readouterr().out
    assert '"event":"operator_action"' in logged
    assert '"actor":"anna.muster@example.org"' in logged


# Dead letters ---------------------------------------------------------------------------------------------------------
async def test_a_letter_tells_what_failed_and_where_it_came_from(admin, letter, parked) -> None:
    key, (first, _) = parked
    answer = await admin.get(f"{LETTERS}/{letter}")
    assert answer.headers["etag"] == '"1"'
    found = answer.json()
    assert (found["group"], found["key"], found["event_id"]) == ("kit-door", key, first)
    assert (found["type"], found["topic"], found["obstacle"]) == ("intake.contact_received.v1", TOPIC, None)
    assert found["envelope"]["ce_id"] == first
    assert found["settled"] is None
    assert [(one["did"], one["reason"]) for one in found["actions"]] == [("set aside", "a test")]


async def test_a_letter_is_redriven_once_whoever_presses(admin, press, letter, parked, problem) -> None:
    key, (first, _) = parked
    path = f"{LETTERS}/{letter}/redrive"
    problem(await press(path, version=None), 428, "precondition_required")
    answer = await press(path, {"reason": "mended"})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"'), answer.text
    settled = answer.json()["settled"]
    assert (settled["how"], settled["by"], settled["reason"]) == ("redriven", "administrator-1", "mended")
    problem(await press(path), 412, "precondition_failed")
    problem(await press(path, version='"2"'), 409, "letter_settled")
    events = (await admin.get(f"{KEYS}/{key}/events")).json()["items"]
    assert [one["event_id"] for one in events][-1] == first
    assert len(events) == 2


async def test_a_letter_is_discarded_with_a_reason(press, letter, problem) -> None:
    path = f"{LETTERS}/{letter}/discard"
    for body in (None, {}, {"reason": " "}, {"reason": "x" * 501}, {"reason": "x", "else": 1}):
        problem(await press(path, body), 422, "invalid")
    answer = await press(path, {"reason": "a test mail"})
    assert answer.json()["settled"]["how"] == "discarded"
    problem(await press(f"{LETTERS}/{letter}/redrive", version='"2"'), 409, "letter_settled")


async def test_a_letter_that_is_not_there(admin, press, problem) -> None:
    for path in (f"{LETTERS}/999", f"{LETTERS}/999/content"):
        problem(await admin.get(path), 404, "dead_letter_not_found")
    problem(await press(f"{LETTERS}/999/redrive"), 404, "dead_letter_not_found")
    problem(await admin.get(f"{LETTERS}/{2**63}"), 422, "invalid")
    problem(await admin.get(f"{LETTERS}/redrive"), 405, "method_not_allowed")
    problem(await admin.get(f"{LETTERS}/x"), 404, "path_not_found")


async def test_what_cannot_be_read_says_so(context, admin, press, problem) -> None:
    await Postman(context).deliver_raw(
        TOPIC, key=b"\xff", headers=[("ce_type", b"intake.contact_received.v1"), ("x", b"\xfe")], value=b"\xff\x00"
    )
    (found,) = (await admin.get(LETTERS)).json()["items"]
    assert (found["key"], found["event_id"]) == (None, None)
    detail = (await admin.get(f"{LETTERS}/{found['id']}")).json()
    assert detail["obstacle"] == "still_unreadable"
    content = (await admin.get(f"{LETTERS}/{found['id']}/content")).json()
    assert (content["form"], base64.b64decode(content["payload"])) == ("base64", b"\xff\x00")
    assert content["headers"][1] == {"name": "x", "text": None, "base64": base64.b64encode(b"\xfe").decode()}
    assert base64.b64decode(content["key_base64"]) == b"\xff"
    refused = problem(await press(f"{LETTERS}/{found['id']}/redrive"), 409, "still_unreadable")
    assert "ce_specversion" in refused["detail"]


@pytest.mark.parametrize(
    ("payload", "form"),
    [
        (None, "none"), (b"", "base64"), (b'{"a": 1}', "json"), (b'"\\ud800"', "base64"), (b"NaN", "base64"),
        (b"[" * 5000 + b"]" * 5000, "base64"), (b"9" * 5000, "base64"), (b'{"a": "\\u0000"}', "base64"),
    ],
)  # fmt: skip
def test_payload_is_shown_as_json_only_where_anybody_can_read_it(payload, form) -> None:
    found, value = readable(payload)
    assert found == form
    if form == "base64":
        assert base64.b64decode(value) == payload


async def test_letters_are_filtered_and_paged(context, admin, problem) -> None:
    postman = Postman(context)
    for number in range(5):
        await postman.deliver_raw(
            TOPIC, key=b"k", headers=[("ce_type", b"intake.contact_received.v1")], value=b"%d" % number
        )
    pages, path = [], f"{LETTERS}?limit=2"
    while path:
        answer = await admin.get(path)
        page = answer.json()
        pages.append([int(one["id"]) for one in page["items"]])
        path = page["next"] and f"{LETTERS}?limit=2&cursor={page['next']}"
    numbers = [number for page in pages for number in page]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert numbers == sorted(numbers, reverse=True)
    back = (await admin.get(f"{LETTERS}?limit=2&cursor={page['prev']}")).json()
    assert [int(one["id"]) for one in back["items"]] == pages[1]
    for query, count in (
        ("type=intake.contact_received.v1", 5), ("type=x", 0), ("type=x&type=intake.contact_received.v1", 5),
        ("key=k", 5), ("key=x", 0), ("error_type=EnvelopeMalformed", 5), ("settled=false", 5), ("settled=true", 0),
        ("since=2020-01-01T00:00:00Z", 5), ("until=2020-01-01T00:00:00Z", 0),
    ):  # fmt: skip
        assert len((await admin.get(f"{LETTERS}?{query}")).json()["items"]) == count, query
    problem(await admin.get(f"{LETTERS}?colour=red"), 400, "unknown_query")
    problem(await admin.get(f"{LETTERS}?cursor=red"), 400, "cursor_malformed")
    problem(await admin.get(f"{LETTERS}?since=2020-01-01T00:00:00"), 422, "invalid")


async def test_many_letters_are_redriven_at_once(context, clock, broken, admin, press, problem) -> None:
    postman = Postman(context, may_park=True)
    for _ in range(3):
        mail = await postman.deliver(build(ContactReceived, text=SECRET))
        body = {"event_id": str(mail[0].envelope.id), "reason": "x"}
        await press(f"{KEYS}/{mail[0].envelope.key}/set-aside", body, version=None)
    await postman.deliver_raw(TOPIC, key=b"k", headers=[("ce_type", b"intake.contact_received.v1")], value=b"")
    path = f"{LETTERS}/redrive"
    problem(await press(path, {}, version=None), 422, "filter_missing")
    problem(await press(path, {"type": []}, version=None), 422, "filter_missing")
    problem(await press(path, {"key": "k", "limit": 501}, version=None), 422, "invalid")
    problem(await press(path, {"key": "k", "after": "-1"}, version=None), 422, "invalid")
    wanted = {"type": ["intake.contact_received.v1"], "limit": 2, "reason": "mended"}
    first = (await press(path, wanted, version=None)).json()
    assert (first["redriven"], first["refused"]) == (2, [])
    second = (await press(path, {**wanted, "after": first["next"]}, version=None)).json()
    assert (second["redriven"], [one["code"] for one in second["refused"]]) == (1, ["still_unreadable"])
    assert second["next"] is None
    assert len((await admin.get(KEYS)).json()["items"]) == 3


# Parked keys ----------------------------------------------------------------------------------------------------------
async def test_a_parked_key_tells_what_holds_it_up(admin, parked, context, clock, problem) -> None:
    from anliegen.kit.retry import retry_due_keys

    key, ids = parked
    found = (await admin.get(f"{KEYS}/{key}")).json()
    assert (found["waiting"], found["attempts"], found["reason"], found["exhausted"]) == (2, 1, "LookupError", False)
    assert found["oldest"] == {"event_id": ids[0], "type": "intake.contact_received.v1"}
    assert (await admin.get(KEYS)).json()["items"] == [found]
    clock.advance(timedelta(minutes=5))
    await retry_due_keys(context)
    assert (await admin.get(f"{KEYS}/{key}")).json()["exhausted"] is True
    events = (await admin.get(f"{KEYS}/{key}/events?limit=1")).json()
    assert [one["event_id"] for one in events["items"]] == ids[:1]
    events = (await admin.get(f"{KEYS}/{key}/events?limit=1&cursor={events['next']}")).json()
    assert [one["event_id"] for one in events["items"]] == ids[1:]
    assert events["next"] is None
    for path in (f"{KEYS}/x", f"{KEYS}/x/events"):
        problem(await admin.get(path), 404, "parked_key_not_found")
    problem(await admin.get(f"{KEYS}/{key}/events/{UUID(int=1)}/content"), 404, "parked_event_not_found")


async def test_a_parked_key_is_tried_now(admin, press, parked, context, clock, broken, problem) -> None:
    from anliegen.kit.retry import retry_due_keys

    key, _ = parked
    answer = await press(f"{KEYS}/{key}/retry", version=None)
    assert answer.status_code == 200, answer.text
    broken.clear()
    await retry_due_keys(context)
    problem(await press(f"{KEYS}/{key}/retry", {"reason": "again"}, version=None), 404, "parked_key_not_found")
    assert (await admin.get(KEYS)).json()["items"] == []


async def test_only_the_event_that_was_seen_is_set_aside(press, parked, problem) -> None:
    key, (first, second) = parked
    path = f"{KEYS}/{key}/set-aside"
    problem(await press(path, {"event_id": second, "reason": "x"}, version=None), 409, "oldest_moved")
    problem(await press(path, {"event_id": first}, version=None), 422, "invalid")
    assert (await press(path, {"event_id": first, "reason": "x"}, version=None)).status_code == 200
    problem(await press(path, {"event_id": first, "reason": "x"}, version=None), 409, "oldest_moved")


# Described once -------------------------------------------------------------------------------------------------------
def test_the_merged_description_names_these_routes_once(settings) -> None:
    def document(name: str):
        service = Service(name=name, title="T", description="D.", handlers=Handlers(name))
        return service.package, create_app(service, settings).openapi()

    alone = document("kit-one")
    assert "/kit-one/v1/dead-letters/{letter_id}/redrive" in alone[1]["paths"]
    merged = merge([alone, document("kit-two")], title="x", version="1")
    found = merged["paths"]["/{service}/v1/dead-letters/{letter_id}/redrive"]["post"]
    assert found["operationId"] == "redrive_dead_letter"
    assert found["parameters"][0]["schema"]["enum"] == ["kit-one", "kit-two"]
    assert not [path for path in merged["paths"] if "kit-" in path]
    schemas = merged["components"]["schemas"]
    assert "EveryService.DeadLetterView" in schemas
    assert not [name for name in schemas if name.startswith("Kit")]
    references = [text for text in str(merged).split("'") if text.startswith("#/components/schemas/")]
    assert references
    assert all(reference.rpartition("/")[2] in schemas for reference in references)
