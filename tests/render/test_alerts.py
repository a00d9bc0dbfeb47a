"""The alerts fire for what is wrong with this service's Jobs, for nothing else, and lead to a page that helps."""

import re
import shutil
from pathlib import Path

import promql_parser
import pytest
import yaml

from tests.amounts import others_slow

SEVERITIES = {
    "MigrationFailed": "critical",
    "MigrationTakingTooLong": "warning",
    "MigrationRetrying": "warning",
    "MigrationPodNotCreated": "warning",
}


def alerts(service: Path, group: str = "migration") -> dict[str, dict]:
    (file,) = service.glob("monitoring/*-migration-alerts.yaml")
    groups = {group["name"]: group["rules"] for group in yaml.safe_load(file.read_text())["spec"]["groups"]}
    return {rule["alert"]: rule for rule in groups[group]}


def selectors(expression: str) -> list[promql_parser.VectorSelector]:
    found = []

    def collect(node: promql_parser.Expr) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        return True

    promql_parser.walk(promql_parser.parse(expression), collect)
    return found


def matchers(selector: promql_parser.VectorSelector) -> dict[str, str]:
    return {matcher.name: matcher.value for matcher in selector.matchers.matchers}


def threshold(service: Path) -> int:
    return int(re.search(r"\) > (\d+)$", alerts(service)["MigrationTakingTooLong"]["expr"], re.MULTILINE)[1])


def test_names_and_labels_are_those_of_the_manual(rendered):
    rules = alerts(rendered())
    assert {name: rule["labels"] for name, rule in rules.items()} == {
        name: {"severity": severity, "service": "avion-auth"} for name, severity in SEVERITIES.items()
    }
    assert rules["MigrationFailed"]["annotations"]["summary"] == "Migration failed for avion-auth"
    assert rules["MigrationTakingTooLong"]["annotations"]["summary"] == "Migration taking too long for avion-auth"


@pytest.mark.parametrize("labels", [{}, {"release": "on", "example.com/role": "1", "empty": ""}])
def test_rule_carries_the_labels_that_the_operator_selects_by(rendered, labels):
    (file,) = rendered(prometheus_rule_labels=labels).glob("monitoring/*-migration-alerts.yaml")
    assert yaml.safe_load(file.read_text())["metadata"].get("labels", {}) == labels


@pytest.mark.parametrize("kind", ["migration", "backfill"])
def test_every_series_is_one_of_this_services_jobs_in_its_namespace(rendered, kind):
    for rule in alerts(rendered(kubernetes_namespace="production"), kind).values():
        for selector in selectors(rule["expr"]):
            where = matchers(selector)
            assert where["namespace"] == "production"
            assert re.fullmatch(where["job_name"], f"avion-auth-{kind}-1234567890")
            assert not re.fullmatch(where["job_name"], f"avion-auth-{kind}-tool-{kind}-42")
            assert not re.fullmatch(where["job_name"], f"avion-auth-{kind}-")
            assert not re.fullmatch(where["job_name"], f"avion-authz-{kind}-42")


def test_every_life_says_how_often_it_is_looked_at(generate):
    """Prometheus 2.42, which Debian 12 has, takes one that says nothing for no time at all."""
    files = list(generate(considerations=["redis_sync", "session_cleanup"]).glob("monitoring/tests/*.yaml"))
    assert len(files) == 3
    for file in files:
        tests = yaml.safe_load(file.read_text())["tests"]
        assert [test["name"] for test in tests if "interval" not in test] == []


@pytest.mark.parametrize("timeout", [1, 300, 86400])
def test_slow_migration_alerts_after_its_timeout_and_before_its_deadline(rendered, timeout):
    service = rendered(migration_timeout=timeout)
    (file,) = service.glob("k8s/migrations/*-job.yaml")
    (deadline,) = re.findall(r"activeDeadlineSeconds: (\d+)", file.read_text())
    assert timeout < threshold(service) < int(deadline)


