"""`make migrate-lint` finds what is dangerous at its line, and leaves alone what is safe."""

import shutil

import pytest

from dev.toolchain.install import ROOT

EXAMPLES = sorted((ROOT / "includes/documents/examples").glob("*.sql"))
NEW = "00002_new.sql"
KEY = "id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
OUTSIDE = "-- +goose NO TRANSACTION\n"

DANGEROUS = [
    ("CREATE INDEX i ON a (b);", "require-concurrent-index-creation"),
    ("CREATE INDEX CONCURRENTLY i ON a (b);", "outside-transaction"),
    ("DROP INDEX i;", "require-concurrent-index-deletion"),
    ("REINDEX INDEX i;", "require-concurrent-reindex"),
    ("ALTER TABLE p DETACH PARTITION q;", "require-concurrent-partition-detach"),
    (
        "ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES c (id);",
        "adding-foreign-key-constraint",
    ),
    ("ALTER TABLE a ADD CONSTRAINT c CHECK (b > 0);", "constraint-missing-not-valid"),
    ("ALTER TABLE a ALTER COLUMN b SET NOT NULL;", "adding-not-nullable-field"),
    ("ALTER TABLE a ADD COLUMN b uuid DEFAULT gen_random_uuid();", "adding-field-with-default"),
    ("ALTER TABLE a ADD COLUMN b bigint GENERATED ALWAYS AS (c * 2) STORED;", "adding-field-with-default"),
    ("ALTER TABLE a ADD COLUMN b bigserial;", "prefer-identity"),
    ("ALTER TABLE a ADD COLUMN b bigint NOT NULL;", "adding-required-field"),
    ("ALTER TABLE a ALTER COLUMN b TYPE bigint;", "changing-column-type"),
    ("ALTER TABLE a ADD CONSTRAINT u UNIQUE (b);", "disallowed-unique-constraint"),
    ("ALTER TABLE a ADD PRIMARY KEY (b);", "adding-serial-primary-key-field"),
    ("ALTER TABLE a ADD COLUMN b serial;", "prefer-identity"),
    ("ALTER TABLE a ADD CONSTRAINT e EXCLUDE USING gist (b WITH &&);", "constraint-missing-not-valid"),
    ("ALTER TABLE a RENAME COLUMN b TO c;", "renaming-column"),
    ("ALTER TABLE a RENAME TO b;", "renaming-table"),
    ("ALTER SCHEMA a RENAME TO b;", "renaming-object"),
    ("ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';", "renaming-object"),
    ("ALTER TABLE a DROP COLUMN b;", "ban-drop-column"),
    ("ALTER TABLE a ALTER COLUMN b DROP NOT NULL;", "ban-drop-not-null"),
    ("DROP TABLE a;", "ban-drop-table"),
    ("DROP DATABASE a;", "ban-drop-database"),
    ("ALTER TABLE a DROP CONSTRAINT c;", "ban-drop-constraint"),
    ("DROP TYPE mood;", "ban-drop-type"),
    ("TRUNCATE a CASCADE;", "ban-truncate-cascade"),
    (f"CREATE TABLE a ({KEY}, b timestamp);", "prefer-timestamp-tz"),
    (f"CREATE TABLE a ({KEY}, b varchar(20));", "prefer-text-field"),
    (f"CREATE TABLE a ({KEY}, b char(20));", "ban-char-field"),
    ("CREATE TABLE a (id int PRIMARY KEY);", "prefer-bigint-over-int"),
    ("VACUUM FULL a;", "outside-transaction"),
    ("CLUSTER a USING i;", "ban-table-rewrite"),
    ("REFRESH MATERIALIZED VIEW v;", "require-concurrent-refresh"),
    ("UPDATE a SET b = 1;", "require-where"),
    ("DELETE FROM a;", "require-where"),
    (f"CREATE TABLE a ({KEY}, b money);", "ban-money-field"),
    (f"CREATE TABLE a ({KEY}, b json);", "prefer-jsonb"),
    (f"CREATE TABLE {'a' * 64} ({KEY});", "identifier-too-long"),
    ("COMMIT;", "transaction-nesting"),
    ("BEGIN;", "ban-uncommitted-transaction"),
    ("CREATE DOMAIN d AS text CHECK (VALUE <> '');", "ban-create-domain-with-constraint"),
    ("ALTER DOMAIN d ADD CONSTRAINT c CHECK (VALUE <> '');", "ban-alter-domain-with-add-constraint"),
    ("SELEC 1;", "syntax-error"),
]

