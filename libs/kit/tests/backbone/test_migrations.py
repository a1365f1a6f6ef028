"""Two versions at one database: what was rolled back starts on what a newer version migrated."""

import shutil
from pathlib import Path

from anliegen.kit import migrate
from anliegen.kit.database import connect


async def test_older_code_starts_and_migrates_on_a_newer_database(
    database, service, context, tmp_path: Path, monkeypatch
) -> None:
    newest = max(migrate.kit_migrations().glob("*.sql"))
    older = tmp_path / "migrations"
    shutil.copytree(migrate.kit_migrations(), older, ignore=shutil.ignore_patterns(newest.name))
    monkeypatch.setattr(migrate, "kit_migrations", lambda: older)
    async with connect(database.owner_address, application="test") as owner:
        applied = "SELECT schema_name, migration_id FROM _pogo_migration ORDER BY 1, 2"
        before = await owner.fetch(applied)
        assert (migrate.KIT, newest.stem) in {tuple(row) for row in before}
        assert await migrate.missing_migrations(context) == set()
        await migrate.migrate_database(owner, service, role=service.package)
        assert await owner.fetch(applied) == before, "nothing is taken back"
