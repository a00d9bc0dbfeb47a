"""The alerts keep the manual's names, watch this service's Jobs only, and lead to a page that helps."""

import re
from pathlib import Path

import promql_parser
import pytest
import yaml


def alerts(service: Path) -> dict[str, dict]:
    (file,) = service.glob("monitoring/*-migration-alerts.yaml")
    (group,) = yaml.safe_load(file.read_text())["spec"]["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


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


def test_names_and_labels_are_those_of_the_manual(generate):
    rules = alerts(generate())
    assert {name: rule["labels"] for name, rule in rules.items()} == {
        "MigrationFailed": {"severity": "critical", "service": "avion-auth"},
        "MigrationTakingTooLong": {"severity": "warning", "service": "avion-auth"},
    }
    assert rules["MigrationFailed"]["annotations"]["summary"] == "Migration failed for avion-auth"
    assert rules["MigrationTakingTooLong"]["annotations"]["summary"] == "Migration taking too long for avion-auth"


def test_every_series_is_one_of_this_services_jobs_in_its_namespace(generate):
    for rule in alerts(generate(kubernetes_namespace="production")).values():
        for selector in selectors(rule["expr"]):
            where = matchers(selector)
            assert where["namespace"] == "production"
            assert re.fullmatch(where["job_name"], "avion-auth-migration-1234567890")
            assert not re.fullmatch(where["job_name"], "avion-auth-migration-tool-migration-42")
            assert not re.fullmatch(where["job_name"], "avion-auth-migration-")
            assert not re.fullmatch(where["job_name"], "avion-authz-migration-42")


def test_pods_that_a_retry_made_good_alert_nobody(generate):
    for rule in alerts(generate()).values():
        assert "kube_job_status_failed" not in {selector.name for selector in selectors(rule["expr"])}


@pytest.mark.parametrize("timeout", [1, 300, 86400])
def test_slow_migration_alerts_after_its_timeout_and_before_its_deadline(generate, timeout):
    service = generate(migration_timeout=timeout)
    (file,) = service.glob("k8s/migrations/*")
    (deadline,) = re.findall(r"activeDeadlineSeconds: (\d+)", file.read_text())
    assert timeout < threshold(service) < int(deadline)


def test_slow_migration_alerts_after_the_manuals_ten_minutes(generate):
    assert threshold(generate()) == 600


@pytest.mark.parametrize("language", ["ja", "en"])
def test_runbook_is_a_heading_of_the_troubleshooting_guide(generate, language):
    service = generate(docs_language=language)
    for name, rule in alerts(service).items():
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert anchor == name.lower()
        assert re.search(rf"^#+ {name}$", (service / page).read_text(), re.MULTILINE)
