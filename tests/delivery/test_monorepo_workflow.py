"""The one workflow at a monorepo's root finds the changed services by itself and tests each on its own PostgreSQL."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from dev.toolchain.published import COPY
from tests import actions

SCRIPT = ".github/scripts/changed_services.py"
NEW_BRANCH = "0" * 40
IMAGES = "postgres:15.1@sha256:a postgres:16.2@sha256:b postgres:17.3@sha256:c"


@pytest.fixture
def monorepo(generate, git) -> Path:
    """A committed monorepo with services whose names begin alike, and a folder that is no service."""
    root = generate("avion", layout="monorepo-root")
    for folder in ("avion-user", "avion-user-media", "platform/avion-auth"):
        (root / folder / "migrations").mkdir(parents=True)
        (root / folder / ".goose.yml").write_text("driver: postgres\n")
        (root / folder / "main.go").write_text("package main\n")
    (root / "docs").mkdir()
    (root / "docs" / "README.md").write_text("# Avion\n")
    git("init", "--quiet", "--initial-branch=main", cwd=root)
    commit(git, root)
    return root


def commit(git, root: Path) -> str:
    """Commits everything; the commit that was the newest before."""
    git("add", "--all", cwd=root)
    git("commit", "--quiet", "--allow-empty", "--message=change", cwd=root)
    return git("rev-parse", "HEAD", cwd=root).strip()


@pytest.fixture
def changed(run, git, monorepo):
    """changed(edit): the services that the workflow would test after the edit."""

    def changed(edit=lambda root: None, base: str | None = None) -> list[str]:
        before = git("rev-parse", "HEAD", cwd=monorepo).strip()
        edit(monorepo)
        commit(git, monorepo)
        return services_of(run(sys.executable, SCRIPT, base or before, cwd=monorepo, env={"IMAGES": IMAGES}))

    return changed


def outputs(result) -> dict[str, list]:
    assert result.returncode == 0, result.stderr
    lines = dict(line.split("=", 1) for line in result.stdout.splitlines())
    assert set(lines) == {"services", "tests"}
    return {name: json.loads(value) for name, value in lines.items()}


def services_of(result) -> list[str]:
    return [service["service"] for service in outputs(result)["services"]]


# In the order of the paths.
ALL = ["avion-user-media", "avion-user", "platform/avion-auth"]


@pytest.mark.parametrize(
    ("file", "services"),
    [
        ("avion-user/migrations/00002_名前.sql", ["avion-user"]),
        ("avion-user-media/main.go", ["avion-user-media"]),
        ("platform/avion-auth/k8s/migrations/new.yaml", ["platform/avion-auth"]),
        ("docs/new.md", []),
        (".github/workflows/migrations.yml", ALL),
        (SCRIPT, ALL),
        (".copier-answers.yml", []),
    ],
)
def test_service_is_tested_when_something_in_its_folder_changes(changed, file, services):
    def edit(root: Path) -> None:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        with (root / file).open("a") as opened:
            opened.write("# changed\n")

    assert changed(edit) == services


def test_many_services_are_tested_on_fewer_majors_as_github_allows(run, git, monorepo):
    for number in range(100):
        service = monorepo / f"avion-{number:03}"
        service.mkdir()
        (service / ".goose.yml").write_text("dir: ./migrations\n")
    commit(git, monorepo)
    tests = outputs(run(sys.executable, SCRIPT, NEW_BRANCH, cwd=monorepo, env={"IMAGES": IMAGES}))["tests"]
    assert len(tests) <= 256
    majors = [test["postgres"] for test in tests if test["service"] == "avion-042"]
    assert majors == [re.search(r"postgres:(\d+)", image)[1] for image in (IMAGES.split()[0], IMAGES.split()[-1])]


def test_nothing_is_tested_when_nothing_changes(changed):
    assert changed() == []


def test_every_service_is_tested_on_a_new_branch(changed):
    assert changed(base=NEW_BRANCH) == ALL


def test_both_services_are_tested_when_a_file_moves_between_them(changed):
    def move(root: Path) -> None:
        (root / "avion-user/main.go").rename(root / "avion-user-media/moved.go")

    assert changed(move) == ["avion-user-media", "avion-user"]


def test_removed_service_is_not_tested(changed):
    def remove(root: Path) -> None:
        for file in ("main.go", ".goose.yml"):
            (root / "avion-user" / file).unlink()

    assert changed(remove) == []


def test_changes_of_the_base_branch_since_the_branch_began_do_not_count(run, git, monorepo):
    git("switch", "--quiet", "--create", "feature", cwd=monorepo)
    (monorepo / "avion-user/main.go").write_text("package user\n")
    commit(git, monorepo)
    git("switch", "--quiet", "main", cwd=monorepo)
    (monorepo / "avion-user-media/main.go").write_text("package media\n")
    main = commit(git, monorepo)
    git("switch", "--quiet", "feature", cwd=monorepo)
    result = run(sys.executable, SCRIPT, main, cwd=monorepo, env={"IMAGES": IMAGES})
    assert services_of(result) == ["avion-user"]


def test_service_is_tested_on_its_own_version_of_postgresql_and_newer_ones(run, monorepo):
    compose = monorepo / "platform/avion-auth/compose.migrations.yaml"
    compose.write_text("services:\n  postgres:\n    image: postgres:16.9@sha256:d\n")
    result = run(sys.executable, SCRIPT, NEW_BRANCH, cwd=monorepo, env={"IMAGES": IMAGES})
    facts = {"service": "platform/avion-auth", "name": "platform-avion-auth"}
    assert [test for test in outputs(result)["tests"] if test["service"] == "platform/avion-auth"] == [
        {**facts, "postgres": "16", "image": "postgres:16.2@sha256:b"},
        {**facts, "postgres": "17", "image": "postgres:17.3@sha256:c"},
    ]


def test_service_that_is_newer_than_the_root_is_not_passed_over(run, monorepo):
    (monorepo / "avion-user/compose.migrations.yaml").write_text("image: postgres:18.1@sha256:d\n")
    result = run(sys.executable, SCRIPT, NEW_BRANCH, cwd=monorepo, env={"IMAGES": IMAGES})
    assert result.returncode == 1
    assert result.stderr == "avion-user has PostgreSQL 18, which IMAGES lacks: run copier update at the root.\n"


@pytest.fixture
def workflow(generate) -> dict:
    return actions.read(generate("avion", layout="monorepo-root") / ".github/workflows/migrations.yml")


def test_root_gets_the_workflow_and_nothing_of_a_service(generate):
    root = generate("avion", layout="monorepo-root")
    files = {file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file()}
    dashboard = "monitoring/migrations-dashboard.json"
    assert files == {".copier-answers.yml", SCRIPT, ".github/workflows/migrations.yml", dashboard}


def test_steps_are_those_of_a_service_with_its_own_repository(generate, workflow):
    (file,) = generate().glob(".github/workflows/*.yml")
    for name, own in actions.read(file)["jobs"].items():
        if name != "gate":
            theirs = workflow["jobs"][name]["steps"]
            assert [step["run"] for step in own["steps"] if "run" in step] == [
                step["run"] for step in theirs if "run" in step
            ]


def test_gate_reports_always_and_knows_every_job(workflow):
    jobs = workflow["jobs"]
    gate = jobs.pop("gate")
    assert gate["if"] == "always()"
    assert set(gate["needs"]) == set(jobs)


def test_only_commits_reach_the_shell_and_only_as_a_variable(workflow):
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")


WITH_BLANK = "more services/avion-user"
NEW = "-- +goose Up\nALTER TABLE schema_metadata ADD COLUMN n bigint;\n\n-- +goose Down\n"
GOOD = NEW + "ALTER TABLE schema_metadata DROP COLUMN n;\n"
BAD = NEW + "SELECT 1;\n"
PASSED = {"changes": "success", "validate": "success", "test-migration": "success", "gate": "success"}
NOTHING_TO_DO = {**PASSED, "validate": "skipped", "test-migration": "skipped"}
STOPPED = {**PASSED, "test-migration": "failure", "gate": "failure"}


@pytest.fixture(scope="module")
def services(copier_cli, tmp_path_factory) -> Path:
    """A monorepo whose services have different major versions of PostgreSQL."""
    root = tmp_path_factory.mktemp("monorepo") / "avion"
    for folder, answers in {
        ".": ["layout=monorepo-root"],
        "avion-auth": ["layout=monorepo-service"],
        WITH_BLANK: ["layout=monorepo-service", "service_name=user", "postgres_version=17"],
    }.items():
        data = [f"--data={answer}" for answer in answers]
        copied = copier_cli([*COPY[1:], *data, root / folder], cwd=root.parent)
        assert copied.returncode == 0, copied.stderr
    return root


@pytest.fixture(scope="module")
def repository(services, tmp_path_factory) -> actions.Repository:
    return actions.Repository(tmp_path_factory.mktemp("repository"), services)


def schemas(outcome: actions.Outcome) -> set[str]:
    return {name for name in outcome.artifacts if not name.endswith("-programs")}


def migration(service: str, content: str):
    return lambda root: (root / service / "migrations/00002_new.sql").write_text(content)


def test_only_the_changed_service_runs(runners, repository):
    event = repository.pull_request(migration(WITH_BLANK, GOOD))
    outcome = runners.run(repository, event, ["17", "18"])
    assert outcome.results == PASSED, outcome.output
    assert schemas(outcome) == {
        "more services-avion-user-schema-postgres-17",
        "more services-avion-user-schema-postgres-18",
    }


def test_bad_service_stops_the_pull_request(runners, repository):
    event = repository.pull_request(migration("avion-auth", GOOD), migration(WITH_BLANK, BAD))
    outcome = runners.run(repository, event, ["17"])
    assert outcome.results == STOPPED, outcome.output
    assert outcome.failed[0] == "test-migration: Check each migration"


def test_service_whose_set_up_is_broken_stops_the_pull_request(runners, repository):
    def remove(root: Path) -> None:
        (root / WITH_BLANK / "k8s/migrations/user-migration-job.yaml").unlink()

    outcome = runners.run(repository, repository.pull_request(remove), ["17"])
    assert outcome.results == STOPPED, outcome.output
    assert outcome.failed[0] == "test-migration: Check the set-up"


def test_unfinished_update_of_the_root_stops_the_pull_request(runners, repository):
    def conflict(root: Path) -> None:
        answers = root / ".copier-answers.yml"
        answers.write_text(f"<<<<<<< before updating\n{answers.read_text()}>>>>>>> after updating\n")

    outcome = runners.run(repository, repository.pull_request(conflict))
    assert outcome.failed == ["changes: Find changed services", "gate: Fail unless every changed service passed"]
    assert ".copier-answers.yml holds conflict markers" in outcome.output


def test_mistake_is_shown_in_the_service_that_has_it(runners, repository):
    outcome = runners.run(repository, repository.pull_request(migration(WITH_BLANK, "-- +goose Up\nSELECT 1;\n")))
    assert outcome.failed[0] == "validate: Validate migration files"
    assert f"::error file={WITH_BLANK}/migrations/00002_new.sql," in outcome.output


def test_new_service_needs_no_edit_at_the_root(runners, repository, services):
    def add(root: Path) -> None:
        shutil.copytree(services / "avion-auth", root / "avion-drop")

    outcome = runners.run(repository, repository.pull_request(add))
    assert outcome.results == PASSED, outcome.output
    assert schemas(outcome) == {"avion-drop-schema-postgres-15"}


@pytest.mark.parametrize(
    "edit",
    [
        lambda root: (root / "README.md").write_text("# Avion\n"),
        lambda root: shutil.rmtree(root / "avion-auth"),
    ],
    ids=["nothing of a service changed", "service removed"],
)
def test_gate_passes_where_nothing_is_to_be_tested(runners, repository, edit):
    assert runners.run(repository, repository.pull_request(edit)).results == NOTHING_TO_DO


def test_every_service_runs_on_the_first_push(runners, repository):
    outcome = runners.run(repository, repository.first_push(), ["17"])
    assert outcome.results == PASSED, outcome.output
    assert len(schemas(outcome)) == 2


def test_gate_fails_where_the_search_fails(runners, repository):
    event = repository.pull_request(lambda root: (root / SCRIPT).write_text("raise SystemExit(1)\n"))
    outcome = runners.run(repository, event)
    assert outcome.results == {**NOTHING_TO_DO, "changes": "failure", "gate": "failure"}


def test_push_of_two_commits_is_searched_as_a_whole(runners, services, tmp_path):
    repository = actions.Repository(tmp_path, services)
    event = repository.push(migration("avion-auth", BAD), lambda root: (root / "README.md").write_text("# Avion\n"))
    assert runners.run(repository, event).results == STOPPED