def test_slow_migration_alerts_after_the_manuals_ten_minutes(rendered):
    assert threshold(rendered()) == 600


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize(
    "docs_url", ["https://github.com/avion/avion-auth/blob/main/docs", "http://wiki:8080/~docs/%E6"]
)
def test_runbook_is_a_heading_of_the_troubleshooting_guide(rendered, language, docs_url):
    service = rendered(docs_language=language, docs_url=docs_url)
    for name, rule in (alerts(service) | alerts(service, "backfill") | alerts(service, "maintenance")).items():
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert anchor == name.lower()
        assert page.startswith(f"{docs_url}/")
        guide = (service / "docs" / page.removeprefix(f"{docs_url}/")).read_text()
        assert re.search(rf"^#+ {name}$", guide, re.MULTILINE)


@pytest.mark.parametrize(
    "answers",
    others_slow(
        [
            {},
            {"kubernetes_namespace": "1e3", "prefix": "on", "migration_timeout": 1},
            {"service_name": "the-longest-name-that-fits-into-jobs", "migration_timeout": 3600},
            {"considerations": []},
            {"docs_url": "http://wiki:8080/~team/%E6%9D%B1", "prometheus_rule_labels": {"release": "off"}},
        ],
        1,
    ),
    ids=str,
)
def test_alerts_fire_as_long_as_they_should_in_every_life_of_a_job(generate, promtool, answers):
    result = promtool(generate(**answers))
    assert result.returncode == 0, result.stdout + result.stderr


FAILED, SLOW, RETRYING, NO_POD = SEVERITIES
BACKFILL = "BackfillFailed"
CRON_FAILED, OVERDUE = MAINTENANCE = ("MaintenanceFailed", "MaintenanceOverdue")
JOB = 'namespace="avion", job_name=~"avion-auth-migration-[0-9]+"'
COMPLETE = f'unless on (cluster, namespace, job_name)\n(kube_job_complete{{{JOB}, condition="true"}} == 1)\n'
ENDED_BADLY = f'unless on (cluster, namespace, job_name)\n(kube_job_failed{{{JOB}, condition="true"}} == 1)\n'
ANY_NAME = (JOB, 'namespace="avion", job_name=~"avion-auth-migration-.*"')
ANYWHERE = (JOB, 'job_name=~"avion-auth-migration-[0-9]+"')
ALONE = ("max by (cluster, namespace, job_name) ", "")