# What is dangerous because of what the same transaction has done before.
DANGEROUS_TOGETHER = [
    ("ALTER TABLE a ADD COLUMN b text;", "ALTER TABLE c ADD COLUMN b text;", "one-table-per-transaction"),
    ("ALTER TABLE a ADD COLUMN b text;", "UPDATE a SET b = c WHERE id <= 1000;", "data-apart-from-schema"),
    ("ALTER TABLE a ADD COLUMN b text;", "INSERT INTO c SELECT id FROM a;", "data-apart-from-schema"),
    ("UPDATE a SET b = c WHERE id <= 1000;", "ALTER TABLE a ADD COLUMN d text;", "data-apart-from-schema"),
    ("ALTER TYPE mood ADD VALUE 'calm' BEFORE 'sad';", "INSERT INTO a VALUES ('calm');", "enum-value-apart-from-use"),
]

DANGEROUS_OUTSIDE = [
    ("VACUUM FULL a;", "ban-table-rewrite"),
    ("VACUUM (FULL, ANALYZE) a;", "ban-table-rewrite"),
    ("CLUSTER a USING i;", "ban-table-rewrite"),
    ("REFRESH MATERIALIZED VIEW v;", "require-concurrent-refresh"),
    ("UPDATE a SET b = 1;", "require-where"),
    ("CREATE INDEX IF NOT EXISTS i ON a (b);", "require-concurrent-index-creation"),
    ("DROP INDEX IF EXISTS i;", "require-concurrent-index-deletion"),
]

