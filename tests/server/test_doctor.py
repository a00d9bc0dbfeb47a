"""`make migrate-doctor` passes for a service as it was generated and set up, and sees each item that is broken."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.toolchain.install import ROOT
from dev.toolchain.published import COPY, git_configuration
from tests.amounts import both_ends, others_slow
from tests.conftest import DEV, Database
from tests.covering import EVERY_SUBSET, PARTS, SUBSETS
from tests.delivery.test_workflow import delete, replace, write

CHECKLIST = ROOT / "includes/documents/checklist.yml"
JOB = "k8s/migrations/auth-migration-job.yaml"
ALERTS = "monitoring/auth-migration-alerts.yaml"
WORKFLOW = ".github/workflows/auth-migration.yml"
STATES = ["pass", "fail", "todo", "person", "skipped"]
WITHOUT_A_DATABASE = {
    *("settings", "database", "mark", "history", "pending", "indexes", "role", "application-role"),
}
NEW = "migrations/00002_new.sql"
ACCOUNTS = "-- +goose Up\nCREATE TABLE accounts (id bigint PRIMARY KEY);\n-- +goose Down\nDROP TABLE accounts;\n"
INDEX = "-- +goose Up\nCREATE INDEX new ON schema_metadata (value);\n-- +goose Down\nDROP INDEX new;\n"


@pytest.fixture(scope="module")
def configuration(template, tmp_path_factory) -> dict[str, str]:
    """Under it, git finds the template's repository on this machine."""
    return git_configuration(tmp_path_factory.mktemp("git") / "config", template)


@pytest.fixture(scope="module")
def generated(committed) -> Path:
    return committed()


@pytest.fixture
def service(generated, tmp_path) -> Path:
    """A copy of a committed service, for the test alone."""
    return shutil.copytree(generated, tmp_path / "avion-auth", symlinks=True)


class Report(dict):
    """The items of one look, by name."""

    def __init__(self, result) -> None:
        document = json.loads(result.stdout)
        super().__init__((item["item"], item) for item in document["items"])
        self.status, self.counts = result.returncode, document["counts"]
        assert list(self.counts) == sorted(STATES)
        assert self.counts == {state: len(self.of(state)) for state in STATES}
        assert document["result"] == ("fail" if self.of("fail") else "pass")
        assert self.status == (1 if self.of("fail") else 0)

    def of(self, state: str) -> set[str]:
        return {name for name, item in self.items() if item["state"] == state}


@pytest.fixture
def examine(run, configuration):
    """examine(service, **database): what the doctor says in JSON."""

    def examine(service: Path, **variables: str) -> Report:
        return Report(run(DEV, "doctor", "--json", cwd=service, env={**configuration, **variables}))

    return examine


@pytest.fixture
def migrated(service, run, database, postgres) -> Iterator[Database]:
    """The database of the service, with its first migration applied; the roles that a test adds go with it."""
    assert run("make", "migrate-up", cwd=service, env={**database, "ENVIRONMENT": "development"}).returncode == 0
    yield database
    for role in ("avion_auth_app", "avion_auth_migrator"):
        if postgres.execute(f"SELECT 1 FROM pg_roles WHERE rolname = '{role}'"):
            postgres.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}", database=database["DB_NAME"])


def set_up(service: Path, database: Database) -> None:
    """Does what the first steps say: copies .env.example, and names the server."""
    lines = (service / ".env.example").read_text().splitlines()
    values = [f"{name}={database[name]}" for name in ("DB_HOST", "DB_PORT", "DB_PASSWORD")]
    (service / ".env").write_text("\n".join([*lines, *values, ""]))


@both_ends
@pytest.mark.parametrize("answers", [(), ("docs_language=en", "production_ssl_mode=verify-full")])
def test_service_that_was_generated_and_set_up_passes(committed, run, configuration, database, answers):
    service = committed(*answers)
    set_up(service, database)
    assert run("make", "migrate-up", cwd=service).returncode == 0
    looked = run("make", "migrate-doctor", cwd=service, env=configuration)
    assert looked.returncode == 0, looked.stdout + looked.stderr
    summary, *hint = looked.stdout.splitlines()[:2]
    assert hint == ["make migrate-doctor ALL=1 shows every item with its evidence"]
    assert "fail" not in summary
    assert "to do" not in summary
    assert "not looked at" not in summary
    assert database["DB_PASSWORD"] not in looked.stdout + looked.stderr
    assert "\x1b" not in looked.stdout


