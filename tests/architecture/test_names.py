"""Names have the forms that CONTRIBUTING.md lists."""

import pytest
from house_rules import hold, names

GOOD = (
    "-- toys\n-- depends:\n\n-- migrate: apply\nCREATE TABLE toys ();\n\n" + names.FORWARD_ONLY
)  # fmt: skip


@pytest.mark.parametrize("rule", names.RULES, ids=lambda rule: rule.__name__)
def test_workspace_keeps_rule(workspace, rule) -> None:
    hold(rule(workspace))


EVENTS = "/libs/events/anliegen/events/toy.py"
TEST = "/services/toy/tests/test_toy.py"
BROKEN = {
    names.migrations_misnamed: [
        {"migrations/create_toys.sql": GOOD},
        {"migrations/0002_create_toys.sql": GOOD},
        {"migrations/0001_create_toys.sql": GOOD, "migrations/0002_add_colour_to_toys.sql": GOOD},
        {
            "migrations/0001_create_toys.sql": GOOD.replace(
                names.FORWARD_ONLY, "-- migrate: rollback\nDROP TABLE toys;\n"
            )
        },
        {"migrations/0001_create_toys.sql": GOOD.replace("-- migrate: apply", "")},
    ],
    names.event_types_misnamed: [
        {EVENTS: "class ToyBroke(Event, type='toy.toy_broke'):\n    pass\n"},
        {EVENTS: "class ToyBroke(Event, type='other.toy_broke.v1'):\n    pass\n"},
    ],
    names.handlers_misnamed: [
        {"handlers.py": "async def handle_contact(event, tx):\n    pass\n"},
        {"actions.py": "async def on_contact(tx):\n    pass\n"},
    ],
    names.store_functions_misnamed: [
        {"store.py": "async def toys(tx):\n    pass\n"},
        {"store.py": "async def get_toy(tx, toy_id):\n    pass\n"},
        {"store/toys.py": "async def get_toy(tx, *, toy_id) -> Toy | None:\n    pass\n"},
    ],
    names.tests_misnamed: [
        {TEST: "def test_1():\n    pass\n"},
        {TEST: "async def test_it_works():\n    pass\nasync def test_toy():\n    pass\n"},
    ],
    names.tests_in_packages: [{"/services/toy/tests/__init__.py": "", TEST: ""}],
}


@pytest.mark.parametrize(
    ("rule", "files"), [(rule, files) for rule, cases in BROKEN.items() for files in cases], ids=str
)
def test_broken_rule_is_found(toy, rule, files) -> None:
    assert list(rule(toy(files)))


def test_every_rule_was_seen_to_fail() -> None:
    assert set(names.RULES) == set(BROKEN)


def test_what_is_allowed_is_let_through(toy) -> None:
    fine = toy(
        {
            "migrations/0001_create_toys.sql": GOOD,
            "migrations/0002_add_colour_to_toys.sql": GOOD.replace("depends:", "depends: 0001_create_toys"),
            EVENTS: "class ToyBroke(Event, type='toy.toy_broke.v1'):\n    pass\n",
            "handlers.py": "async def open_toy(event, tx):\n    pass\n",
            "store.py": "async def find_toy(tx, *, toy_id) -> Toy | None:\n    pass\n",
            TEST: "async def test_broken_toy_is_mended():\n    pass\n",
        }
    )
    for rule in names.RULES:
        assert list(rule(fine)) == []
