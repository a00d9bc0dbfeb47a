"""The Kubernetes Job migrates once, waits for the database itself, and gives up where trying again cannot help."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.amounts import others_slow
from tests.covering import COVERING

KUBERNETES_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
DIGEST = "sha256:" + "0123456789abcdef" * 4


def manifest(service: Path) -> str:
    (file,) = service.glob("k8s/migrations/*-migration-job.yaml")
    return file.read_text()


def job(service: Path) -> dict:
    return yaml.safe_load(manifest(service))


def access(service: Path) -> dict[str, dict]:
    (file,) = service.glob("k8s/migrations/*-migration-access.yaml")
    return {document["kind"]: document for document in yaml.safe_load_all(file.read_text())}


def pod(service: Path) -> dict:
    return job(service)["spec"]["template"]["spec"]


def container(service: Path) -> dict:
    (only,) = pod(service)["containers"]
    return only


def environment(service: Path) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container(service)["env"] if "value" in entry}


@pytest.fixture
def make(run, service):
    """make(VERSION="1.2.3", BUILD_NUMBER="42"): what `make migrate-job` does in a service of its own."""
    folder = service("avion-auth")

    def make(**variables: str):
        return run("make", "migrate-job", *(f"{name}={value}" for name, value in variables.items()), cwd=folder)

    make.folder = folder
    return make


def test_target_prints_the_job_of_a_release_and_nothing_else(make):
    result = make(VERSION="1.2.3", BUILD_NUMBER="42")
    expected = manifest(make.folder).replace("${VERSION}", "1.2.3").replace("${BUILD_NUMBER}", "42")
    assert (result.returncode, result.stdout, result.stderr) == (0, expected, "")
    rendered = yaml.safe_load(result.stdout)
    assert rendered["kind"] == "Job"
    assert rendered["metadata"]["name"] == "avion-auth-migration-42"


def test_pipeline_may_give_the_values_in_the_environment(run, service):
    variables = {"VERSION": "1.2.3", "BUILD_NUMBER": "42"}
    result = run("make", "migrate-job", cwd=service(), env=variables)
    assert yaml.safe_load(result.stdout)["metadata"]["name"] == "avion-auth-migration-42"


@pytest.mark.parametrize("version", ["1.20", "0123", "1e3", "on", "null", "0x1f", "12_3", "2026-11-24", "1.2.3-rc.1"])
def test_version_that_looks_like_something_else_stays_text(make, version):
    rendered = yaml.safe_load(make(VERSION=version, BUILD_NUMBER="0042").stdout)
    assert rendered["metadata"]["name"] == "avion-auth-migration-0042"
    for labels in (rendered["metadata"]["labels"], rendered["spec"]["template"]["metadata"]["labels"]):
        assert labels["app.kubernetes.io/version"] == version
    assert rendered["spec"]["template"]["spec"]["containers"][0]["image"].endswith(f":{version}")


def test_digest_pins_the_image_and_leaves_the_labels_readable(make):
    rendered = yaml.safe_load(make(VERSION=f"1.2.3@{DIGEST}", BUILD_NUMBER="42").stdout)
    (only,) = rendered["spec"]["template"]["spec"]["containers"]
    assert only["image"] == f"ghcr.io/avion/avion-auth-migration:1.2.3@{DIGEST}"
    assert rendered["metadata"]["labels"]["app.kubernetes.io/version"] == "1.2.3"


@pytest.mark.parametrize(
    ("version", "build_number", "sentence"),
    [
        ("", "42", "VERSION is missing: name the tag of the migration image, as in VERSION=1.2.3"),
        ("1.2.3", "", "BUILD_NUMBER is missing: give the number of this run of the pipeline, as in BUILD_NUMBER=42"),
        ("1.2.3+b5", "42", 'neither an image\'s tag nor a label may hold +: tag the image "1.2.3_b5" and use that'),
        ("feature/abc", "42", '"/" may stand neither in an image\'s tag nor in a label'),
        ("-1.2.3", "42", "a label begins and ends with a letter or digit"),
        ("a" * 64, "42", "64 characters long, but a label has at most 63"),
        ("$(touch x)", "42", '"$" may stand neither'),
        (DIGEST, "42", "write both, as in VERSION=1.2.3@sha256:…"),
        ("1.2.3@sha256:abc", "42", "a digest is sha256: and 64 digits"),
        ("1.2.3", "b42", "digits only"),
        ("1.2.3", "12345678901", "room for 10 digits: use the number of the run"),
    ],
)
def test_value_that_the_cluster_would_refuse_is_refused_in_one_sentence(make, version, build_number, sentence):
    result = make(VERSION=version, BUILD_NUMBER=build_number)
    assert (result.returncode, result.stdout) == (2, "")
    refusal, *rest = result.stderr.splitlines()
    assert sentence in refusal
    assert [line for line in rest if not line.startswith("make: ***")] == []


@pytest.mark.parametrize(
    ("good", "bad", "sentence"),
    [
        ('version: "${VERSION}"', "version: ${VERSION}", "stands without quotes"),
        ("value: production", 'value: "${REGION}"', "nothing replaces ${REGION}"),
        ("-${BUILD_NUMBER}", "", 'holds no "${BUILD_NUMBER}"'),
        ("apiVersion: batch/v1", "kind: ServiceAccount\n---\napiVersion: batch/v1", "is not one YAML document"),
        ("avion-auth-migration-$", "a" * 62 + "-$", "65 characters long"),
    ],
)
def test_edited_file_that_would_go_wrong_in_the_cluster_is_refused(make, good, bad, sentence):
    (file,) = make.folder.glob("k8s/migrations/*-job.yaml")
    text = file.read_text()
    assert good in text
    file.write_text(text.replace(good, bad, 1))
    result = make(VERSION="1.2.3", BUILD_NUMBER="42")
    assert (result.returncode, result.stdout) == (2, "")
    assert sentence in result.stderr


def test_missing_file_is_one_sentence(make):
    shutil.rmtree(make.folder / "k8s")
    result = make(VERSION="1.2.3", BUILD_NUMBER="42")
    assert (result.returncode, result.stdout) == (2, "")
    assert "no k8s/migrations/*-migration-job.yaml in this folder" in result.stderr


def test_longest_name_and_build_number_fit_kubernetes(generate, engine, run):
    service = generate(service_name="the-longest-name-that-fits-into-jobs")
    result = run(engine, "job", f"--version={'v' * 63}", "--build-number=1234567890", cwd=service)
    rendered = yaml.safe_load(result.stdout)
    assert len(rendered["metadata"]["name"]) == 63
    for document in (rendered, *access(service).values()):
        assert KUBERNETES_NAME.fullmatch(document["metadata"]["name"])
        for label in document["metadata"].get("labels", {}).values():
            assert LABEL.fullmatch(label)


def test_engine_runs_up_without_shell_secret_or_init_container(generate):
    service = generate(image="registry.example.com/avion/auth-migration")
    assert container(service)["args"] == ["up"]
    assert "command" not in container(service)
    assert "initContainers" not in pod(service)
    assert container(service)["image"] == "registry.example.com/avion/auth-migration:${VERSION}"
    assert environment(service)["ENVIRONMENT"] == "production"
    assert environment(service)["MIGRATION_CONNECT_TIMEOUT"] == "120"


def test_database_url_comes_as_a_file_from_the_secret(generate):
    service = generate()
    (volume,) = pod(service)["volumes"]
    (mount,) = container(service)["volumeMounts"]
    assert volume["secret"]["secretName"] == "avion-auth-db-secret"
    assert volume["name"] == mount["name"]
    assert environment(service)["DB_URL_FILE"] == mount["mountPath"] + "/url"
    # Readable for the group that fsGroup puts the container in, and for nobody else.
    assert volume["secret"]["defaultMode"] == 0o440
    assert "secretKeyRef" not in manifest(service)


def test_what_a_cluster_decides_comes_from_the_config_map_where_there_is_one(generate):
    references = {
        entry["name"]: entry["valueFrom"]["configMapKeyRef"]
        for entry in container(generate())["env"]
        if "valueFrom" in entry
    }
    config = {"name": "avion-auth-config", "optional": True}
    keys = {"DB_HOST": "db.host", "DB_PORT": "db.port", "MIGRATION_PUSHGATEWAY_URL": "pushgateway.url"}
    assert references == {name: {**config, "key": key} for name, key in keys.items()}


@pytest.mark.parametrize(("mode", "root_cert"), [("verify-ca", "/etc/ssl/ca.crt"), ("verify-full", "/ca.crt")])
def test_own_certificate_authority_is_mounted_where_the_engine_looks_for_it(generate, mode, root_cert):
    service = generate(production_ssl_mode=mode, production_ssl_root_cert=root_cert)
    goose = yaml.safe_load((service / ".goose.yml").read_text())
    (volume,) = [volume for volume in pod(service)["volumes"] if "configMap" in volume]
    (mount,) = [mount for mount in container(service)["volumeMounts"] if mount["name"] == volume["name"]]
    assert volume["configMap"]["name"] == "avion-auth-db-ca"
    assert mount["mountPath"] == goose["environments"]["production"]["ssl_root_cert"] == root_cert
    assert [item["path"] for item in volume["configMap"]["items"]] == [mount["subPath"]]


@pytest.mark.parametrize("ssl", [{}, {"production_ssl_mode": "verify-full"}], ids=["require", "public authorities"])
def test_nothing_is_mounted_where_there_is_no_own_certificate_authority(generate, ssl):
    assert [volume["name"] for volume in pod(generate(**ssl))["volumes"]] == ["db"]


@pytest.mark.parametrize("where", ["in the URL", "in the config map"])
def test_engine_migrates_production_with_the_variables_of_the_job(
    service, run, postgres_server, certificate, create_database, tmp_path, where
):
    generated = service()
    database = create_database("avion_auth", postgres_server(certificate=certificate))
    host, port, name, user, password = (database[f"DB_{key}"] for key in ("HOST", "PORT", "NAME", "USER", "PASSWORD"))
    address, config_map = (f"{host}:{port}", {}) if where == "in the URL" else ("", {"DB_HOST": host, "DB_PORT": port})
    url = tmp_path / "url"
    url.write_text(f"postgres://{user}:{password}@{address}/{name}")
    variables = environment(generated) | config_map | {"DB_URL_FILE": str(url)}
    result = run("tools/migrate/bin/migrate", *container(generated)["args"], cwd=generated, env=variables)
    assert result.returncode == 0, result.stderr
    assert database.value("SELECT count(*) FROM pg_tables WHERE tablename = 'schema_metadata'") == 1


def test_only_what_may_pass_is_tried_again(generate):
    spec = job(generate())["spec"]
    ignored, fatal = spec["podFailurePolicy"]["rules"]
    # First, or an evicted pod would count as a failed migration.
    assert ignored == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert fatal["action"] == "FailJob"
    assert fatal["onExitCodes"]["operator"] == "In"
    refused, failed, history, unreachable, locked = 1, 3, 5, 4, 75
    assert set(fatal["onExitCodes"]["values"]) == {refused, failed, history}
    assert not {unreachable, locked} & set(fatal["onExitCodes"]["values"])
    assert fatal["onExitCodes"]["containerName"] == spec["template"]["spec"]["containers"][0]["name"]
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["backoffLimit"] > 0


def test_two_pods_never_migrate_at_once(generate):
    spec = job(generate())["spec"]
    assert spec["podReplacementPolicy"] == "Failed"
    assert spec.get("parallelism", 1) == 1


@pytest.mark.parametrize("timeout", [1, 300, 86400])
def test_deadline_leaves_time_to_connect_and_for_a_statement_to_time_out(generate, timeout):
    service = generate(migration_timeout=timeout)
    limits = environment(service)
    assert limits["MIGRATION_TIMEOUT"] == str(timeout)
    deadline = job(service)["spec"]["activeDeadlineSeconds"]
    assert deadline >= int(limits["MIGRATION_CONNECT_TIMEOUT"]) + timeout


def test_failed_job_keeps_its_logs_over_a_week_end(generate):
    assert job(generate())["spec"]["ttlSecondsAfterFinished"] >= 3 * 24 * 60 * 60


def test_pod_has_no_more_rights_than_it_needs(generate):
    service = generate()
    account = access(service)["ServiceAccount"]
    assert pod(service)["serviceAccountName"] == account["metadata"]["name"]
    assert pod(service)["automountServiceAccountToken"] is False
    assert account["automountServiceAccountToken"] is False
    assert pod(service)["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container(service)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_network_policy_lets_the_pod_reach_dns_postgresql_and_pgbouncer_only(generate):
    service = generate()
    policy = access(service)["NetworkPolicy"]["spec"]
    labels = job(service)["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert policy["ingress"] == []
    ports = {(port["protocol"], port["port"]) for rule in policy["egress"] for port in rule["ports"]}
    dns = {(protocol, port) for protocol in ("UDP", "TCP") for port in (53, 5353)}
    assert ports == dns | {("TCP", 5432), ("TCP", 6432)}


def test_no_mesh_puts_a_proxy_beside_the_migration_that_would_outlive_it(generate):
    metadata = job(generate())["spec"]["template"]["metadata"]
    assert metadata["labels"]["sidecar.istio.io/inject"] == "false"
    assert metadata["annotations"]["linkerd.io/inject"] == "disabled"


def test_pod_is_one_that_openshifts_nonroot_v2_admits(generate):
    """What that security context constraint demands, as OpenShift's manual lists it; restricted-v2 refuses any fixed user."""
    service = generate(production_ssl_mode="verify-full", production_ssl_root_cert="/etc/ssl/postgresql/ca.crt")
    spec, migrate = pod(service), container(service)
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["runAsUser"] != 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert migrate["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not migrate["securityContext"]["allowPrivilegeEscalation"]
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & set(spec)
    assert {kind for volume in spec["volumes"] for kind in volume if kind != "name"} == {"secret", "configMap"}
    guide = (service / "docs/migration-operations.md").read_text()
    assert f"--serviceaccount=avion:{spec['serviceAccountName']}" in guide


def test_requests_to_the_service_never_reach_the_migration(generate):
    labels = job(generate())["spec"]["template"]["metadata"]["labels"]
    assert "app" not in labels
    assert labels["app.kubernetes.io/name"] != "avion-auth"


@pytest.mark.parametrize("answers", others_slow(COVERING, 3), ids=lambda answers: answers["kubernetes_namespace"])
def test_everything_is_in_the_namespace_of_the_answer(generate, answers):
    service = generate(**answers)
    for document in (job(service), *access(service).values()):
        assert document["metadata"]["namespace"] == answers["kubernetes_namespace"]


def test_pushgateway_is_an_optional_key_of_the_services_config_map(generate):
    (entry,) = [each for each in container(generate())["env"] if each["name"] == "MIGRATION_PUSHGATEWAY_URL"]
    assert entry["valueFrom"]["configMapKeyRef"] == {
        "name": "avion-auth-config",
        "key": "pushgateway.url",
        "optional": True,
    }


@pytest.mark.parametrize("environment", ["staging", "production"])
@pytest.mark.parametrize("command", ["up", "status", "repair", "baseline 12", "to 11"])
def test_a_command_is_a_job_of_an_environment(make, command, environment):
    name = command.partition(" ")[0]
    release = {"VERSION": "1.2.3", "BUILD_NUMBER": "42"}
    made = yaml.safe_load(make(COMMAND=command, ENVIRONMENT=environment, CONFIRM="avion_auth_db", **release).stdout)
    (only,) = made["spec"]["template"]["spec"]["containers"]
    variables = {entry["name"]: entry.get("value") for entry in only["env"]}
    assert only["args"] == command.split()
    assert variables["ENVIRONMENT"] == environment
    assert variables.get("CONFIRM") == (None if name == "up" else "avion_auth_db")
    assert made["metadata"]["name"] == f"avion-auth-{'migration' if name == 'up' else name}-42"


def test_what_the_surroundings_say_does_not_count(run, service):
    variables = {"VERSION": "1.2.3", "BUILD_NUMBER": "42", "ENVIRONMENT": "test", "COMMAND": "down", "CONFIRM": "x"}
    folder = service()
    result = run("make", "--silent", "migrate-job", cwd=folder, env=variables)
    expected = manifest(folder).replace("${VERSION}", "1.2.3").replace("${BUILD_NUMBER}", "42")
    assert (result.stdout, result.stderr) == (expected, "")


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"COMMAND": "seed"}, 'COMMAND is "seed": a Job runs one of baseline, down,'),
        ({"COMMAND": "up now please"}, "with at most one argument"),
        ({"COMMAND": "to --json"}, "with at most one argument"),
        ({"COMMAND": "$(touch x)"}, "a Job runs one of"),
        ({"COMMAND": "status", "JOB": "numbers"}, "a Job does one of them"),
        ({"ENVIRONMENT": "test"}, 'ENVIRONMENT is "test": a Job runs in staging or production'),
        ({"ENVIRONMENT": "prodution"}, 'ENVIRONMENT is "prodution"'),
    ],
)
def test_a_command_that_is_none_for_a_job_is_refused(make, variables, sentence):
    result = make(VERSION="1.2.3", BUILD_NUMBER="42", **variables)
    assert (result.returncode, result.stdout) == (2, "")
    assert sentence in result.stderr