def test_short_report_is_what_is_not_right_in_one_language(service, run, configuration):
    (service / JOB).write_text("")
    looked = run("make", "migrate-doctor", cwd=service, env=configuration)
    everything = run("make", "migrate-doctor", "ALL=1", cwd=service, env=configuration)
    assert looked.stdout.isascii()
    assert everything.stdout.isascii()
    assert "FAIL [x] Create the Kubernetes Job manifest" in re.sub(" +", " ", looked.stdout)
    assert "pass" not in looked.stdout.partition("\n\n")[0]
    assert 0 < len(looked.stdout.splitlines()) < len(everything.stdout.splitlines()) / 3


def test_the_checklist_has_one_wording_in_english():
    listed = re.findall(r"- item: (\S+)\n(?:(?!- item:).*\n)*?      en: \"?(.+?)\"?\n", CHECKLIST.read_text())
    groups = re.findall(r"^- ja: (.+)\n  en: (.+)$", CHECKLIST.read_text(), re.MULTILINE)
    written = (ROOT / "engine/internal/doctor/english.go").read_text()
    assert sorted(re.findall(r'^\t\t"(.+)": +"(.+)",$', written, re.MULTILINE)) == sorted([*listed, *groups])


def test_report_goes_through_the_checklist_in_its_own_order(service, examine):
    text = (service / "docs/migration-setup.md").read_text()
    titles = [line[6:] for line in text.splitlines() if line.startswith(("- [x] ", "- [ ] "))]
    items = list(examine(service).values())[: len(titles)]
    assert [item["title"] for item in items] == titles
    assert all("ticked" in item for item in items)


def test_without_a_database_the_rest_is_looked_at(service, examine):
    report = examine(service)
    assert report.status == 0
    assert report.of("skipped") == WITHOUT_A_DATABASE
    assert report.of("todo") == {"env"}


def test_service_in_a_monorepo_is_held_against_the_workflow_at_the_root(committed, examine, copier_cli, git):
    service = committed("layout=monorepo-service", folder="services/avion-auth")
    assert examine(service).of("fail") == {"workflow"}
    root = service.parents[1]
    copied = copier_cli([*COPY[1:], "--data=layout=monorepo-root", root], cwd=root)
    assert copied.returncode == 0, copied.stderr
    assert examine(service).of("fail") == set()
    replace(".github/workflows/migrations.yml", "make migrate-lint", "true")(root)
    assert examine(service).of("fail") == {"workflow"}


