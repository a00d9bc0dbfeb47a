"""Copier and the targets work wherever people keep their services: blanks, brackets, backslashes, commas, Japanese."""

from __future__ import annotations

import pytest

from tests.amounts import others_slow
from tests.conftest import put_engine
from tests.places import PLACES

SOURCE = "gh:org/avion-migration-template"


@pytest.mark.parametrize("place", others_slow(PLACES, 1))
def test_copy_update_and_targets_mind_no_path(copier_cli, engine, run, git, tmp_path, place):
    service = tmp_path / place / "avion-auth"
    service.mkdir(parents=True)
    # Found only by who takes the folder's name for what it is, and no pattern.
    (service / "GNUmakefile").write_text("include migrations.mk\n")
    (service / "compose.yaml").write_text("include: [compose.migrations.yaml]\n")
    copied = copier_cli(["copy", "--defaults", SOURCE, str(service)], cwd=tmp_path)
    assert copied.returncode == 0, copied.stderr
    assert "make -f migrations.mk migrate-wire" in copied.stderr
    assert not (service / "Makefile").exists()
    assert not (service / "docker-compose.yml").exists()

    git("init", "--quiet", cwd=service)
    git("add", "--all", cwd=service)
    git("commit", "--quiet", "--message=Generate", cwd=service)
    for where, named, timeout in ((tmp_path, str(service), 600), (service, ".", 700)):
        updated = copier_cli(["update", "--defaults", f"--data=migration_timeout={timeout}", named], cwd=where)
        assert updated.returncode == 0, updated.stderr
        assert f"MIGRATION_TIMEOUT={timeout}\n" in (service / ".env.example").read_text()
        assert not (service / "Makefile").exists()
        git("commit", "--quiet", "--all", "--message=Update", cwd=service)
    recopied = copier_cli(["recopy", "--defaults", "--overwrite", "."], cwd=service)
    assert recopied.returncode == 0, recopied.stderr
    assert git("status", "--short", cwd=service) == ""

    put_engine(engine, service)
    for target, *variables in (
        ["migrate-help"],
        ["migrate-create", "NAME=add_accounts"],
        ["migrate-template-check"],
        ["migrate-job", "VERSION=1.0.0", "BUILD_NUMBER=1"],
    ):
        made = run("make", target, *variables, cwd=service)
        assert made.returncode == 0, made.stderr
    assert (service / "migrations/00002_add_accounts.sql").exists()
    assert git("status", "--short", cwd=service) == "?? migrations/00002_add_accounts.sql\n"
