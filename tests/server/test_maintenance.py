"""Maintenance jobs delete and keep partitions for a role without rights, and run in CronJobs to the standard of the Job."""

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from dev.toolchain.command import environment
from tests.amounts import both_ends
from tests.delivery.test_job import KUBERNETES_NAME, LABEL, job

TABLES = """-- +goose Up
CREATE TABLE sessions (id bigint PRIMARY KEY, expires_at timestamptz NOT NULL);
INSERT INTO sessions SELECT n, now() - n * interval '1 hour' + interval '30 minutes' FROM generate_series(1, 50000) n;
CREATE INDEX sessions_expires_at ON sessions (expires_at);
CREATE TABLE audit_log (id bigint, occurred_at timestamptz NOT NULL) PARTITION BY RANGE (occurred_at);
CREATE TABLE audit_log_2020 PARTITION OF audit_log FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
-- +goose Down
DROP TABLE audit_log;
DROP TABLE sessions;
"""
CLEAN_UP = "-- maintenance: kind=delete table=sessions key=expires_at,id retain=1d batch=10ms load=100%\n"
PARTITIONS = "-- maintenance: kind=partitions table=audit_log column=occurred_at every=month ahead=3 retain=400d schedule=daily\n"


@pytest.fixture
def maintained(service) -> Path:
    """A service with a job of each kind."""
    folder = service()
    (folder / "migrations/00002_tables.sql").write_text(TABLES)
    (folder / "migrations/maintenance").mkdir()
    (folder / "migrations/maintenance/sessions_cleanup.sql").write_text(CLEAN_UP)
    (folder / "migrations/maintenance/audit_log_partitions.sql").write_text(PARTITIONS)
    return folder


@both_ends
def test_target_lists_the_jobs_and_runs_one(maintained, run, database, postgres):
    def make(*variables: str) -> subprocess.CompletedProcess[str]:
        return run("make", "migrate-maintain", *variables, cwd=maintained, env=database)

    assert run("make", "migrate-up", cwd=maintained, env=database).returncode == 0
    assert [line.split()[-1] for line in make().stdout.splitlines()] == ["audit_log_partitions", "sessions_cleanup"]
    assert make("JOB=sessions_cleanup").returncode == 0
    assert database.value("SELECT max(id) FROM sessions") == 24
    assert make("JOB=audit_log_partitions").returncode == 0
    assert database.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit_log'::regclass") == 4
    assert database.value("SELECT to_regclass('audit_log_2020')") is None