BROKEN = {
    "folder gone": (lambda service: shutil.rmtree(service / "scripts"), {"directories"}),
    "another driver": (replace(".goose.yml", "driver: postgres", "driver: mysql"), {"goose-yml"}),
    "targets gone": (delete("migrations.mk"), {"targets", "own-makefile"}),
    "variable gone": (replace(".env.example", "DB_SSL_MODE=disable\n", ""), {"env-example"}),
    "example that cannot be read": (write(".env.example", "DB-HOST\n"), {"env-example", "validate"}),
    "compose services gone": (delete("compose.migrations.yaml"), {"compose", "own-compose"}),
    "no migration": (delete("migrations/00001_init_schema.sql"), {"first-migration", "validate"}),
    ".env that cannot be read": (write(".env", "DB-HOST\n"), {"env"}),
    ".env not ignored": (write(".gitignore", "/bin/\n"), {"gitignore"}),
    "template's file ignored": (write(".gitignore", ".env\n/migrations.mk\n"), {"gitignore"}),
    "Makefile without the targets": (write("Makefile", "all:\n"), {"own-makefile"}),
    "Makefile with a target of the same name": (
        write("Makefile", "migrate-up:\n\t@true\ninclude migrations.mk\n"),
        {"own-makefile"},
    ),
    "Makefile gone": (delete("Makefile"), {"own-makefile"}),
    "compose file with a service of the same name": (
        write("docker-compose.yml", "include: [compose.migrations.yaml]\nservices: {migrate: {}}\n"),
        {"own-compose"},
    ),
    "workflow gone": (delete(WORKFLOW), {"workflow"}),
    "workflow without a step": (replace(WORKFLOW, "run: make migrate-check", "run: true"), {"workflow"}),
    "workflow with a step that may fail": (
        replace(WORKFLOW, "run: make migrate-lint", "run: make migrate-lint\n        continue-on-error: true"),
        {"workflow"},
    ),
    "gate that is skipped": (replace(WORKFLOW, "    if: always()\n", ""), {"workflow"}),
    "gate that does not wait": (replace(WORKFLOW, "[validate, test-migration]", "[validate]"), {"workflow"}),
    "gate with another name": (replace(WORKFLOW, "Migrations are safe", "Gate"), {"workflow"}),
    "workflow that is no YAML": (write(WORKFLOW, "jobs: [\n"), {"workflow"}),
    "Job gone": (delete(JOB), {"job"}),
    "Job that repeats a failed migration": (replace(JOB, "[1, 3, 5]", "[1, 5]"), {"job"}),
    "Job that restarts": (replace(JOB, "restartPolicy: Never", "restartPolicy: OnFailure"), {"job"}),
    "Job without an end": (replace(JOB, "activeDeadlineSeconds: 1200", "parallelism: 1"), {"job"}),
    "Job that rolls back": (replace(JOB, "args: [up]", "args: [down]"), {"job"}),
    "Job without an environment": (
        replace(JOB, "{name: ENVIRONMENT, value: production}", "{name: A, value: b}"),
        {"job"},
    ),
    "Job whose version nothing fills in": (replace(JOB, '"${VERSION}"', "${VERSION}"), {"job"}),
    "alerts gone": (delete(ALERTS), {"alerts"}),
    "one alert gone": (replace(ALERTS, "alert: MigrationFailed", "alert: Other"), {"alerts"}),
    "alerts of another service": (
        replace(ALERTS, "avion-auth-migration-[0-9]", "avion-user-migration-[0-9]"),
        {"alerts"},
    ),
    "troubleshooting guide gone": (delete("docs/migration-troubleshooting.md"), {"troubleshooting"}),
    "checklist gone": (delete("docs/migration-setup.md"), {"checklist"}),
    "answers gone": (delete(".copier-answers.yml"), {"template-version"}),
    "answers edited": (
        replace(".goose.yml", "service: avion-auth", "service: avion-user"),
        {"template-files", "alerts", "workflow"},
    ),
    "conflict left": (write("docs/x.md", "<<<<<<< before updating\n"), {"template-files"}),
    "migration without Down": (write(NEW, "-- +goose Up\nSELECT 1;\n"), {"validate"}),
    "SQL that is none": (write(NEW, ACCOUNTS.replace("TABLE", "TABEL")), {"validate", "lint"}),
    "migration that blocks": (write(NEW, INDEX), {"lint"}),
}


@pytest.mark.parametrize(("edit", "items"), BROKEN.values(), ids=BROKEN)
def test_broken_item_is_seen(service, examine, edit, items):
    edit(service)
    report = examine(service)
    assert report.of("fail") == items, {name: report[name] for name in report.of("fail")}
    for name in items:
        if report[name].get("ticked"):
            assert "says that it is done" in report[name]["evidence"]


TO_DO = {
    "update that has not come yet": (
        replace(".copier-answers.yml", "_commit: v9999.0.0", "_commit: v0.0.1"),
        {"template-version"},
    ),
    "no repository": (lambda service: shutil.rmtree(service / ".git"), {"template-files"}),
    "second Makefile": (
        lambda service: shutil.copy(service / "Makefile", service / "GNUmakefile"),
        {"wiring-notes"},
    ),
    "compose file that includes nothing": (write("docker-compose.yml", "services: {}\n"), {"own-compose"}),
    "compose file gone": (delete("docker-compose.yml"), {"own-compose"}),
    "README without a link": (write("README.md", "# avion-auth\n"), {"readme", "own-documents"}),
    "README gone": (delete("README.md"), {"readme", "own-documents"}),
    "CONTRIBUTING without a link": (write("CONTRIBUTING.md", "# Be kind\n"), {"contributing", "own-documents"}),
}


