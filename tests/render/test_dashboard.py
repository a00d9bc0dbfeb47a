"""The dashboard is one that Grafana understands, and each of its panels shows something where migrations run."""

import json
import re
from itertools import combinations
from pathlib import Path

import promql_parser
import pytest
import yaml

from dev.toolchain import install
from dev.toolchain.install import ROOT

FILE = ROOT / "monorepo/monitoring/migrations-dashboard.json"
DASHBOARD = json.loads(FILE.read_text())
PANELS = DASHBOARD["panels"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]

# What kube-state-metrics and the engine say while one Job has succeeded, one has failed, and one is tried again.
PLATFORM = {
    "kube_job_created{N, job_name='avion-auth-migration-42'}": "0x10",
    "kube_job_status_start_time{N, job_name='avion-auth-migration-42'}": "0x10",
    "kube_job_status_completion_time{N, job_name='avion-auth-migration-42'}": "120x10",
    "kube_job_complete{N, job_name='avion-auth-migration-42', condition='true'}": "1x10",
    "kube_job_failed{N, job_name='avion-user-migration-7', condition='true'}": "1x10",
    "kube_job_status_active{N, job_name='avion-drop-migration-3'}": "1x10",
    "kube_job_status_failed{N, job_name='avion-drop-migration-3'}": "2x10",
    "ALERTS{N, alertname='MigrationFailed', alertstate='firing', service='avion-user'}": "1x10",
    "ALERTS{N, alertname='MigrationRetrying', alertstate='firing', service='avion-drop'}": "1x10",
    "migration_pending{service='avion-user'}": "1x10",
    "migration_version{service='avion-user'}": "7x10",
    "migration_last_run_exit_code{service='avion-user'}": "3x10",
    "migration_last_run_duration_seconds{service='avion-user'}": "1.5x10",
    "migration_last_run_timestamp_seconds{service='avion-user'}": "300x10",
    "migration_last_success_timestamp_seconds{service='avion-user'}": "100x10",
}


def asked(query: str) -> str:
    """A query as Grafana sends it when all namespaces and services are chosen."""
    return query.replace("$namespace", ".+").replace("$service", ".+")


def metrics(query: str) -> set[str]:
    found = set()

    def collect(node: promql_parser.Expr) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            found.add(node.name)
        return True

    promql_parser.walk(promql_parser.parse(asked(query)), collect)
    return found


@pytest.fixture
def grafana(run):
    """grafana(dashboard): what Grafana's own types have against a dashboard."""

    def grafana(dashboard: dict) -> str:
        return run(install.dashboard(), cwd=Path("/"), feed=json.dumps(dashboard)).stderr

    return grafana


def test_grafana_knows_every_field(grafana):
    assert grafana(DASHBOARD) == ""


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        ([], "titel", "Migrations"),
        (["panels", 0], "gridpos", {}),
        (["panels", 0, "options"], "colorMode", 1),
        (["panels", 0, "targets", 0], "expression", "up"),
        (["panels", 8, "options"], "cellHeigth", "sm"),
        (["templating", "list", 1], "multi", "yes"),
    ],
)
def test_grafana_finds_a_field_that_is_wrong(grafana, where, name, value):
    dashboard = json.loads(FILE.read_text())
    place = dashboard
    for step in where:
        place = place[step]
    place[name] = value
    assert name in grafana(dashboard)


def test_panels_have_an_id_and_a_place_of_their_own_a_unit_and_words():
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for panel in PANELS:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    for one, other in combinations([panel["gridPos"] for panel in PANELS], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below


def test_values_of_the_engine_are_named_as_the_engine_names_them():
    told = {name for query in QUERIES for name in metrics(query) if name.startswith("migration_")}
    source = (ROOT / "engine/internal/metrics/run.go").read_text()
    assert told
    assert told <= set(re.findall(r'^\t\{"(migration_\w+)"', source, re.MULTILINE))


def test_every_panel_shows_something_and_follows_the_choice(run, tmp_path):
    names = {name for query in QUERIES for name in metrics(query)}
    assert names <= {series.partition("{")[0] for series in PLATFORM}
    rules = tmp_path / "rules.yaml"
    rules.write_text("groups: []\n")
    others = [query.replace("$namespace", ".+").replace("$service", "avion-gone") for query in QUERIES]
    test = {
        "rule_files": [rules.name],
        "evaluation_interval": "1m",
        "tests": [
            {
                "input_series": [
                    {"series": series.replace("N,", "namespace='avion',"), "values": values}
                    for series, values in PLATFORM.items()
                ],
                "promql_expr_test": [
                    {"expr": f"count(({query}) != 0) > bool 0", "eval_time": "5m", "exp_samples": samples}
                    for queries, samples in ((map(asked, QUERIES), [{"value": 1}]), (others, []))
                    for query in queries
                ],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test))
    result = run(install.promtool() / "promtool", "test", "rules", "test.yaml", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_variables_find_the_services_by_their_jobs():
    namespace, service = DASHBOARD["templating"]["list"][1:]
    for variable in (namespace, service):
        selector = re.fullmatch(r"label_values\((.+), \w+\)", variable["query"])[1]
        assert metrics(selector) == {"kube_job_created"}
    (name,) = re.findall(service["regex"].strip("/"), "avion-system-admin-migration-1234567890")
    assert name == "avion-system-admin"


def test_root_of_a_monorepo_gets_the_dashboard(generate):
    root = generate("avion", layout="monorepo-root")
    assert (root / "monitoring/migrations-dashboard.json").read_bytes() == FILE.read_bytes()
