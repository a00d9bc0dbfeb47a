"""Whatever the answers, every generated file is clean under the strictest setting of the linters of its kind."""

import json
import re
from pathlib import Path

import kubernetes_validate
import promql_parser
import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from dev.toolchain import install
from dev.toolchain.command import run
from dev.toolchain.install import LOCKS, ROOT
from tests.amounts import others_slow
from tests.covering import COVERING

NEWEST_KUBERNETES = sorted(kubernetes_validate.utils.all_versions(), key=lambda v: tuple(map(int, v.split("."))))[-5:]
PLACEHOLDERS = {
    "${VERSION}": "1.20",
    "${BUILD_NUMBER}": "0123456789",
    "${NAME}": "avion-cron-cleanup",
    "${JOB}": "cleanup",
    "${SCHEDULE}": "7 3 * * *",
}


def clean(*command: str | Path, folder: Path, feed: str | None = None) -> None:
    result = run(*command, cwd=folder, feed=feed)
    assert result.returncode == 0, result.stdout + result.stderr


def lint_yaml(folder: Path) -> None:
    # Copier itself writes .copier-answers.yml.
    files = {file for file in folder.rglob("*") if file.suffix in (".yml", ".yaml")}
    files.remove(folder / ".copier-answers.yml")
    clean("yamllint", "--strict", "--config-file", ROOT / ".yamllint.yml", *files, folder=folder)


def lint_workflow(folder: Path) -> None:
    for workflow in folder.glob(".github/workflows/*"):
        clean("actionlint", "-oneline", workflow, folder=folder)
        clean("zizmor", "--offline", "--pedantic", "--quiet", workflow, folder=folder)
        clean("check-jsonschema", "--builtin-schema", "vendor.github-workflows", workflow, folder=folder)


def lint_compose(folder: Path) -> None:
    for file in folder.glob("*compose*.y*ml"):
        clean("check-jsonschema", "--builtin-schema", "vendor.compose-spec", file, folder=folder)


def lint_dockerfile(folder: Path) -> None:
    for dockerfile in folder.glob("*Dockerfile"):
        clean("hadolint", dockerfile, folder=folder)


def rendered(manifest: Path) -> str:
    text = manifest.read_text()
    for placeholder, value in PLACEHOLDERS.items():
        text = text.replace(placeholder, value)
    return text


def lint_kubernetes(folder: Path) -> None:
    for manifest in folder.glob("k8s/**/*.yaml"):
        for document in yaml.safe_load_all(rendered(manifest)):
            for version in NEWEST_KUBERNETES:
                kubernetes_validate.validate(document, version, strict=True)


def lint_pod_security(folder: Path) -> None:
    for kind in ("job", "maintenance"):
        for manifest in folder.glob(f"k8s/**/*-{kind}.yaml"):
            assert pod_security(rendered(manifest)) == []


def pod_security(text: str) -> list[str]:
    """What kube-apiserver's own evaluator has against the pod of a Job in a namespace that enforces `restricted`."""
    job = yaml.safe_load(text)
    if job["kind"] == "CronJob":
        job = {"apiVersion": job["apiVersion"], "kind": "Job", **job["spec"]["jobTemplate"]}
    result = run(install.kubernetes() / "pod-security", "restricted", cwd=ROOT, feed=json.dumps(job))
    assert (result.returncode, result.stderr) in {(0, ""), (1, "")}, result.stderr
    return result.stdout.splitlines()


def lint_kube_score(folder: Path) -> None:
    # Together, since kube-score looks for the network policy of a pod.
    if manifests := sorted(folder.glob("k8s/**/*.yaml")):
        text = "\n---\n".join(rendered(manifest) for manifest in manifests)
        result = run(install.kube_score() / "kube-score", "score", "--output-format=ci", "-", cwd=folder, feed=text)
        assert result.returncode == 0, result.stdout + result.stderr


def lint_alerts(folder: Path) -> None:
    for file in folder.glob("monitoring/*.yaml"):
        rules = yaml.safe_load(file.read_text())
        Draft202012Validator(prometheus_rule_schema()).validate(rules)
        for group in rules["spec"]["groups"]:
            for rule in group["rules"]:
                promql_parser.parse(rule["expr"])


