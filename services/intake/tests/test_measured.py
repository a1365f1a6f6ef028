"""What comes and what goes out is counted by channel; repetitions are not counted again."""

from typing import Any

from prometheus_client import REGISTRY

from anliegen.events import ReplySent
from anliegen.intake import dispatcher
from anliegen.intake.clients import SendingFailed
from anliegen.intake.resources import resources_of
from anliegen.kit.testing.clients import TestClient

MAILED = {
    "channel": "web_form",
    "text": "Guten Tag, wann kommt mein Paket? Ich warte schon lange.",
    "sender": {"kind": "email", "value": "anna@post.example"},
}


def sample(name: str, **labels: str) -> float:
    found = REGISTRY.get_sample_value(name, {"service": "intake", **labels})
    assert found is not None, "it is there from the start"
    return found


async def test_contacts_are_counted_by_channel_and_once(send_mail: Any, mail_bytes: Any, context: Any) -> None:
    before = sample("contacts_received_total", channel="email"), sample("contacts_received_total", channel="web_form")
    await send_mail(mail_bytes("german_multipart"))
    await send_mail(mail_bytes("german_multipart"))
    after = sample("contacts_received_total", channel="email"), sample("contacts_received_total", channel="web_form")
    assert after == (before[0] + 1, before[1])
    assert sample("channel_last_received_age_seconds", channel="email") >= 0


async def test_attempts_are_counted_by_channel_and_outcome_and_the_first_is_timed(
    client: TestClient, context: Any, clock: Any, published: Any, monkeypatch: Any
) -> None:
    def attempts(outcome: str) -> float:
        return sample("reply_delivery_attempts_total", channel="email", outcome=outcome)

    def timed() -> float:
        labels = {"service": "intake", "channel": "email"}
        return REGISTRY.get_sample_value("reply_first_attempt_seconds_count", labels) or 0.0

    first, failed, sent, rejected = timed(), attempts("failed"), attempts("sent"), attempts("rejected")
    await client.anonymous.post("/intake/v1/contacts", json=MAILED)

    async def refuse(*_: Any) -> None:
        raise SendingFailed("provider_words_450_4_2_1", lasting=False)

    with monkeypatch.context() as patched:
        patched.setattr(resources_of(context).mail, "send", refuse)
        await dispatcher.dispatch_due(context)
    assert (attempts("failed"), attempts("sent"), timed()) == (failed + 1, sent, first + 1)
    clock.advance(dispatcher.HOLD)
    await dispatcher.dispatch_due(context)
    assert (attempts("failed"), attempts("sent"), attempts("rejected")) == (failed + 1, sent + 1, rejected)
    assert timed() == first + 1, "only the first attempt is timed"
    assert len(await published(ReplySent)) == 1
