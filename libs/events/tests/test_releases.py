"""What was released stays: no file is changed or removed, and every class keeps what each release promised."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from anliegen.events import Event, JourneyEvent, codec, registry, releases
from anliegen.events.envelope import from_headers, to_headers
from anliegen.events.releases import (
    FOLDER,
    INDEX,
    Release,
    all_releases,
    all_unkept,
    retired_types,
    tampered,
    unkept,
    unreleased,
)
from anliegen.events.schemas import schema_of

RELEASES = all_releases()
CURRENT = [release for release in RELEASES if release.event_type not in retired_types()]
each_release = pytest.mark.parametrize("release", CURRENT, ids=str)


def test_no_released_file_was_changed_or_removed() -> None:
    assert list(tampered()) == []


def test_every_class_keeps_what_each_release_promised() -> None:
    assert list(all_unkept(RELEASES, retired_types())) == []


def test_releases_of_a_type_are_counted_without_a_gap() -> None:
    numbers: dict[str, list[int]] = {}
    for release in RELEASES:
        numbers.setdefault(release.event_type, []).append(release.number)
    assert numbers
    assert all(found == list(range(1, len(found) + 1)) for found in numbers.values()), numbers


@each_release
def test_example_of_a_release_is_read_as_it_was_meant(release: Release) -> None:
    data = release.example["data"]
    event = codec.decode_as_said(release.event_type, json.dumps(data).encode())
    assert event is not None
    envelope = from_headers(to_headers(release.example["headers"]), release.example["key"].encode())
    assert (event.key, event.subject) == (envelope.key, envelope.subject)
    assert registry.topic_of(type(event)) == release.example["topic"]
    assert envelope.dataschema == release.schema["$id"]
    assert_says(json.loads(codec.encode(event)), data)


def assert_says(found: Any, wanted: Any) -> None:
    """Everything wanted is there, with the same value; there may be more."""
    if isinstance(wanted, dict):
        for name, value in wanted.items():
            assert_says(found[name], value)
    elif isinstance(wanted, list):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            assert_says(one, other)
    else:
        assert found == wanted


@each_release
def test_example_of_a_release_is_valid_under_it(release: Release, consumer: Any) -> None:
    consumer(release.schema).validate(release.example["data"])


def lamp_lit(**fields: tuple[Any, Any]) -> type[Event]:
    given: dict[str, Any] = {name: default for name, (_, default) in fields.items()}
    given["__annotations__"] = {name: annotation for name, (annotation, _) in fields.items()}
    given |= {"__doc__": "A light shines.", "__module__": __name__, "__qualname__": "LampLit"}
    return type("LampLit", (JourneyEvent,), given, type="lighthouse.lamp_lit.v1")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_registry: None) -> Path:
    """An empty place for releases, where the lighthouse's class is the only one."""
    example = {"headers": {}, "key": "1", "data": {"keeper": "Anna"}}
    monkeypatch.setattr(releases, "read_example", lambda kind: example)
    monkeypatch.setattr(registry, "_classes", {})
    monkeypatch.setattr(registry, "classes_in", lambda package: registry.all_classes())
    return tmp_path


KEEPER = (str, Field(max_length=40))