SAFE = {
    "vacuum": OUTSIDE + "-- +goose Up\nVACUUM (ANALYZE) a;",
    "new materialized view": "-- +goose Up\nCREATE MATERIALIZED VIEW v AS SELECT 1;\nREFRESH MATERIALIZED VIEW v;",
    "rows of a new table": f"-- +goose Up\nCREATE TABLE a ({KEY}, b text);\nINSERT INTO a (b) SELECT c FROM d;\nUPDATE a SET b = 'x';",
    "one table twice": "-- +goose Up\nALTER TABLE a ADD COLUMN b text;\nALTER TABLE a ADD COLUMN c text;",
    "a few new rows": "-- +goose Up\nALTER TABLE a ADD COLUMN b text;\nINSERT INTO c (d) VALUES ('e') ON CONFLICT DO NOTHING;",
    "index": OUTSIDE + "-- +goose Up\nDROP INDEX CONCURRENTLY IF EXISTS i;\nCREATE INDEX CONCURRENTLY i ON a (b);",
    "reindex": OUTSIDE + "-- +goose Up\nREINDEX INDEX CONCURRENTLY i;",
    "materialized view": OUTSIDE + "-- +goose Up\nREFRESH MATERIALIZED VIEW CONCURRENTLY v;",
    "dropped index": OUTSIDE + "-- +goose Up\nDROP INDEX CONCURRENTLY IF EXISTS i;",
    "index of a partitioned table": "-- +goose Up\nCREATE INDEX i ON ONLY p (b);",
    # Without BEFORE or AFTER the value comes last, where everybody looks for it.
    "enum value": "-- +goose Up\nALTER TYPE mood ADD VALUE 'calm';",
    "index of a partition": "-- +goose Up\nALTER INDEX i ATTACH PARTITION j;",
    "partition": OUTSIDE + "-- +goose Up\nALTER TABLE p DETACH PARTITION q CONCURRENTLY;",
    "foreign key": "-- +goose Up\nALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES c (id) NOT VALID;",
    "validation": "-- +goose Up\nALTER TABLE a VALIDATE CONSTRAINT f;",
    "check": "-- +goose Up\nALTER TABLE a ADD CONSTRAINT c CHECK (b > 0) NOT VALID;",
    "not null": "-- +goose Up\nALTER TABLE a VALIDATE CONSTRAINT c;\nALTER TABLE a ALTER COLUMN b SET NOT NULL;",
    "not null of 18": "-- +goose Up\nALTER TABLE a ADD CONSTRAINT n NOT NULL b NOT VALID;",
    "column": "-- +goose Up\nALTER TABLE a ADD COLUMN b text;",
    "constant default": "-- +goose Up\nALTER TABLE a ADD COLUMN b bigint NOT NULL DEFAULT 0;",
    "stable default": "-- +goose Up\nALTER TABLE a ADD COLUMN b timestamptz NOT NULL DEFAULT now();",
    "default of new rows": "-- +goose Up\nALTER TABLE a ALTER COLUMN b SET DEFAULT gen_random_uuid();",
    "default without a transaction": OUTSIDE + "-- +goose Up\nSELECT 1;\nALTER TABLE a ALTER COLUMN b SET DEFAULT 0;",
    "primary key": "-- +goose Up\nALTER TABLE a ADD CONSTRAINT k PRIMARY KEY USING INDEX u;",
    "unique": "-- +goose Up\nALTER TABLE a ADD CONSTRAINT u UNIQUE USING INDEX u;",
    "enum value before another": "-- +goose Up\nALTER TYPE mood ADD VALUE 'calm' BEFORE 'sad';",
    "types": f"-- +goose Up\nCREATE TABLE a ({KEY}, b text, c timestamptz, d jsonb);",
    "block without semicolon": (
        "-- +goose Up\n-- +goose StatementBegin\nSELECT 1\n-- +goose StatementEnd\nALTER TABLE a ADD COLUMN b text;"
    ),
    "batches": "-- +goose Up\nUPDATE a SET b = c WHERE id <= 1000 AND b IS DISTINCT FROM c;",
}


@pytest.fixture
def lint(run, service):
    """lint("-- +goose Up …"): make's result over a service with that migration besides its first one."""
    folder = service("avion-auth")

    def lint(content: str, *variables: str, env: dict[str, str] | None = None):
        (folder / "migrations" / NEW).write_text(content)
        return run("make", "migrate-lint", *variables, cwd=folder, env=env)

    lint.folder = folder
    return lint


def test_everything_dangerous_is_found_at_its_line(lint):
    missed = []
    alone = [("-- +goose Up\nSELECT 1;\n\n", *each) for each in DANGEROUS]
    together = [(f"-- +goose Up\n{before}\n\n", statement, rule) for before, statement, rule in DANGEROUS_TOGETHER]
    outside = [(f"{OUTSIDE}-- +goose Up\nSELECT 1;\n", *each) for each in DANGEROUS_OUTSIDE]
    for begin, statement, rule in alone + together + outside:
        result = lint(f"{begin}-- why\n{statement}\n\n-- +goose Down\nDROP TABLE never_there;\n")
        lines = result.stdout.splitlines()
        assert "Error 1" in result.stderr
        assert all(line.startswith(f"migrations/{NEW}:5:") for line in lines), lines
        if not any(f" {rule}: " in line for line in lines):
            missed.append((statement, rule, lines))
    assert missed == []


def test_a_block_is_read_as_goose_reads_it(lint, run):
    block = "-- +goose StatementBegin\nALTER TABLE a ADD COLUMN b text\n-- +goose StatementEnd\n"
    content = f"-- +goose Up\n{block}SELECT 1;\n-- +goose Down\n{block}SELECT 1;\n"
    assert lint(content).returncode == 0
    assert run("make", "migrate-validate", cwd=lint.folder).returncode == 0
    lint(content.replace("SELECT 1;\n-- +goose Down", "SELEC 1;\n-- +goose Down"))
    assert f"{NEW} line 5 is no SQL" in run("make", "migrate-validate", cwd=lint.folder).stderr


