"""Entity tags, conditions and pages."""

import base64
import json
from uuid import uuid4

import pytest

from anliegen.kit.errors import Malformed, PreconditionFailed, PreconditionRequired
from anliegen.kit.http import Cursor
from anliegen.kit.http.cursors import CursorMalformed
from anliegen.kit.http.etags import expected_version
from anliegen.kit.versions import ANY_VERSION

THINGS = "/kit-door/v1/things"


async def make(writer, text: str = "a") -> str:
    response = await writer.post(THINGS, json={"text": text}, headers={"Idempotency-Key": str(uuid4())})
    return response.headers["location"]


async def test_a_command_names_what_it_was_decided_on(writer, problem):
    location = await make(writer)
    tag = (await writer.get(location)).headers["etag"]
    assert tag == '"1"'
    problem(await writer.post(f"{location}/name", json={"text": "b"}), 428, "precondition_required")
    problem(
        await writer.post(f"{location}/name", json={"text": "b"}, headers={"If-Match": "*"}),
        428, "precondition_required",
    )  # fmt: skip
    renamed = await writer.post(f"{location}/name", json={"text": "b"}, headers={"If-Match": tag})
    assert (renamed.status_code, renamed.headers["etag"]) == (200, '"2"')
    stale = await writer.post(f"{location}/name", json={"text": "c"}, headers={"If-Match": tag})
    problem(stale, 412, "precondition_failed")
    assert (await writer.get(location)).json()["text"] == "b"


@pytest.mark.parametrize("header", ["7", "'7'", '"7', '"7" "8"', "", "W/7", '"a b"', "x" * 5000])
async def test_malformed_tag_is_refused(writer, problem, header: str):
    location = await make(writer)
    response = await writer.post(f"{location}/name", json={"text": "b"}, headers={"If-Match": header})
    problem(response, 400, "tag_malformed")


@pytest.mark.parametrize(
    ("header", "matches"),
    [('"7"', True), ('"6", "7"', True), ('"6","8"', False), ('W/"7"', False), ('"07"', False), ('"x"', False)],
)
def test_condition_names_the_versions_that_match(header: str, matches: bool):
    expected = expected_version(header)
    if matches:
        expected.check(7)
    else:
        with pytest.raises(PreconditionFailed):
            expected.check(7)


def test_commands_from_within_expect_nothing():
    ANY_VERSION.check(3)
    with pytest.raises(PreconditionRequired):
        expected_version(None)


async def test_what_is_known_is_not_sent_again(writer):
    location = await make(writer)
    for condition in ('"1"', 'W/"1"', '"0", "1"', "*"):
        response = await writer.get(location, headers={"If-None-Match": condition})
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", '"1"'), condition
    for condition in ('"2"', "nonsense"):
        assert (await writer.get(location, headers={"If-None-Match": condition})).status_code == 200


async def test_pages_lead_there_and_back(writer):
    for number in range(7):
        await make(writer, str(number))
    seen, cursor, links = [], None, []
    while True:
        page = await writer.get(THINGS, params={"limit": 3, **({"cursor": cursor} if cursor else {})})
        seen.append([item["text"] for item in page.json()["items"]])
        links.append(page.headers.get("link", ""))
        last = page.json()
        if (cursor := last["next"]) is None:
            break
    assert seen == [["6", "5", "4"], ["3", "2", "1"], ["0"]]
    assert links[0].startswith(f"<{THINGS}?limit=3&cursor=")
    assert links[0].endswith('>; rel="next"')
    assert ('rel="next"' in links[1], 'rel="prev"' in links[1]) == (True, True)
    assert links[2].endswith('>; rel="prev"')
    back = (await writer.get(THINGS, params={"limit": 3, "cursor": last["prev"]})).json()
    assert [item["text"] for item in back["items"]] == ["3", "2", "1"]
    first = (await writer.get(THINGS, params={"limit": 3, "cursor": back["prev"]})).json()
    assert [item["text"] for item in first["items"]] == ["6", "5", "4"]
    assert first["prev"] is None
    assert first["next"] is not None


async def test_a_link_keeps_the_filters_and_can_be_followed(writer):
    for text in ("a & b", "a & b", "c"):
        await make(writer, text)
    page = await writer.get(THINGS, params={"limit": 1, "text": "a & b"})
    following = await writer.get(page.links["next"]["url"])
    assert [item["text"] for item in following.json()["items"]] == ["a & b"]
    assert following.json()["next"] is None


async def test_an_empty_list_has_no_links(writer):
    page = await writer.get(THINGS)
    assert page.json() == {"items": [], "next": None, "prev": None}
    assert "link" not in page.headers


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


ID = str(uuid4())


@pytest.mark.parametrize(
    "cursor",
    [
        "x", "", "ä", "a" * 999, encoded([]), encoded({}), encoded([1, 2, 3, 4]), encoded([None, ID, 0]),
        encoded(["a\x00", ID, 0]), encoded([2**63, ID, 0]), encoded([1, "no-id", 0]), encoded([1, ID, 2]),
        encoded([True, ID, 0]), encoded([1.5, ID, 0]), encoded([{"t": "2026-01-01"}, ID, 0]),
        encoded([{"t": 5}, ID, 0]), encoded([{}, ID, 0]), encoded([1, ID, 0]), encoded([1, 5, 0]),
        base64.urlsafe_b64encode(b"[" * 700).decode(),
    ],
)  # fmt: skip
async def test_invented_cursor_is_refused(writer, problem, cursor: str):
    problem(await writer.get(THINGS, params={"cursor": cursor}), 400, "cursor_malformed")


def test_cursors_survive_the_journey():
    for key in ("text", -5, 2**63 - 1):
        assert Cursor.decode(Cursor(key, uuid4()).encode()).key == key
    with pytest.raises(CursorMalformed):
        Cursor.decode(encoded(["a\x00", ID, 0]))
    with pytest.raises(CursorMalformed):
        Cursor.decode(Cursor("x", uuid4()).encode() + "!")
    assert issubclass(CursorMalformed, Malformed)
