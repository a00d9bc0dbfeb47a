"""The Kubernetes Job migrates once, waits for the database itself, and gives up where trying again cannot help."""

import re
from pathlib import Path

import pytest
import yaml

from tests.covering import COVERING

LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def manifest(service: Path) -> str:
    (file,) = service.glob("k8s/migrations/*-migration-job.yaml")
    return file.read_text()


def objects(service: Path, version: str = "1.2.3", build_number: str = "42") -> dict[str, dict]:
    text = manifest(service).replace("${VERSION}", version).replace("${BUILD_NUMBER}", build_number)
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def pod(service: Path) -> dict:
    return objects(service)["Job"]["spec"]["template"]["spec"]


def container(service: Path) -> dict:
    (only,) = pod(service)["containers"]
    return only


def environment(service: Path) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container(service)["env"] if "value" in entry}


@pytest.fixture
def job(generate) -> dict:
    return objects(generate())["Job"]


def test_pipeline_fills_in_version_and_build_number_and_nothing_else(generate):
    assert set(re.findall(r"\$\{?\w+\}?", manifest(generate()))) == {"${VERSION}", "${BUILD_NUMBER}"}


def test_version_that_looks_like_a_number_stays_text(generate):
    job = objects(generate(), version="1.20", build_number="0042")["Job"]
    assert job["metadata"]["name"] == "avion-auth-migration-0042"
    assert job["metadata"]["labels"]["app.kubernetes.io/version"] == "1.20"
    assert job["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/version"] == "1.20"


def test_longest_name_and_build_number_fit_kubernetes(generate):
    service = generate(service_name="the-longest-name-that-fits-into-jobs")
    for document in objects(service, build_number="1234567890").values():
        assert len(document["metadata"]["name"]) <= 63
        for label in document["metadata"].get("labels", {}).values():
            assert LABEL.fullmatch(label)


def test_engine_runs_up_without_shell_secret_or_init_container(generate):
    service = generate(image="registry.example.com/avion/auth-migration")
    assert container(service)["args"] == ["up"]
    assert "command" not in container(service)
    assert "initContainers" not in pod(service)
    assert container(service)["image"] == "registry.example.com/avion/auth-migration:1.2.3"
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


def test_host_and_port_come_from_the_config_map_where_there_is_one(generate):
    references = {
        entry["name"]: entry["valueFrom"]["configMapKeyRef"]
        for entry in container(generate())["env"]
        if "valueFrom" in entry
    }
    config = {"name": "avion-auth-config", "optional": True}
    assert references == {"DB_HOST": {**config, "key": "db.host"}, "DB_PORT": {**config, "key": "db.port"}}


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


def test_only_what_may_pass_is_tried_again(job):
    ignored, fatal = job["spec"]["podFailurePolicy"]["rules"]
    # First, or an evicted pod would count as a failed migration.
    assert ignored == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert fatal["action"] == "FailJob"
    assert fatal["onExitCodes"]["operator"] == "In"
    refused, failed, history, unreachable, locked = 1, 3, 5, 4, 75
    assert set(fatal["onExitCodes"]["values"]) == {refused, failed, history}
    assert not {unreachable, locked} & set(fatal["onExitCodes"]["values"])
    assert fatal["onExitCodes"]["containerName"] == job["spec"]["template"]["spec"]["containers"][0]["name"]
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    assert job["spec"]["backoffLimit"] > 0


def test_two_pods_never_migrate_at_once(job):
    assert job["spec"]["podReplacementPolicy"] == "Failed"
    assert job["spec"].get("parallelism", 1) == 1


@pytest.mark.parametrize("timeout", [1, 300, 86400])
def test_deadline_leaves_time_to_connect_and_for_a_statement_to_time_out(generate, timeout):
    service = generate(migration_timeout=timeout)
    limits = environment(service)
    assert limits["MIGRATION_TIMEOUT"] == str(timeout)
    deadline = objects(service)["Job"]["spec"]["activeDeadlineSeconds"]
    assert deadline >= int(limits["MIGRATION_CONNECT_TIMEOUT"]) + timeout


def test_failed_job_keeps_its_logs_over_a_week_end(job):
    assert job["spec"]["ttlSecondsAfterFinished"] >= 3 * 24 * 60 * 60


def test_pod_has_no_more_rights_than_it_needs(generate):
    service = generate()
    kinds = objects(service)
    assert pod(service)["serviceAccountName"] == kinds["ServiceAccount"]["metadata"]["name"]
    assert pod(service)["automountServiceAccountToken"] is False
    assert kinds["ServiceAccount"]["automountServiceAccountToken"] is False
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


def test_network_policy_lets_the_pod_reach_dns_and_postgresql_only(generate):
    kinds = objects(generate())
    policy = kinds["NetworkPolicy"]["spec"]
    labels = kinds["Job"]["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert policy["ingress"] == []
    ports = {(port["protocol"], port["port"]) for rule in policy["egress"] for port in rule["ports"]}
    assert ports == {("UDP", 53), ("TCP", 53), ("TCP", 5432)}


def test_requests_to_the_service_never_reach_the_migration(job):
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert "app" not in labels
    assert labels["app.kubernetes.io/name"] != "avion-auth"


@pytest.mark.parametrize("answers", COVERING, ids=lambda answers: answers["kubernetes_namespace"])
def test_everything_is_in_the_namespace_of_the_answer(generate, answers):
    for document in objects(generate(**answers)).values():
        assert document["metadata"]["namespace"] == answers["kubernetes_namespace"]