def test_killed_run_is_continued_by_the_next(maintained, engine, run, database):
    assert run(engine, "up", cwd=maintained, env=database).returncode == 0
    killed = subprocess.Popen(
        [engine, "maintain", "sessions_cleanup"],
        cwd=maintained,
        env=environment(database),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(0.3)
    killed.kill()
    killed.wait(timeout=30)
    assert run(engine, "maintain", "sessions_cleanup", cwd=maintained, env=database).returncode == 0
    assert database.value("SELECT count(*) FROM sessions") == 24


def cronjobs(text: str) -> dict[str, dict]:
    return {document["metadata"]["name"]: document for document in yaml.safe_load_all(text)}


@pytest.fixture
def printed(maintained, run) -> dict[str, dict]:
    result = run("make", "--silent", "migrate-cronjobs", "VERSION=1.20", cwd=maintained)
    assert (result.returncode, result.stderr) == (0, "")
    return cronjobs(result.stdout)


def test_every_job_has_a_cronjob_that_runs_it_alone(printed):
    assert list(printed) == ["avion-auth-cron-audit-log-partitions", "avion-auth-cron-sessions-cleanup"]
    for name, document in printed.items():
        spec = document["spec"]
        (container,) = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        command, which = container["args"]
        assert (command, "avion-auth-cron-" + which.replace("_", "-")) == ("maintain", name)
        assert container["image"] == "ghcr.io/avion/avion-auth-migration:1.20"
        assert spec["concurrencyPolicy"] == "Forbid"
        assert spec["startingDeadlineSeconds"] >= 200  # with less, a busy controller misses runs for good
        assert spec["timeZone"] == "Etc/UTC"
    assert [document["spec"]["schedule"].split()[1] for document in printed.values()] == ["3", "*"]


def test_pod_and_its_failures_are_those_of_the_job(printed, maintained):
    theirs = job(maintained)["spec"]
    for document in printed.values():
        ours = document["spec"]["jobTemplate"]["spec"]
        for same in ("backoffLimit", "podReplacementPolicy", "podFailurePolicy", "ttlSecondsAfterFinished"):
            assert ours[same] == theirs[same]
        assert ours["activeDeadlineSeconds"] > theirs["activeDeadlineSeconds"]
        pod = ours["template"]["spec"]
        expected = theirs["template"]["spec"]
        for container in (*pod["containers"], *expected["containers"]):
            container.pop("args", None)
            container.pop("image", None)
        assert pod == expected
        labels = ours["template"]["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "avion-auth-migration"
        assert labels["app.kubernetes.io/version"] == "1.20"


def test_longest_names_fit_a_cronjob_and_stay_apart(generate, engine, run):
    service = generate(service_name="the-longest-name-that-fits-into-jobs", considerations=["session_cleanup"])
    (service / "migrations/maintenance").mkdir()
    for name in ("one", "sessions_of_guests_cleanup", "sessions_of_users_cleanup"):
        (service / f"migrations/maintenance/{name}.sql").write_text(CLEAN_UP)
    names = list(cronjobs(run(engine, "cronjobs", f"--version={'v' * 63}", cwd=service).stdout))
    assert len(set(names)) == 3
    for name in names:
        assert KUBERNETES_NAME.fullmatch(name)
        assert len(name) <= 52
        assert name.startswith("avion-the-longest-name-that-fits-into-jobs-cron-")


def test_no_file_without_a_reason(generate, engine, run):
    service = generate(considerations=["password_rehash"])
    assert not [file for folder in ("k8s", "monitoring") for file in (service / folder).rglob("*maintenance*")]
    refused = run(engine, "cronjobs", "--version=1", cwd=service)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "choose session_cleanup or audit_retention" in refused.stderr


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda folder: (folder / "migrations/maintenance/sessions_cleanup.sql").write_text("x"), "0 lines '-- maint"),
        (lambda folder: replaced(folder, '"${SCHEDULE}"', '"5 * * * *"'), 'holds no "${SCHEDULE}"'),
        (lambda folder: replaced(folder, '"${NAME}"', "${NAME}"), "stands without quotes"),
        (lambda folder: replaced(folder, "Etc/UTC", '"${ZONE}"'), "nothing replaces ${ZONE}"),
    ],
)
def test_what_would_go_wrong_in_the_cluster_is_refused(
    maintained, engine, run, change: Callable[[Path], object], sentence
):
    change(maintained)
    refused = run(engine, "cronjobs", "--version=1", cwd=maintained)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert sentence in refused.stderr


def replaced(folder: Path, old: str, new: str) -> None:
    (file,) = folder.glob("k8s/migrations/*-migration-maintenance.yaml")
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.fixture
def backfill_job(service, run) -> Callable[..., subprocess.CompletedProcess[str]]:
    folder = service()
    (folder / "migrations/backfill").mkdir()
    (folder / "migrations/backfill/on.sql").write_text(
        "-- backfill: table=accounts key=id\nUPDATE accounts SET a = b WHERE id BETWEEN $1 AND $2;\n"
    )

    def backfill_job(name: str) -> subprocess.CompletedProcess[str]:
        return run("make", "migrate-job", "VERSION=1.20", "BUILD_NUMBER=0123456789", f"JOB={name}", cwd=folder)

    backfill_job.folder = folder
    return backfill_job


def test_job_of_a_backfill_is_the_job_with_more_time(backfill_job):
    result = backfill_job("on")
    assert (result.returncode, result.stderr) == (0, "")
    ours, theirs = yaml.safe_load(result.stdout), job(backfill_job.folder)
    assert ours["metadata"]["name"] == "avion-auth-backfill-0123456789"
    assert ours["spec"].pop("activeDeadlineSeconds") > 24 * 3600 > theirs["spec"].pop("activeDeadlineSeconds")
    (container,), (expected,) = (each["spec"]["template"]["spec"]["containers"] for each in (ours, theirs))
    assert container.pop("args") == ["backfill", "on"]
    assert container.pop("image") == "ghcr.io/avion/avion-auth-migration:1.20"
    del expected["args"], expected["image"]
    for each in (ours, theirs):
        for labels in (each["metadata"].pop("labels"), each["spec"]["template"]["metadata"].pop("labels")):
            assert labels["app.kubernetes.io/name"] == "avion-auth-migration"
            assert all(LABEL.fullmatch(value) for key, value in labels.items() if key != "app.kubernetes.io/version")
    assert ours["spec"] == theirs["spec"]
    assert "two statements" not in result.stdout.lower()


def test_backfill_that_is_not_there_has_no_job(backfill_job):
    result = backfill_job("other")
    assert (result.returncode, result.stdout) == (2, "")
    assert re.search(r"there is no migrations/backfill/other.sql", result.stderr)