# Each is found in `make test-slow`, one for each alert in `make test`.
WRONG = [
    *((alert, "expr", *change) for alert in SEVERITIES for change in (ANY_NAME, ANYWHERE)),
    *((alert, "expr", *ALONE) for alert in SEVERITIES),
    *((alert, "labels", SEVERITIES[alert], "info") for alert in SEVERITIES),
    *((alert, "expr", COMPLETE, "") for alert in (SLOW, RETRYING, NO_POD)),
    *((alert, "expr", ENDED_BADLY, "") for alert in (SLOW, RETRYING, NO_POD)),
    *((alert, "expr", 'condition="true"', 'condition="false"') for alert in (FAILED, SLOW, RETRYING, NO_POD)),
    (FAILED, "expr", "kube_job_failed", "kube_job_complete"),
    (
        FAILED,
        "expr",
        f'(kube_job_failed{{{JOB}, condition="true"}}) == 1',
        f"(kube_job_status_failed{{{JOB}}}) > 0",
    ),
    (FAILED, "expr", "== 1", "== 0"),
    (FAILED, "expr", "< on (", "> on ("),
    (FAILED, "expr", "unless on (", "and on ("),
    (FAILED, "expr", "and on (cluster, namespace, job_name)", "or on (cluster, namespace, job_name)"),
    (FAILED, "expr", "by (cluster, namespace) (", "by (namespace) ("),
    (FAILED, "for", "", "5m"),
    (SLOW, "expr", "> 600", "> 6000"),
    (SLOW, "expr", "> 600", "> 300"),
    (SLOW, "expr", "> 600", "< 600"),
    (SLOW, "expr", "time() - max", "max"),
    (SLOW, "expr", "> 600\n", f"> 600 and on (namespace, job_name) kube_job_status_active{{{JOB}}} > 0\n"),
    (SLOW, "for", "1m", "10m"),
    (RETRYING, "expr", "> 0", "> 1"),
    (RETRYING, "expr", "> 0", ">= 0"),
    (RETRYING, "for", "1m", "0m"),
    (NO_POD, "expr", "== 0", "== 1"),
    (NO_POD, "expr", f"and on (cluster, namespace, job_name)\nkube_job_status_start_time{{{JOB}}}\n", ""),
    (NO_POD, "for", "5m", "0m"),
    (NO_POD, "for", "5m", "15m"),
    (NO_POD, "annotations", "#migrationpodnotcreated", "#migrationfailed"),
    (BACKFILL, "expr", "-backfill-[0-9]+", "-backfill-.*"),
    (BACKFILL, "expr", 'namespace="avion", ', ""),
    (BACKFILL, "expr", *ALONE),
    (BACKFILL, "expr", "(cluster, ", "("),
    (BACKFILL, "expr", 'condition="true"', 'condition="false"'),
    (BACKFILL, "expr", "kube_job_failed", "kube_job_complete"),
    (BACKFILL, "expr", "== 1", "== 0"),
    (BACKFILL, "for", "", "5m"),
    (BACKFILL, "labels", "warning", "critical"),
    (BACKFILL, "annotations", "#backfillfailed", "#migrationfailed"),
    *((alert, "expr", 'namespace="avion", ', "") for alert in MAINTENANCE),
    *((alert, "expr", "-cron-", "-") for alert in MAINTENANCE),
    *((alert, "labels", "warning", "critical") for alert in MAINTENANCE),
    (CRON_FAILED, "expr", 'condition="true"', 'condition="false"'),
    (CRON_FAILED, "expr", "unless on (", "and on ("),
    (CRON_FAILED, "expr", "< on (", "> on ("),
    (CRON_FAILED, "expr", "on (cluster, namespace, cronjob) group_left", "on (namespace, cronjob) group_left"),
    (CRON_FAILED, "expr", "< on (cluster, namespace, cronjob)", "< on (cluster, namespace)"),
    (CRON_FAILED, "for", "", "2h"),
    (OVERDUE, "expr", "> 172800", "> 86400"),
    (OVERDUE, "expr", "> 172800", "> 259200"),
    (OVERDUE, "expr", "or on (", "and on ("),
    (OVERDUE, "expr", "max by (cluster, namespace, cronjob) (kube_cronjob_created", "(kube_cronjob_created"),
    (OVERDUE, "annotations", "#maintenanceoverdue", "#maintenancefailed"),
]
FIRST = list({wrong[0]: wrong for wrong in reversed(WRONG)}.values())


@pytest.mark.parametrize(
    ("alert", "part", "old", "new"),
    [*FIRST, *(pytest.param(*wrong, marks=pytest.mark.slow) for wrong in WRONG if wrong not in FIRST)],
)
def test_a_wrong_rule_is_found(rendered, promtool, tmp_path, alert, part, old, new):
    generated = rendered()
    for source in ("migrations.mk", "monitoring"):
        copy = shutil.copytree if (generated / source).is_dir() else shutil.copy
        copy(generated / source, tmp_path / source)
    (file,) = tmp_path.glob("monitoring/*-migration-alerts.yaml")
    document = yaml.safe_load(file.read_text())
    (rule,) = [rule for group in document["spec"]["groups"] for rule in group["rules"] if rule["alert"] == alert]
    rule[part] = changed(rule.get(part, ""), old, new)
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    result = promtool(tmp_path)
    assert result.returncode != 0
    assert "FAILED" in result.stderr


def changed(part: str | dict, old: str, new: str) -> str | dict:
    if isinstance(part, dict):
        assert any(old in value for value in part.values())
        return {name: value.replace(old, new) for name, value in part.items()}
    assert old in part
    return part.replace(old, new) if old else new