@pytest.mark.parametrize(("edit", "items"), TO_DO.values(), ids=TO_DO)
def test_what_can_wait_does_not_fail(service, examine, edit, items):
    edit(service)
    report = examine(service)
    assert report.of("todo") == {"env", *items}
    assert report.status == 0


def test_machine_without_go_and_linter_does_not_fail(service, examine, without_squawk):
    (Path(without_squawk) / "go").unlink()
    report = examine(service, PATH=without_squawk)
    assert report.of("todo") == {"env", "go", "squawk"}
    assert report.of("skipped") == {*WITHOUT_A_DATABASE, "lint"}
    assert report.status == 0


def test_template_that_is_out_of_reach_does_not_fail(service, examine):
    replace(".copier-answers.yml", "gh:org/", "ssh://nobody.invalid/org/")(service)
    report = examine(service)
    assert "the newest is not known" in report["template-version"]["evidence"]
    assert report.of("skipped") == {*WITHOUT_A_DATABASE, "template-version"}
    assert report.status == 0


def test_folder_that_is_no_checkout_is_refused(run, engine, tmp_path):
    (tmp_path / ".goose.yml").write_text("driver: postgres\n")
    refused = run(engine.with_name("migrate-dev"), "doctor", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "run doctor in a checkout of the service" in refused.stderr


def test_database_that_is_asked_for_must_answer(service, examine, database):
    set_up(service, database)
    assert examine(service).of("fail") == set()
    assert examine(service, DB_PORT="1").of("fail") == {"database"}
    assert examine(service, DB_PASSWORD="wrong").of("fail") == {"database"}


@pytest.mark.parametrize(
    "variables", [{"ENVIRONMENT": "productoin"}, {"ENVIRONMENT": "production"}, {"DB_HOST": "db.example"}]
)
def test_settings_that_the_environment_forbids_are_seen(service, examine, database, variables):
    set_up(service, database)
    report = examine(service, **variables)
    assert report.of("fail") == {"settings"}
    assert {"environment", "tls", "database"} <= report.of("skipped")


def test_environment_and_tls_are_told_with_their_origin(service, examine, migrated):
    report = examine(service, **migrated, ENVIRONMENT="test", DB_SSL_MODE="prefer")
    assert report["environment"]["evidence"] == "test, from ENVIRONMENT in the environment"
    assert report["tls"]["evidence"] == "sslmode prefer, from DB_SSL_MODE in the environment; test demands disable"
    set_up(service, migrated)
    report = examine(service)
    assert report["environment"]["evidence"] == "development, from ENVIRONMENT in .env"
    assert report["tls"]["evidence"].startswith("sslmode disable, from DB_SSL_MODE in .env;")


def test_pending_migration_and_weaker_mark_can_wait(service, examine, migrated):
    write(NEW, ACCOUNTS)(service)
    report = examine(service, **migrated)
    assert (report.of("todo"), report.status) == ({"pending"}, 0)
    assert report["pending"]["evidence"] == "1: 00002_new.sql"
    replace(".goose.yml", "staging:\n    ssl_mode: require", "staging: {}")(service)
    report = examine(service, **migrated, ENVIRONMENT="staging")
    assert report.of("todo") == {"pending", "mark", "application-role"}


DATABASE = {
    "history that was edited": ("UPDATE goose_db_version_checksum SET checksum = 'x'", {"history"}),
    "mark that nobody knows": ("UPDATE goose_db_version_environment SET environment = 'live'", {"history"}),
    "application that owns a table": (
        "CREATE ROLE avion_auth_app; GRANT avion_auth TO avion_auth_app",
        {"application-role"},
    ),
    "application that writes to the history": (
        "CREATE ROLE avion_auth_app; GRANT INSERT ON goose_db_version TO avion_auth_app",
        {"application-role"},
    ),
    "application that creates tables": (
        "CREATE ROLE avion_auth_app; GRANT CREATE ON SCHEMA public TO avion_auth_app",
        {"application-role"},
    ),
    "application that is a superuser": ("CREATE ROLE avion_auth_app SUPERUSER", {"application-role"}),
    "application that reads and writes rows": (
        "CREATE ROLE avion_auth_app; GRANT INSERT ON schema_metadata TO avion_auth_app",
        set(),
    ),
    "index that failed": (
        "CREATE INDEX broken ON schema_metadata (value);"
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass",
        {"indexes"},
    ),
}


@both_ends
@pytest.mark.parametrize(("sql", "items"), DATABASE.values(), ids=DATABASE)
def test_broken_database_is_seen(service, examine, migrated, postgres, sql, items):
    postgres.execute(sql, database=migrated["DB_NAME"])
    report = examine(service, **migrated)
    assert report.of("fail") == items, {name: report[name] for name in report.of("fail")}


def test_superuser_is_refused_where_data_counts(service, examine, migrated, postgres):
    replace(".goose.yml", "staging:\n    ssl_mode: require", "staging: {}")(service)
    superuser = {**migrated, "DB_USER": postgres.superuser, "DB_PASSWORD": postgres.password}
    assert examine(service, **superuser).of("fail") == set()
    report = examine(service, **superuser, ENVIRONMENT="staging")
    assert report.of("fail") == {"role"}
    assert "a superuser" in report["role"]["evidence"]


def test_roles_that_the_script_creates_pass(service, examine, migrated, postgres, run):
    superuser = {"PGUSER": postgres.superuser, "PGPASSWORD": postgres.password}
    script = ("psql", "-X", "--quiet", f"--dbname={migrated['DB_NAME']}", "--file=scripts/migration-roles.sql")
    assert run(*script, cwd=service, env={**migrated.libpq, **superuser}).returncode == 0
    report = examine(service, **migrated)
    assert report["application-role"]["evidence"] == "avion_auth_app may read and write rows only"


def test_nothing_is_changed(service, examine, database, git):
    assert examine(service, **database).status == 0
    assert git("status", "--porcelain", "--ignored", cwd=service) == "!! tools/migrate/bin/\n"
    assert database.query("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace") == []


def test_failures_are_annotated_on_github(service, run, configuration):
    replace(JOB, "[1, 3, 5]", "[1, 5]")(service)
    looked = run(DEV, "doctor", cwd=service, env={**configuration, "GITHUB_ACTIONS": "true"})
    assert f"::error file={JOB},line=1,title=migrate doctor%3A job::" in looked.stdout
    assert looked.stderr.startswith("migrate: items that must hold and do not: 1 of ")


ITEMS_OF_PARTS = {
    "compose": {"compose", "own-compose"},
    "github_actions": {"workflow", "required-check"},
    "kubernetes": {"job", "secret", "apply-access", "pipeline", "cronjobs"},
    "prometheus": {"alerts", "apply-alerts"},
}


@pytest.mark.parametrize(
    "chosen",
    others_slow([*SUBSETS, *(one for one in EVERY_SUBSET if one not in SUBSETS)], 3),
    ids=lambda one: "-".join([one["layout"], *(one["parts"] or ["none"])]),
)
def test_a_part_that_was_not_chosen_is_not_asked_for(committed, examine, run, chosen):
    layout, parts = chosen["layout"], chosen["parts"]
    folder = "." if layout == "repository" else "services/avion-auth"
    service = committed(f"layout={layout}", f"parts=[{', '.join(parts)}]", folder=folder)
    report = examine(service)
    # The workflow of a monorepo is that of its root, which is not there.
    assert report.of("fail") == ({"workflow"} if layout != "repository" and "github_actions" in parts else set())
    for part in PARTS:
        assert ITEMS_OF_PARTS[part] & report.keys() == (ITEMS_OF_PARTS[part] if part in parts else set())
    assert run("make", "migrate-template-check", cwd=service).returncode == 0
    assert run("make", "migrate-wire", cwd=service).returncode == 0
