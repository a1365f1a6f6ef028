"""Only doors begin, only the store speaks SQL, only the clock tells the time, only api speaks HTTP."""

import pytest
from house_rules import doors, hold


@pytest.mark.parametrize("rule", doors.RULES, ids=lambda rule: rule.__name__)
def test_workspace_keeps_rule(workspace, rule) -> None:
    hold(rule(workspace))


BROKEN = {
    doors.commits_elsewhere: [
        {"actions.py": "async def f(tx):\n    await tx.connection.commit()\n"},
        {"store.py": "async def f(tx):\n    async with tx.connection.transaction():\n        pass\n"},
    ],
    doors.beginnings_elsewhere: [
        {"actions.py": "from anliegen.kit import begin\nasync def f(c):\n    async with begin(c):\n        pass\n"},
        {"actions/mend.py": "from ..sender import send\n", "sender.py": "kit.begin(context)\n"},
        {"handlers.py": "from . import a\n", "a.py": "from anliegen.toy import b\n", "b.py": "begin(context)\n"},
    ],
    doors.sql_elsewhere: [
        {"actions.py": "async def f(tx):\n    await tx.fetchrow(query)\n"},
        {"actions.py": "QUERY = 'SELECT 1 FROM toys'\n"},
        {"handlers.py": "QUERY = '''\n    INSERT INTO toys VALUES ($1)'''\n"},
        {"api.py": "async def f(tx):\n    await tx.connection.fetch(query)\n"},
        {"subject/actions.py": "QUERY = 'SELECT 1 FROM toys'\n"},
    ],
    doors.environment_elsewhere: [
        {"main.py": "import os\nx = os.environ['X']\n"},
        {"clients.py": "from os import getenv\n"},
    ],
    doors.clocks_elsewhere: [{"actions.py": "from datetime import UTC, datetime\nnow = datetime.now(UTC)\n"}],
    doors.brokers_elsewhere: [{"actions.py": "from aiokafka import AIOKafkaProducer\n"}],
    doors.impure_domains: [
        {"domain.py": "from uuid import uuid4\nx = uuid4()\n"},
        {"domain/ids.py": "import uuid\nx = uuid.uuid4()\n"},
        {"subject/domain.py": "import random\n"},
        {"domain.py": "import random\n"},
        {"domain.py": "import asyncpg\n"},
        {"domain.py": "from anliegen.kit import Transaction\n"},
        {"domain.py": "async def f():\n    pass\n"},
        {"domain.py": "text = open('x').read()\n"},
        {"domain.py": "from time import monotonic\nimport time\nx = time.monotonic()\n"},
    ],
    doors.statuses_elsewhere: [
        {"api.py": "from fastapi import HTTPException\n"},
        {"actions.py": "from anliegen.kit.http import Tx\n"},
    ],
}


@pytest.mark.parametrize(
    ("rule", "files"), [(rule, files) for rule, cases in BROKEN.items() for files in cases], ids=str
)
def test_broken_rule_is_found(toy, rule, files) -> None:
    assert list(rule(toy(files)))


def test_every_rule_was_seen_to_fail() -> None:
    assert set(doors.RULES) == set(BROKEN)


def test_what_is_allowed_is_let_through(toy) -> None:
    fine = toy(
        {
            "domain.py": '"""SELECT is a word here."""\nfrom anliegen.kit import ids\nx = ids.derived("a")\n',
            "store.py": "async def get_toy(tx):\n    return await tx.fetchrow('SELECT name FROM toys')\n",
            "subject/store.py": "async def get_toy(tx):\n    return await tx.fetchrow('SELECT name FROM toys')\n",
            "main.py": "from . import sender as s\nservice = Service(parts={'sender': s.run})\n",
            "sender.py": "async def run(context):\n    async with begin(context) as tx:\n        pass\n",
            "actions.py": "MESSAGE = 'Select a toy'\n",
        }
    )
    for rule in doors.RULES:
        assert list(rule(fine)) == []
