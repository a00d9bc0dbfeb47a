"""The twelve services share one server without disturbing each other."""

from __future__ import annotations

import pytest

from tests.render.test_copy import SERVICES

VERSION = "SELECT max(version_id) FROM goose_db_version"


@pytest.mark.slow
def test_twelve_services_on_one_server_do_not_disturb_each_other(run, service, create_database):
    databases = {}
    for folder, name in SERVICES.items():
        database = databases[folder] = create_database(f"avion_{name.replace('-', '_')}")
        credentials = {key: database[key] for key in ("DB_HOST", "DB_PORT", "DB_PASSWORD")}
        # DB_NAME and DB_USER are left to .goose.yml.
        for target in ("migrate-up", "migrate-seed"):
            result = run("make", target, cwd=service(folder), env=credentials | {"ENVIRONMENT": "test"})
            assert result.returncode == 0, result.stderr
    assert len(databases) == 12
    for database in databases.values():
        assert database.value(VERSION) == 1
        assert database.value("SELECT count(*) FROM schema_metadata WHERE key = 'seed'") == 1
