"""`make migrate-validate` finds what a merge would break, before it is merged."""

import pytest

MIGRATION = "-- +goose Up\nCREATE TABLE {0} ();\n\n-- +goose Down\nDROP TABLE {0};\n"


@pytest.fixture
def validate(run, service, git):
    """validate("BASE=main"): make's result in a service whose branch `main` has migrations up to 00005."""
    folder = service("avion-auth")
    (folder / "migrations/00005_five.sql").write_text(MIGRATION.format("five"))
    git("init", "--quiet", "--initial-branch=main", cwd=folder)
    git("add", "--all", cwd=folder)
    git("commit", "--quiet", "--message=main", cwd=folder)
    git("switch", "--quiet", "--create=work", cwd=folder)

    def validate(*variables: str, **environment: str):
        return run("make", "migrate-validate", *variables, cwd=folder, env=environment)

    validate.folder = folder
    validate.migrations = folder / "migrations"
    return validate


def test_a_new_migration_above_the_newest_is_valid(validate):
    for number in ("00006", "00100"):
        (validate.migrations / f"{number}_new.sql").write_text(MIGRATION.format("new"))
    result = validate("BASE=main")
    assert result.returncode == 0, result.stderr


def edited(migrations):
    (migrations / "00005_five.sql").write_text(MIGRATION.format("FIVE"))


def renamed(migrations):
    (migrations / "00005_five.sql").rename(migrations / "00005_other.sql")


def deleted(migrations):
    (migrations / "00005_five.sql").unlink()


def late(migrations):
    (migrations / "00003_late.sql").write_text(MIGRATION.format("late"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (edited, "migrations/00005_five.sql is not what it is in main"),
        (renamed, "migrations/00005_five.sql was renamed to 00005_other.sql"),
        (deleted, "migrations/00005_five.sql was deleted"),
        (late, "rename it to 00006_late.sql, or write out_of_order: allow"),
    ],
)
def test_what_the_base_branch_would_refuse_is_found(validate, change, words):
    change(validate.migrations)
    assert validate().returncode == 0
    result = validate("BASE=main")
    assert "Error 5" in result.stderr
    assert words in result.stderr
    assert words in validate("BASE=main", GITHUB_ACTIONS="true").stdout


def test_sql_that_cannot_be_read_is_found_at_its_line(validate):
    text = MIGRATION.format("six").replace("DROP TABLE", "DROP TABEL")
    (validate.migrations / "00006_six.sql").write_text(text)
    result = validate()
    assert "Error 1" in result.stderr
    assert "migrations/00006_six.sql line 5 is no SQL that PostgreSQL could read" in result.stderr


def test_without_squawk_everything_is_checked(validate, without_squawk):
    late(validate.migrations)
    assert "Error 5" in validate("BASE=main", PATH=without_squawk, PIP_NO_INDEX="1").stderr
    (validate.migrations / "00006_six.sql").write_text("-- +goose Up\nSELEC 1;\n-- +goose Down\nSELECT 1;\n")
    result = validate(PATH=without_squawk, PIP_NO_INDEX="1")
    assert "migrations/00006_six.sql line 2 is no SQL that PostgreSQL could read" in result.stderr


def test_an_unknown_base_is_refused_and_never_run(validate):
    result = validate("BASE=$(touch x)")
    assert "Error 1" in result.stderr
    assert 'BASE is "$(touch x)"' in result.stderr
    assert not (validate.folder / "x").exists()


def test_another_folder_is_followed_by_every_file_that_names_it_or_refused(validate):
    folder = validate.folder
    (folder / "db").mkdir()
    validate.migrations.rename(folder / "db/migrations")
    goose = folder / ".goose.yml"
    goose.write_text(goose.read_text().replace("dir: ./migrations\n", "dir: ./db/migrations\n"))
    files = ["migrations.Dockerfile", "migrations.Dockerfile.dockerignore", "compose.migrations.yaml", ".env.example"]
    result = validate()
    assert result.returncode == 2
    for file in files:
        assert f"{file} does not name db/migrations" in result.stderr

    replacements = [
        ("COPY --chmod=0555 migrations ./migrations", "COPY --chmod=0555 db/migrations ./db/migrations"),
        ("!migrations\n", "!db/migrations\n"),
        ("./migrations:/app/migrations:", "./db/migrations:/app/db/migrations:"),
        ("GOOSE_MIGRATION_DIR=./migrations", "GOOSE_MIGRATION_DIR=./db/migrations"),
    ]
    for file, (old, new) in zip(files, replacements, strict=True):
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new))
    result = validate()
    assert result.returncode == 0, result.stderr
