"""The one workflow at a monorepo's root finds the changed services by itself and tests each on its own PostgreSQL."""

import json
import sys
from pathlib import Path

import pytest
import yaml

SCRIPT = ".github/scripts/changed_services.py"
NEW_BRANCH = "0" * 40


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
        result = run(sys.executable, SCRIPT, base or before, cwd=monorepo)
        assert result.returncode == 0, result.stderr
        name, _, value = result.stdout.strip().partition("=")
        assert name == "services"
        return json.loads(value)

    return changed


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
    ],
)
def test_service_is_tested_when_something_in_its_folder_changes(changed, file, services):
    def edit(root: Path) -> None:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        with (root / file).open("a") as opened:
            opened.write("# changed\n")

    assert changed(edit) == services


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
    assert run(sys.executable, SCRIPT, main, cwd=monorepo).stdout == 'services=["avion-user"]\n'


@pytest.fixture
def workflow(generate) -> dict:
    root = generate("avion", layout="monorepo-root")
    # BaseLoader keeps `on` a word.
    return yaml.load((root / ".github/workflows/migrations.yml").read_text(), Loader=yaml.BaseLoader)


def test_root_gets_the_workflow_and_nothing_of_a_service(generate):
    root = generate("avion", layout="monorepo-root")
    files = {file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file()}
    assert files == {".copier-answers.yml", SCRIPT, ".github/workflows/migrations.yml"}


def test_steps_are_those_of_a_service_with_its_own_repository(generate, workflow):
    (file,) = generate().glob(".github/workflows/*.yml")
    own = yaml.load(file.read_text(), Loader=yaml.BaseLoader)["jobs"]["test-migration"]["steps"]
    theirs = workflow["jobs"]["test-migration"]["steps"]
    assert [step for step in own if "run" in step] == [
        step for step in theirs if "run" in step and step["name"] != "Start PostgreSQL"
    ]


def test_postgresql_is_the_one_that_the_service_develops_with(generate, workflow):
    (start,) = [step for step in workflow["jobs"]["test-migration"]["steps"] if step.get("name") == "Start PostgreSQL"]
    assert start["run"] == "docker compose --file compose.migrations.yaml up --wait postgres"
    assert "postgres" in yaml.safe_load((generate() / "compose.migrations.yaml").read_text())["services"]


def test_gate_reports_always_and_knows_every_job(workflow):
    jobs = workflow["jobs"]
    gate = jobs.pop("gate")
    assert gate["if"] == "always()"
    assert set(gate["needs"]) == set(jobs)


def test_only_commits_reach_the_shell_and_only_as_a_variable(workflow):
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
