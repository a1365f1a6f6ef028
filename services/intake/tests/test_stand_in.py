"""The stand-in answers as WhatsApp's provider does, and shows what it was given."""

import httpx

from anliegen.intake.stand_in import create_stand_in

MESSAGE = {
    "messaging_product": "whatsapp", "to": "+16505551234", "type": "text", "text": {"body": "<b>Hallo</b>"},
    "biz_opaque_callback_data": "reply-1",
}  # fmt: skip


def caller(token: str | None = "right") -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    transport = httpx.ASGITransport(app=create_stand_in("right"))
    return httpx.AsyncClient(transport=transport, base_url="http://stand-in.test/", headers=headers)


async def test_a_message_is_answered_as_the_provider_does_and_shown() -> None:
    async with caller() as client:
        answer = (await client.post("106540352242922/messages", json=MESSAGE)).json()
        assert answer["contacts"] == [{"input": "+16505551234", "wa_id": "16505551234"}]
        assert answer["messages"][0]["id"].startswith("wamid.")
        [shown] = (await client.get("messages.json", params={"to": "16505551234"})).json()
        assert (shown["id"], shown["text"]) == (answer["messages"][0]["id"], "<b>Hallo</b>")
        assert (await client.get("messages.json", params={"callback_data": "other"})).json() == []
        assert (await client.get("messages.json", params={"after": shown["number"]})).json() == []
        assert (await client.get("messages.json", params={"after": shown["number"] - 1})).json() == [shown]
        page = (await client.get("")).text
        assert "&lt;b&gt;Hallo" in page
        assert "<b>Hallo" not in page


async def test_nobody_sends_without_the_token() -> None:
    for token in (None, "wrong"):
        async with caller(token) as client:
            refused = await client.post("1/messages", json=MESSAGE)
            assert refused.status_code == 401
            assert refused.json()["error"]["code"] == 190
            assert (await client.get("messages.json")).json() == []


async def test_wrong_messages_are_refused_as_the_provider_does() -> None:
    wrong = ({}, [], {**MESSAGE, "to": "x"}, {**MESSAGE, "text": {"body": ""}}, {**MESSAGE, "type": "hologram"})
    async with caller() as client:
        for body in wrong:
            refused = await client.post("1/messages", json=body)
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, 100)


async def test_a_file_can_be_laid_down_and_fetched() -> None:
    async with caller() as client:
        media_id = (await client.post("media", content=b"%PDF", headers={"content-type": "application/pdf"})).json()[
            "id"
        ]
        about = (await client.get(media_id)).json()
        assert (about["mime_type"], about["file_size"]) == ("application/pdf", 4)
        assert (await client.get(about["url"])).content == b"%PDF"
        assert (await client.get("nothing")).status_code == 404
