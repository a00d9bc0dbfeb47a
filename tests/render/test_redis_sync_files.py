"""Who chose redis_sync gets the worker; who did not, or does no longer, gets nothing that knows Redis."""

import re
from pathlib import Path

import pytest
import yaml

ONLY = {"compose.migrations.yaml", ".env.example", "docs/migration-setup.md", "docs/migration-troubleshooting.md"}


def files(service: Path) -> dict[str, bytes]:
    found = {path.relative_to(service).as_posix(): path for path in service.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(".git/")}


def test_without_it_nothing_else_changes(generate):
    chosen = files(generate("avion-timeline", considerations=["redis_sync"]))
    others = files(generate("avion-timeline", considerations=[]))
    assert others.keys() <= chosen.keys()
    more = chosen.keys() - others.keys()
    assert {"tools/migrate/redis-sync/Dockerfile", "k8s/migrations/timeline-redis-sync.yaml"} <= more
    assert [name for name in more if "redis-sync" not in name] == ["docs/migration-considerations.md"]
    changed = {name for name in others if others[name] != chosen[name]}
    assert changed == ONLY | {".copier-answers.yml"}
    # The sealed engine is one for all services; nothing of the worker is built where nobody asks for it.
    knowing = [name for name in others if b"go-redis" in others[name] and not name.endswith(".zip")]
    assert {name.rpartition("/")[2].rpartition(".")[2] for name in knowing} == {"mod", "sum"}
    for name in ONLY:
        assert "redis" not in others[name].decode().lower().replace("redis_sync", "")


def test_an_update_that_takes_the_answer_back_removes_it(generate, template, git, copier_cli):
    service = generate("avion-timeline", considerations=["redis_sync"])
    git("init", "--quiet", cwd=service)
    git("add", "--all", cwd=service)
    git("commit", "--quiet", "--message=Before", cwd=service)
    result = copier_cli(["update", "--defaults", "--vcs-ref=:current:", "--data", "considerations=[]"], cwd=service)
    assert result.returncode == 0, result.stderr
    fresh = files(generate("avion-timeline", considerations=[]))
    left = files(service)
    assert left.keys() == fresh.keys()
    assert "redis:" not in left["compose.migrations.yaml"].decode()


def objects(service: Path, name: str) -> dict[str, dict]:
    file = service / f"k8s/migrations/timeline-{name}.yaml"
    return {each["kind"]: each for each in yaml.safe_load_all(file.read_text())}


@pytest.fixture(scope="module")
def service(rendered) -> Path:
    return rendered("avion-timeline", considerations=["redis_sync"])


def test_worker_is_reached_where_it_tells_its_metrics_and_reaches_what_it_works_on(service):
    worker = objects(service, "redis-sync")
    template, policy = worker["Deployment"]["spec"]["template"], worker["NetworkPolicy"]["spec"]
    (container,) = template["spec"]["containers"]
    (metrics,) = (int(each["value"].removeprefix(":")) for each in container["env"] if each["name"].endswith("LISTEN"))
    assert container["ports"] == [{"name": "metrics", "containerPort": metrics}]
    assert template["metadata"]["annotations"]["prometheus.io/port"] == str(metrics)
    assert policy["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert policy["ingress"] == [{"ports": [{"protocol": "TCP", "port": metrics}]}]
    jobs = objects(service, "migration-access")["NetworkPolicy"]["spec"]["egress"]
    redis = [{"protocol": "TCP", "port": 6379}, {"protocol": "TCP", "port": 6380}]
    assert policy["egress"] == [*jobs[:-1], {"ports": jobs[-1]["ports"] + redis}]


def test_worker_has_the_rights_of_the_job(service):
    worker, job = objects(service, "redis-sync"), objects(service, "migration-job")
    pods = [each["spec"]["template"]["spec"] for each in (worker["Deployment"], job["Job"])]
    for right in ("securityContext", "automountServiceAccountToken"):
        assert pods[0][right] == pods[1][right]
    assert pods[0]["containers"][0]["securityContext"] == pods[1]["containers"][0]["securityContext"]
    assert worker["ServiceAccount"]["automountServiceAccountToken"] is False
    for name in ("tools/migrate/redis-sync/Dockerfile", "migrations.Dockerfile"):
        assert re.findall(r"^USER (.+)$", (service / name).read_text(), re.MULTILINE)[-1] == "65532:65532"
