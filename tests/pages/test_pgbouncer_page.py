"""docs/how-to/pgbouncer.md: its setting is the engine's, its SQL runs, and what it calls refused is refused."""

from __future__ import annotations

from tests.amounts import both_ends
from tests.documentation import blocks

PAGE = "docs/how-to/pgbouncer.md"


@both_ends
def test_the_page_is_true_on_a_server(postgres, service, run, database):
    setting, limits = [block.code for block in blocks(PAGE)]
    folder = service("avion-auth")
    with (folder / ".goose.yml").open("a") as goose:
        goose.write(setting)

    def migrate(*arguments: str):
        return run("tools/migrate/bin/migrate", *arguments, cwd=folder, env=database)

    migrated = migrate("up")
    assert migrated.returncode == 0, migrated.stderr
    assert database.value("SELECT count(*) FROM goose_db_version_lock") is not None
    job = folder / "migrations/backfill/versions.sql"
    job.parent.mkdir()
    job.write_text(
        "-- backfill: table=schema_metadata key=key\nUPDATE schema_metadata SET value = value WHERE key >= $1 AND key <= $2;\n"
    )
    refused = migrate("backfill", "versions")
    assert refused.returncode == 1
    assert "connect to the server itself" in refused.stderr

    postgres.execute("CREATE ROLE avion_auth_migrator")
    try:
        postgres.execute(limits)
        assert postgres.execute("SELECT rolconfig FROM pg_roles WHERE rolname = 'avion_auth_migrator'").strip() == (
            "{lock_timeout=3s,statement_timeout=300s}"
        )
    finally:
        postgres.execute("DROP ROLE avion_auth_migrator")
