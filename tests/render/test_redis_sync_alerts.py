"""The alerts on the worker for Redis fire for what is wrong with it, for nothing else, and lead to a page that helps."""

import functools
import re
import shutil
from collections.abc import Callable

import pytest
import yaml

from tests.amounts import others_slow


@pytest.fixture(scope="session")
def promtool(promtool) -> Callable:
    return functools.partial(promtool, target="migrate-redis-alerts-test")


@pytest.mark.parametrize(
    "answers",
    others_slow([{}, {"kubernetes_namespace": "1e3", "prefix": "on", "prometheus_rule_labels": {"release": "off"}}], 1),
    ids=str,
)
def test_alerts_fire_as_they_should(generate, promtool, answers):
    result = promtool(generate(service_name="timeline", **answers))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("language", ["ja", "en"])
def test_alerts_lead_to_a_heading_of_the_troubleshooting_guide(rendered, language):
    service = rendered("avion-timeline", docs_language=language)
    (file,) = service.glob("monitoring/*-redis-sync-alerts.yaml")
    group = yaml.safe_load(file.read_text())["spec"]["groups"][0]
    guide = (service / "docs/migration-troubleshooting.md").read_text()
    for rule in group["rules"]:
        assert rule["annotations"]["runbook_url"].endswith(f"migration-troubleshooting.md#{rule['alert'].lower()}")
        assert re.search(rf"^#+ {rule['alert']}$", guide, re.MULTILINE)
    assert (
        "RedisSync"
        not in (rendered("avion-auth", docs_language=language) / "docs/migration-troubleshooting.md").read_text()
    )


@pytest.mark.parametrize(
    ("old", "new"),
    others_slow(
        [
            # One for each alert.
            (") > 60", ") > 600"),
            (">= 100000", "> 100000"),
            (") == 0", ") == 2"),
            ("increase(", "max_over_time("),
            ("absent(", "present_over_time("),
            ('service="avion-timeline"', 'service=~".+"'),
            ('namespace="avion", service', "service"),
            (") > 60", ") > 30"),
            (">= 100000", ">= 10000"),
            ("min by (cluster, namespace, table)", "count by (cluster, namespace, table)"),
            ("sum by (cluster, namespace, side)", "sum by (cluster, namespace, side, pod)"),
            (
                "max by (cluster, namespace, table) (\n              redis_sync_outbox_oldest",
                "(\n              redis_sync_outbox_oldest",
            ),
            ("#redissyncdown", "#redissyncbehind"),
        ],
        5,
    ),
)
def test_a_wrong_rule_is_found(rendered, promtool, tmp_path, old, new):
    timeline = rendered("avion-timeline")
    for source in ("migrations.mk", "monitoring", "tools/migrate/redis-sync"):
        copy = shutil.copytree if (timeline / source).is_dir() else shutil.copy
        copy(timeline / source, tmp_path / source)
    (file,) = tmp_path.glob("monitoring/*-redis-sync-alerts.yaml")
    rules = file.read_text()
    assert old in rules
    file.write_text(rules.replace(old, new))
    result = promtool(tmp_path)
    assert result.returncode != 0
    assert "FAILED" in result.stderr