def test_first_release_keeps_schema_and_example(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cls = lamp_lit(keeper=KEEPER)
    assert releases.main(["--check"], folder=folder) == 1
    assert "Not released yet: lighthouse.lamp_lit.v1. Run: make release-schemas" in capsys.readouterr().err
    assert list(folder.iterdir()) == []

    assert releases.main([], folder=folder) == 0
    assert "Released lighthouse.lamp_lit.v1, release 1" in capsys.readouterr().out
    (release,) = all_releases(folder)
    assert release.schema == schema_of(cls)
    assert release.example == {"topic": "anliegen.lighthouse", "headers": {}, "key": "1", "data": {"keeper": "Anna"}}
    assert list(tampered(folder)) == []
    before = everything_in(folder)
    assert releases.main(["--check"], folder=folder) == releases.main([], folder=folder) == 0
    assert everything_in(folder) == before
    assert capsys.readouterr() == ("", "")


def everything_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_a_version_gains_is_released_beside_what_was(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lamp_lit(keeper=KEEPER)
    releases.main([], folder=folder)
    before = everything_in(folder / "lighthouse.lamp_lit.v1")
    lamp_lit(keeper=(str, Field(max_length=40, description="Who put it out.")), weather=(str | None, None))
    assert releases.main([], folder=folder) == 0
    assert [release.number for release in all_releases(folder)] == [1, 2]
    assert everything_in(folder / "lighthouse.lamp_lit.v1").items() >= before.items()
    assert list(tampered(folder)) == []
    assert "The description of keeper changed. Does it still mean the same?" in capsys.readouterr().out


def test_words_for_people_need_no_release(folder: Path) -> None:
    lamp_lit(keeper=KEEPER)
    releases.main([], folder=folder)
    lamp_lit(keeper=(str, Field(max_length=40, description="The person who lit it.")))
    assert list(unreleased(all_releases(folder))) == []


def test_break_is_refused_with_rule_and_advice(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lamp_lit(keeper=KEEPER)
    releases.main([], folder=folder)
    before = everything_in(folder)
    lamp_lit(keeper=(str, Field(max_length=10)))
    for arguments in ([], ["--check"]):
        assert releases.main(arguments, folder=folder) == 1
        said = capsys.readouterr().err
        assert said.startswith("release 1 of lighthouse.lamp_lit.v1: keeper: `maxLength` was 40 and is 10;")
        assert "(tightened)" in said
        assert "declare a new type lighthouse.lamp_lit.v2 beside this one" in said
    assert everything_in(folder) == before


def test_break_with_an_earlier_release_is_found_although_the_last_is_kept(folder: Path) -> None:
    """What the second release added was optional; a third that demands it breaks the first alone."""
    lamp_lit(keeper=KEEPER)
    releases.main([], folder=folder)
    lamp_lit(keeper=KEEPER, weather=(str, "fair"))
    releases.main([], folder=folder)
    lamp_lit(keeper=KEEPER, weather=(str, ...))
    found = [sentence.partition(":")[0] for sentence in all_unkept(all_releases(folder), set())]
    assert "release 1 of lighthouse.lamp_lit.v1" in found


def test_class_that_moves_to_another_topic_is_found(folder: Path) -> None:
    cls = lamp_lit(keeper=KEEPER)
    releases.main([], folder=folder)
    cls.words = True
    (sentence,) = unkept(cls, all_releases(folder)[0])
    assert "travelled on anliegen.lighthouse and now on anliegen.lighthouse.words" in sentence
    assert "(moved)" in sentence


def test_class_that_is_gone_is_found_until_its_type_is_retired(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lamp_lit(keeper=KEEPER)
    releases.main([], folder=folder)
    monkeypatch.setattr(registry, "_classes", {})
    assert releases.main([], folder=folder) == 1
    assert "its class is gone" in capsys.readouterr().err
    (folder / "RETIRED").write_text("# Nobody lights lamps any more.\nlighthouse.lamp_lit.v1\n")
    assert releases.main([], folder=folder) == 0
    # Its name is not free for something else.
    lamp_lit(height=(int, ...))
    assert releases.main([], folder=folder) == 1


def change_schema(folder: Path) -> None:
    path = folder / "lighthouse.lamp_lit.v1" / "1.schema.json"
    path.write_text(path.read_text().replace("40", "41"))


def remove_example(folder: Path) -> None:
    (folder / "lighthouse.lamp_lit.v1" / "1.example.json").unlink()


def put_a_second(folder: Path) -> None:
    (folder / "lighthouse.lamp_lit.v1" / "2.schema.json").write_text("{}")


@pytest.mark.parametrize(
    ("hand", "said"),
    [
        (change_schema, "lighthouse.lamp_lit.v1/1.schema.json was changed. What was released is never edited"),
        (remove_example, "lighthouse.lamp_lit.v1/1.example.json is gone. What was released is never edited"),
        (put_a_second, "lighthouse.lamp_lit.v1/2.schema.json stands not in SHA256SUMS"),
    ],
)
def test_hand_laid_on_a_release_is_found(
    folder: Path, hand: Callable[[Path], None], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lamp_lit(keeper=KEEPER)
    releases.main([], folder=folder)
    hand(folder)
    (sentence,) = tampered(folder)
    assert sentence.startswith(said)
    assert releases.main([], folder=folder) == 1
    assert said in capsys.readouterr().err


def test_index_is_what_sha256sum_reads() -> None:
    for line in (FOLDER / INDEX).read_text().splitlines():
        checksum, _, name = line.partition("  ")
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == checksum
