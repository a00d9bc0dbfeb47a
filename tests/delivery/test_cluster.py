"""Under a real API server and Job controller the Job does what its file says. `make test-cluster` runs this; building the
cluster takes five minutes, so `make test` does not.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from dev.toolchain import command, install
from tests.conftest import Database
from tests.delivery.test_job_in_delivery import HELM, KUBECTL, write
from tests.server.test_maintenance import CLEAN_UP

pytestmark = pytest.mark.cluster

BY_HAND = Path(__file__).parent / "manual_job.yaml"
TABLE = "SELECT count(*) FROM pg_tables WHERE tablename = 'later'"
SESSIONS = """CREATE TABLE sessions (id bigint PRIMARY KEY, expires_at timestamptz NOT NULL);
CREATE INDEX sessions_expires_at ON sessions (expires_at);
INSERT INTO sessions VALUES (1, '2020-01-01');"""
NUMBERS = "-- backfill: table=numbers key=id batch=50ms load=5%\nUPDATE numbers SET done = done + 1 WHERE id BETWEEN $1 AND $2;\n"
LATER = "-- +goose Up\nCREATE TABLE later (id int);\n{}\n-- +goose Down\nDROP TABLE later;\n"


class Cluster:
    """A cluster and ways to ask it."""

    def __init__(self, kubeconfig: Path, images: Path) -> None:
        self.kubeconfig = kubeconfig
        self.images = images

    @property
    def environment(self) -> dict[str, str]:
        programs = str(install.kubernetes())
        return {"KUBECONFIG": str(self.kubeconfig), "PATH": programs + os.pathsep + install.search_path()}

    def ask(self, *arguments: str | Path, feed: str | None = None) -> subprocess.CompletedProcess[str]:
        return command.run("kubectl", *arguments, cwd=Path("/"), env=self.environment, feed=feed)

    def kubectl(self, *arguments: str | Path, feed: str | None = None) -> str:
        result = self.ask(*arguments, feed=feed)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def get(self, *arguments: str) -> dict:
        return json.loads(self.kubectl("get", *arguments, "--output=json"))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    folder, images = tmp_path_factory.mktemp("cluster"), tmp_path_factory.mktemp("images")
    program = install.control_plane() / "control-plane"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [program, f"--folder={folder}", f"--images={images}"],
            env=command.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        kubeconfig = process.stdout.readline().strip()
        assert kubeconfig, (folder / "log").read_text()[-5000:]
        yield Cluster(Path(kubeconfig), images)
        process.communicate(timeout=60)


@dataclasses.dataclass
class Release:
    """A service whose image, secret and namespace are there, and whose Job is not yet."""

    cluster: Cluster
    folder: Path
    namespace: str
    tag: str
    database: Database

    def job(self, build_number: str = "42", **changes: str) -> str:
        result = command.run(
            *("make", "--silent", "migrate-job", f"VERSION={self.tag}", f"BUILD_NUMBER={build_number}"), cwd=self.folder
        )
        assert result.returncode == 0, result.stderr
        text = result.stdout
        for key, value in changes.items():
            lines = [line for line in text.splitlines() if line.strip().startswith(f"{key}: ")]
            assert len(lines) == 1, lines
            text = text.replace(lines[0].strip(), f"{key}: {value}")
        return text

    def command(self, build_number: str, **variables: str) -> str:
        """The Job of another command, or of another environment."""
        typed = {"VERSION": self.tag, "BUILD_NUMBER": build_number, **variables}
        words = [f"{name}={value}" for name, value in typed.items()]
        result = command.run("make", "--silent", "migrate-job", *words, cwd=self.folder)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def create(self, text: str) -> None:
        self.cluster.kubectl("create", "--filename=-", feed=text)

    def run(self, text: str) -> dict:
        self.create(text)
        return self.settled()

    def secret(self, password: str) -> None:
        host, port, name, user = (self.database[f"DB_{key}"] for key in ("HOST", "PORT", "NAME", "USER"))
        url = f"postgres://{user}:{password}@{host}:{port}/{name}"
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "avion-auth-db-secret", "namespace": self.namespace},
            "stringData": {"url": url},
        }
        self.cluster.kubectl("apply", "--filename=-", feed=json.dumps(secret))

    def get(self, *arguments: str) -> dict:
        return self.cluster.get(f"--namespace={self.namespace}", *arguments)

    def until(self, found: Callable[[], object], patience: float = 120) -> object:
        end = time.monotonic() + patience
        while not (value := found()):
            assert time.monotonic() < end, self.cluster.kubectl(
                "get", "jobs,pods,events", f"--namespace={self.namespace}", "--output=yaml"
            )
            time.sleep(0.3)
        return value

    def conditions(self, name: str = "avion-auth-migration-42") -> dict[str, str]:
        status = self.get("job", name)["status"]
        return {c["type"]: c.get("reason", "") for c in status.get("conditions", []) if c["status"] == "True"}

    def settled(self, name: str = "avion-auth-migration-42") -> dict[str, str]:
        return self.until(lambda: (c := self.conditions(name)).keys() & {"Complete", "Failed"} and c)

    def exit_codes(self) -> list[int]:
        pods = sorted(self.get("pods")["items"], key=lambda pod: pod["metadata"]["creationTimestamp"])
        states = [
            pod["status"]["containerStatuses"][0]["state"] for pod in pods if pod["status"].get("containerStatuses")
        ]
        return [state["terminated"]["exitCode"] for state in states if "terminated" in state]

    def events(self) -> str:
        return json.dumps(self.get("events"))

    def migration(self, sql: str) -> None:
        (self.folder / "migrations/00002_later.sql").write_text(LATER.format(sql))


@pytest.fixture
def release(cluster, service, create_database, postgres_server, certificate) -> Release:
    """In a namespace that enforces the restricted Pod Security Standard."""
    tag = secrets.token_hex(4)
    namespace = f"avion-{tag}"
    considerations = ["session_cleanup", "redis_sync"]
    folder = service("avion-auth", kubernetes_namespace=namespace, considerations=considerations)
    (cluster.images / tag).symlink_to(folder)
    cluster.kubectl("create", "namespace", namespace)
    # What is no pod yet is only warned about.
    standard = [f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "warn")]
    cluster.kubectl("label", "namespace", namespace, *standard)
    cluster.kubectl("apply", "--filename", folder / "k8s/migrations/auth-migration-access.yaml")
    database = create_database("avion_auth", postgres_server(certificate=certificate))
    made = Release(cluster, folder, namespace, tag, database)
    made.secret(database["DB_PASSWORD"])
    return made


def test_restricted_namespace_admits_the_pod_and_the_migrations_run(release):
    release.migration("")
    assert "Complete" in release.run(release.job())
    assert release.exit_codes() == [0]
    assert release.database.value(TABLE) == 1
    logs = release.cluster.kubectl("logs", f"--namespace={release.namespace}", "job/avion-auth-migration-42")
    assert "00002_later.sql" in logs


def test_restricted_namespace_refuses_the_pod_of_a_job_by_hand(release):
    # Elsewhere a controller creates the account that such a Job runs under.
    release.cluster.kubectl("create", "serviceaccount", "default", f"--namespace={release.namespace}")
    release.cluster.kubectl("create", f"--namespace={release.namespace}", "--filename", BY_HAND)
    release.until(lambda: 'violates PodSecurity \\"restricted' in release.events())
    assert release.get("pods")["items"] == []


def test_cronjob_is_admitted_and_its_job_deletes_what_has_expired(release):
    release.migration(SESSIONS)
    assert "Complete" in release.run(release.job())
    (release.folder / "migrations/maintenance").mkdir()
    (release.folder / "migrations/maintenance/sessions_cleanup.sql").write_text(CLEAN_UP)
    made = command.run("make", "--silent", "migrate-cronjobs", f"VERSION={release.tag}", cwd=release.folder)
    release.cluster.kubectl("apply", "--warnings-as-errors", "--filename=-", feed=made.stdout)
    release.cluster.kubectl(
        *("create", "job", "at-once", f"--namespace={release.namespace}"),
        "--from=cronjob/avion-auth-cron-sessions-cleanup",
    )
    assert "Complete" in release.settled("at-once")
    assert release.database.value("SELECT count(*) FROM sessions") == 0


def test_suspended_backfill_stops_and_goes_on_where_it_was(release):
    release.migration("CREATE TABLE numbers (id bigint PRIMARY KEY, done int NOT NULL DEFAULT 0);")
    assert "Complete" in release.run(release.job())
    release.database.query("INSERT INTO numbers SELECT generate_series(1, 100000)")
    (release.folder / "migrations/backfill").mkdir()
    (release.folder / "migrations/backfill/numbers.sql").write_text(NUMBERS)
    job = "avion-auth-backfill-43"
    made = command.run(
        *("make", "--silent", "migrate-job", "JOB=numbers", f"VERSION={release.tag}", "BUILD_NUMBER=43"),
        cwd=release.folder,
    )
    release.create(made.stdout)
    patch = ("patch", "job", job, f"--namespace={release.namespace}", "--patch")
    done = "SELECT count(*) FILTER (WHERE done = 1), count(*) FILTER (WHERE done > 1) FROM numbers"
    release.until(lambda: release.database.query(done)[0][0])
    release.cluster.kubectl(*patch, '{"spec": {"suspend": true}}')
    release.until(
        lambda: (
            "Suspended" in release.conditions(job) and not release.get("pods", f"--selector=job-name={job}")["items"]
        )
    )
    before = release.database.query(done)
    time.sleep(3)
    assert release.database.query(done) == before
    assert 0 < before[0][0] < 100_000
    release.cluster.kubectl(*patch, '{"spec": {"suspend": false}}')
    assert "Complete" in release.settled(job)
    assert release.database.query(done) == [(100_000, 0)]


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_commands_run_as_jobs_and_say_what_they_did(release, environment):
    release.migration("")
    name = release.database["DB_NAME"]

    def run(number: str, command: str) -> str:
        job = f"avion-auth-{command.partition(' ')[0]}-{number}"
        release.create(release.command(number, COMMAND=command, ENVIRONMENT=environment, CONFIRM=name))
        ended = release.settled(job)
        logs = release.cluster.kubectl("logs", f"--namespace={release.namespace}", f"job/{job}")
        assert "Complete" in ended, logs
        return logs

    assert "pending" in run("1", "status")
    release.create(release.command("2", ENVIRONMENT=environment))
    assert "Complete" in release.settled("avion-auth-migration-2")
    assert f"({environment})" in run("3", "to 1")
    assert release.database.value(TABLE) == 0
    release.database.query("DROP TABLE goose_db_version, goose_db_version_checksum CASCADE")
    run("4", "baseline 1")
    assert "nothing to repair" in run("5", "repair")
    assert f"avion_auth_db ({environment}) is at 00001" in run("6", "status")


def test_worker_for_redis_is_admitted(release):
    worker = (release.folder / "k8s/migrations/auth-redis-sync.yaml").read_text().replace("${VERSION}", release.tag)
    create = ("create", "--dry-run=server", "--warnings-as-errors", "--filename=-")
    release.cluster.kubectl(*create, feed=worker)
    as_root = release.cluster.ask(*create, feed=worker.replace("runAsNonRoot: true", "runAsNonRoot: false"))
    assert as_root.returncode != 0
    assert "would violate PodSecurity" in as_root.stderr


def test_failed_migration_is_not_tried_again(release):
    release.migration("SELECT nonsense;")
    assert release.run(release.job())["Failed"] == "PodFailurePolicy"
    assert release.exit_codes() == [3]


def test_history_that_does_not_match_is_not_tried_again(release):
    release.migration("")
    command.run("tools/migrate/bin/migrate", "up", cwd=release.folder, env=release.database)
    release.migration("-- edited")
    assert release.run(release.job())["Failed"] == "PodFailurePolicy"
    assert release.exit_codes() == [5]


def test_database_out_of_reach_is_tried_again(release):
    release.secret("wrong")
    release.create(release.job())
    release.until(lambda: release.exit_codes() == [4])
    release.secret(release.database["DB_PASSWORD"])
    assert "Complete" in release.settled()
    assert release.exit_codes() == [4, 0]


def test_lock_of_another_runner_is_waited_for(release):
    release.migration("SELECT pg_sleep(8);")
    other = subprocess.Popen(
        ["tools/migrate/bin/migrate", "up"], cwd=release.folder, env=command.environment(release.database)
    )
    try:
        release.until(lambda: release.database.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 1)
        text = release.job().replace("env:\n", 'env:\n            - {name: MIGRATION_LOCK_TIMEOUT, value: "1"}\n', 1)
        assert "Complete" in release.run(text)
        assert release.exit_codes() == [75, 0]
    finally:
        assert other.wait(timeout=60) == 0


def test_migration_that_hangs_ends_at_the_deadline_and_is_rolled_back(release):
    release.migration("SELECT pg_sleep(600);")
    assert release.run(release.job(activeDeadlineSeconds="5"))["Failed"] == "DeadlineExceeded"
    release.until(lambda: release.get("pods")["items"] == [])
    assert release.database.value(TABLE) == 0
    assert (
        release.database.value(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%600%' AND pid <> pg_backend_pid()"
        )
        == 0
    )


def test_missing_image_ends_at_the_deadline(release):
    text = release.job(activeDeadlineSeconds="5").replace(f":{release.tag}", ":missing")
    assert release.run(text)["Failed"] == "DeadlineExceeded"


def test_finished_job_goes_with_its_pods_after_its_time(release):
    assert "Complete" in release.run(release.job(ttlSecondsAfterFinished="3"))
    release.until(lambda: release.get("jobs,pods")["items"] == [])


def test_same_build_number_is_never_a_second_job(release):
    release.run(release.job())
    again = release.cluster.ask("create", "--filename=-", feed=release.job())
    assert again.returncode != 0
    assert "AlreadyExists" in again.stderr


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        ("", "", False),
        ("avion-auth-migration-42", "a" * 63, False),
        ("avion-auth-migration-42", "a" * 64, True),
        ("{tag}", "1.2.3+b5", True),
        ("{tag}", "a" * 63, False),
        ("{tag}", "a" * 64, True),
    ],
    ids=["as it is", "name of 63", "name of 64", "build metadata", "label of 63", "label of 64"],
)
def test_server_refuses_what_the_engine_refuses(release, old, new, refused):
    text = release.job()
    if old:
        text = text.replace(f'"{old.format(tag=release.tag)}"', f'"{new}"')
    result = release.cluster.ask("create", "--dry-run=server", "--filename=-", feed=text)
    assert (result.returncode != 0) is refused, result.stderr


@pytest.fixture
def pipeline(release) -> Callable[..., subprocess.CompletedProcess[str]]:
    """pipeline("43"): the script of the kubectl page, under the account that the page gives the pipeline."""
    write(KUBECTL, release.folder)
    for file in (release.folder / "migrate.sh", release.folder / "deployer.yaml"):
        text = file.read_text().replace("namespace: avion", f"namespace: {release.namespace}")
        file.write_text(text.replace("namespace=avion", f"namespace={release.namespace}"))
    release.cluster.kubectl("create", "serviceaccount", "deployer", f"--namespace={release.namespace}")
    release.cluster.kubectl("apply", "--filename", release.folder / "deployer.yaml")
    token = release.cluster.kubectl("create", "token", "deployer", f"--namespace={release.namespace}")
    configuration = yaml.safe_load(release.cluster.kubeconfig.read_text())
    configuration["users"][0]["user"] = {"token": token.strip()}
    kubeconfig = release.folder / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(configuration))

    def pipeline(build_number: str):
        variables = {**release.cluster.environment, "KUBECONFIG": str(kubeconfig)}
        variables |= {"VERSION": release.tag, "BUILD_NUMBER": build_number}
        return command.run("sh", "migrate.sh", cwd=release.folder, env=variables, timeout=120)

    return pipeline


def test_script_of_the_pipeline_shows_the_log_and_ends_well(release, pipeline):
    release.migration("")
    result = pipeline("42")
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("00002_later.sql") == 1
    assert result.stdout.endswith("job.batch/avion-auth-migration-42 completed.\n")
    assert pipeline("42").returncode != 0
    assert pipeline("43").returncode == 0


def test_script_of_the_pipeline_ends_when_the_job_fails(release, pipeline):
    release.migration("SELECT nonsense;")
    result = pipeline("42")
    assert result.returncode == 1
    assert "00002_later.sql" in result.stdout
    assert "exit code 3" in result.stderr


def test_script_of_the_pipeline_stops_at_a_value_that_is_refused(release, pipeline):
    assert pipeline("latest").returncode != 0
    assert release.get("jobs")["items"] == []


def test_helm_installs_after_the_migrations_and_not_if_they_fail(release):
    write(HELM, release.folder)
    chart = release.folder / "chart"
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: avion-auth\nversion: 0.1.0\n")
    (chart / "templates/config.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: application}\n")
    script = release.folder / "deploy.sh"
    script.write_text(script.read_text().replace("--namespace avion ", f"--namespace {release.namespace} "))

    def deploy(build_number: str):
        variables = {**release.cluster.environment, "VERSION": release.tag, "BUILD_NUMBER": build_number}
        return command.run("sh", "deploy.sh", cwd=release.folder, env=variables, timeout=120)

    # Helm owns the service account from here on.
    release.cluster.kubectl("delete", "--filename", release.folder / "k8s/migrations/auth-migration-access.yaml")
    release.migration("SELECT nonsense;")
    failed = deploy("42")
    assert failed.returncode != 0
    assert release.exit_codes() == [3]
    assert "00002_later.sql" in failed.stdout + failed.stderr
    assert "application" not in [c["metadata"]["name"] for c in release.get("configmaps")["items"]]
    release.migration("")
    installed = deploy("43")
    assert installed.returncode == 0, installed.stderr
    assert release.database.value(TABLE) == 1
    assert "application" in [c["metadata"]["name"] for c in release.get("configmaps")["items"]]