def prometheus_rule_schema() -> dict:
    module = "github.com/prometheus-operator/prometheus-operator"
    found = run("go", "mod", "download", "-json", module, cwd=LOCKS / "prometheus-operator")
    assert found.returncode == 0, found.stdout + found.stderr
    definition = Path(json.loads(found.stdout)["Dir"], "jsonnet/prometheus-operator/prometheusrules-crd.json")
    (version,) = json.loads(definition.read_text())["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]


def lint_shell(folder: Path) -> None:
    for script in folder.glob("tools/**/*.sh"):
        clean("shellcheck", script, folder=folder)


def lint_sql(folder: Path) -> None:
    # The engine sets both timeouts for the whole session.
    rules = ("require-lock-timeout", "require-statement-timeout")
    for migration in folder.glob("migrations*/*.sql"):
        applied, _, _ = migration.read_text().partition("-- +goose Down")
        options = ("--assume-in-transaction", "--pg-version=15", *(f"--exclude={rule}" for rule in rules))
        clean("squawk", *options, folder=folder, feed=applied)


def lint_makefile(folder: Path) -> None:
    for makefile in {folder / "Makefile", folder / "migrations.mk"}.intersection(folder.iterdir()):
        result = run("make", "--warn-undefined-variables", "-n", "-f", makefile, "migrate-help", cwd=folder)
        assert (result.returncode, result.stderr) == (0, "")


# Those that take a program of Kubernetes, which is built for minutes, run in `make test-slow`.
SLOW = [lint_pod_security, lint_kube_score]
LINTERS = [
    lint_yaml,
    lint_workflow,
    lint_compose,
    lint_dockerfile,
    lint_kubernetes,
    lint_alerts,
    lint_shell,
    lint_sql,
    lint_makefile,
    *(pytest.param(lint, marks=pytest.mark.slow) for lint in SLOW),
]


@pytest.fixture(
    scope="module",
    params=others_slow([{}, {"layout": "monorepo-root"}, *COVERING], 3),
    ids=lambda answers: "-".join(str(answers.get(name, "")) for name in ("layout", "postgres_version", "service_name")),
)
def generated(request, rendered) -> Path:
    return rendered("avion-auth", **request.param)


@pytest.mark.parametrize("lint", LINTERS)
def test_every_file_is_clean(lint, generated):
    lint(generated)


def test_no_file_shows_traces_of_its_template(generated):
    for file in filter(Path.is_file, generated.rglob("*")):
        if not file.is_relative_to(generated / "tools"):
            text = file.read_text()
            assert not text or re.search(r"[^\n]\n\Z", text), f"{file} does not end with one newline"
            assert not re.search(r"[ \t]$", text, re.MULTILINE), f"{file} has blanks at the end of a line"
            assert "\n\n\n\n" not in text, f"{file} has a hole in it"
            assert "{%" not in text, f"{file} holds a Jinja tag"


WORKFLOW = ".github/workflows/auth-migration.yml"
COMPOSE = "compose.migrations.yaml"
JOB = "k8s/migrations/auth-migration-job.yaml"
CHECKOUT = yaml.safe_load((ROOT / "versions.yml").read_text())["actions"]["checkout"]
FIRST_MIGRATION = "migrations/00001_init_schema.sql"
ALERTS = "monitoring/auth-migration-alerts.yaml"


@pytest.mark.parametrize(
    ("lint", "file", "good", "bad"),
    [
        (lint_yaml, COMPOSE, "volumes:\n  postgres_data:", "volumes:\n  postgres_data:\n  postgres_data:"),
        (lint_workflow, WORKFLOW, "ubuntu-24.04", "ubuntu-12.04"),
        (lint_workflow, WORKFLOW, f"@{CHECKOUT['sha']}", f"@{CHECKOUT['version']}"),
        (lint_workflow, WORKFLOW, "persist-credentials: false", "fetch-depth: 1"),
        (lint_workflow, WORKFLOW, "permissions: {}", "permissions: write-all"),
        (lint_workflow, WORKFLOW, "timeout-minutes: 15", "timeout-minute: 15"),
        (lint_workflow, WORKFLOW, "run: make migrate-up", "run: make migrate-up ${{ github.head_ref }}"),
        (lint_workflow, WORKFLOW, 'exec "$CONTAINER"', "exec $CONTAINER"),
        (lint_compose, COMPOSE, "condition: service_healthy", "condition: service_completed"),
        (lint_dockerfile, "migrations.Dockerfile", "USER 65532:65532", "USER root"),
        (lint_kubernetes, JOB, "backoffLimit: 3", "backofLimit: 3"),
        (lint_kubernetes, JOB, 'version: "${VERSION}"', "version: ${VERSION}"),
        (lint_kubernetes, JOB, "ttlSecondsAfterFinished: 604800", "ttlSecondsAfterFinished: 7d"),
        pytest.param(lint_pod_security, JOB, "runAsNonRoot: true", "runAsNonRoot: false", marks=pytest.mark.slow),
        pytest.param(
            lint_pod_security,
            JOB,
            "allowPrivilegeEscalation: false",
            "allowPrivilegeEscalation: true",
            marks=pytest.mark.slow,
        ),
        pytest.param(lint_pod_security, JOB, "drop: [ALL]", "drop: [NET_RAW]", marks=pytest.mark.slow),
        pytest.param(lint_pod_security, JOB, "{type: RuntimeDefault}", "{type: Unconfined}", marks=pytest.mark.slow),
        pytest.param(
            lint_kube_score,
            JOB,
            "readOnlyRootFilesystem: true",
            "readOnlyRootFilesystem: false",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            lint_kube_score,
            JOB,
            "name: avion-auth-migration\n        app",
            "name: other\n        app",
            marks=pytest.mark.slow,
        ),
        (lint_alerts, ALERTS, "for: 1m", "for: 1 minute"),
        (lint_alerts, ALERTS, "unless on (", "unless one ("),
        (lint_shell, "tools/migrate/build.sh", 'command -v "$go"', "command -v $go"),
        (lint_sql, FIRST_MIGRATION, "timestamptz", "timestamp"),
        (lint_sql, FIRST_MIGRATION, "key text", "key varchar(255)"),
        (lint_sql, FIRST_MIGRATION, "PRIMARY KEY,", "PRIMARY KEY,,"),
        (lint_makefile, "migrations.mk", "@$(migrate) up", "@$(migrat) up\nx := $(migrat)"),
    ],
)
def test_linters_see_what_they_are_there_for(generate, lint, file, good, bad):
    assert_found(generate(), lint, file, good, bad)


@pytest.mark.parametrize(
    ("lint", "good", "bad"),
    [
        (lint_yaml, "  gate:", "  changes: {}\n\n  gate:"),
        (lint_workflow, "needs.changes.outputs.tests", "needs.changes.outputs.test"),
        (lint_workflow, '"$BASE"', "$BASE"),
        (lint_workflow, f"@{CHECKOUT['sha']}", f"@{CHECKOUT['version']}"),
        (lint_workflow, "pull_request:\n", "pull_request_target:\n"),
        (lint_workflow, "fail-fast: false", "fail-fast: never"),
    ],
)
def test_linters_see_it_at_the_root_of_a_monorepo_too(generate, lint, good, bad):
    root = generate("avion", layout="monorepo-root")
    assert_found(root, lint, ".github/workflows/migrations.yml", good, bad)


def assert_found(folder: Path, lint, file: str, good: str, bad: str) -> None:
    text = (folder / file).read_text()
    assert good in text
    (folder / file).write_text(text.replace(good, bad))
    with pytest.raises((AssertionError, ValidationError, kubernetes_validate.ValidationError, ValueError)):
        lint(folder)


@pytest.mark.slow
def test_pod_security_refuses_a_job_that_was_written_by_hand():
    refused = pod_security((ROOT / "tests/delivery/manual_job.yaml").read_text())
    for rule in ("allowPrivilegeEscalation", "unrestricted capabilities", "runAsNonRoot", "seccompProfile"):
        assert [line for line in refused if rule in line], refused