def test_nothing_safe_is_found(lint):
    for name, content in SAFE.items():
        result = lint(content + "\n\n-- +goose Down\nDROP TABLE a;\nALTER TABLE a DROP COLUMN b;\n")
        assert (result.returncode, result.stdout) == (0, ""), name


def test_examples_of_the_guide_are_clean(lint):
    for example in EXAMPLES:
        shutil.copy(example, lint.folder / "migrations")
    result = lint("-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1;\n")
    assert (result.returncode, result.stdout) == (0, "")
    assert f"there is no objection to {len(EXAMPLES) + 2} migrations" in result.stderr


def test_a_statement_can_be_excused(lint):
    excused = (
        "-- +goose Up\n-- squawk-ignore ban-drop-column\nALTER TABLE a DROP COLUMN b;\n-- +goose Down\nSELECT 1;\n"
    )
    assert lint(excused).returncode == 0
    assert lint(excused.replace("ban-drop-column", "ban-drop-table")).returncode == 2
    own = "-- +goose Up\n-- squawk-ignore require-where\nUPDATE a SET b = 1;\n-- +goose Down\nSELECT 1;\n"
    assert lint(own).returncode == 0


def test_settings_of_the_service_count(lint):
    (lint.folder / ".squawk.toml").write_text('excluded_rules = ["ban-drop-column"]\n')
    assert lint("-- +goose Up\nALTER TABLE a DROP COLUMN b;\n-- +goose Down\nSELECT 1;\n").returncode == 0


def test_only_what_the_base_does_not_have_is_linted(lint, git):
    def commit(branch: str) -> None:
        git("add", "--all", cwd=lint.folder)
        git("commit", "--quiet", "--message", branch, cwd=lint.folder)

    bad = "-- +goose Up\nDROP TABLE a;\n-- +goose Down\nSELECT 1;\n"
    git("init", "--quiet", "--initial-branch=main", cwd=lint.folder)
    (lint.folder / "migrations" / NEW).write_text(bad)
    commit("main")
    assert "no objection to 0 migrations" in lint(bad).stderr
    git("switch", "--quiet", "--create=work", cwd=lint.folder)
    (lint.folder / "migrations/00003_more.sql").write_text(bad)
    commit("work")
    for variables in ([], ["BASE=main"]):
        result = lint(bad, *variables)
        assert [line.partition(":")[0] for line in result.stdout.splitlines()] == ["migrations/00003_more.sql"]
    assert "no objection to 0 migrations" in lint(bad, "BASE=HEAD").stderr
    assert 'BASE is "$(touch x)"' in lint(bad, "BASE=$(touch x)").stderr
    assert not (lint.folder / "x").exists()


def test_github_shows_the_finding_beside_its_line(lint):
    result = lint("-- +goose Up\n\nDROP TABLE a;\n-- +goose Down\nSELECT 1;\n", env={"GITHUB_ACTIONS": "true"})
    (line,) = result.stdout.splitlines()
    assert line.startswith(f"::warning file=migrations/{NEW},line=3,col=1,title=ban-drop-table::")


def test_squawk_is_brought_without_root(lint, without_squawk):
    result = lint("-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1;\n", env={"PATH": without_squawk})
    assert result.returncode == 0, result.stderr
    assert "Bringing squawk" in result.stderr
    assert sorted(file.name for file in (lint.folder / "tools/migrate/bin").iterdir()) == [
        "migrate",
        "migrate-dev",
        "squawk",
    ]
    assert "Bringing" not in lint("-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1;\n").stderr


def test_squawk_that_cannot_be_brought_is_one_sentence(lint, without_squawk):
    variables = {"PATH": without_squawk, "PIP_NO_INDEX": "1"}
    result = lint("-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1;\n", env=variables)
    assert result.returncode == 2
    assert "could not be installed: put that version on the PATH" in result.stderr
    assert sorted(file.name for file in (lint.folder / "tools/migrate/bin").iterdir()) == ["migrate", "migrate-dev"]
