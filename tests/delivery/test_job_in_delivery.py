"""The how-to pages on kubectl, Argo CD and Helm hold complete files that the real tools take."""

import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from dev.toolchain import install
from dev.toolchain.command import run
from dev.toolchain.install import ROOT

KUBECTL, ARGO_CD, HELM = (ROOT / f"docs/how-to/run-the-job-with-{name}.md" for name in ("kubectl", "argo-cd", "helm"))
ANY_FENCE = re.compile(r"^( *)```(?:sh|yaml)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"^(?:#!/bin/sh\n)?(?:\{\{.*\}\}\n)*# ([\w./-]+\.(?:sh|yaml))(?::.*)?$", re.MULTILINE)
NEWEST_KUBERNETES = max(kubernetes_validate.utils.all_versions(), key=lambda v: tuple(map(int, v.split("."))))


def files(page: Path) -> dict[str, str]:
    """The files that a page shows, by the name in their first comment."""
    blocks = [textwrap.dedent(body) for _, body in ANY_FENCE.findall(page.read_text())]
    return {name[1]: block for block in blocks if (name := NAME.match(block))}


def write(page: Path, folder: Path) -> None:
    for name, content in files(page).items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)


def valid(documents: list[dict]) -> None:
    for document in documents:
        kubernetes_validate.validate(document, NEWEST_KUBERNETES, strict=True)


@pytest.fixture
def follow(service, run) -> Callable[..., Path]:
    """follow(HELM): a service with the files of a page, and the Job of release 1.20 in `folder`."""

    def follow(page: Path, folder: str) -> Path:
        generated = service("avion-auth")
        write(page, generated)
        rendered = run("make", "--silent", "migrate-job", "VERSION=1.20", "BUILD_NUMBER=0042", cwd=generated)
        assert rendered.returncode == 0, rendered.stderr
        target = generated / folder
        target.mkdir(parents=True, exist_ok=True)
        (target / "auth-migration-job.yaml").write_text(rendered.stdout)
        (target / "auth-migration-access.yaml").write_text(
            (generated / "k8s/migrations/auth-migration-access.yaml").read_text()
        )
        return generated

    return follow


@pytest.mark.parametrize(
    ("page", "names"),
    [
        (KUBECTL, {"migrate.sh", "deployer.yaml", "k8s/migrations/auth-migration-database.yaml"}),
        (ARGO_CD, {"kustomization.yaml", "release.sh"}),
        (HELM, {"chart/templates/migration.yaml", "deploy.sh"}),
    ],
)
def test_page_holds_its_files(page, names):
    assert set(files(page)) == names


@pytest.mark.parametrize("page", [KUBECTL, ARGO_CD, HELM])
def test_scripts_of_the_page_are_clean(page, tmp_path):
    write(page, tmp_path)
    scripts = list(tmp_path.glob("*.sh"))
    assert scripts
    result = run("shellcheck", *scripts, cwd=tmp_path)
    assert result.returncode == 0, result.stdout


def test_objects_of_the_kubectl_page_are_valid():
    for name, content in files(KUBECTL).items():
        if name.endswith(".yaml"):
            valid(list(yaml.safe_load_all(content)))


def test_another_port_needs_one_more_policy_for_the_same_pod(generate):
    policy = yaml.safe_load(files(KUBECTL)["k8s/migrations/auth-migration-database.yaml"])
    (job,) = generate().glob("k8s/migrations/*-job.yaml")
    labels = yaml.safe_load(job.read_text())["spec"]["template"]["metadata"]["labels"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()


@pytest.mark.slow
def test_argo_cd_runs_the_job_before_the_synchronisation_and_after_what_it_needs(follow):
    folder = follow(ARGO_CD, "deploy")
    (folder / "kustomization.yaml").rename(folder / "deploy/kustomization.yaml")
    result = run(install.kubernetes() / "kubectl", "kustomize", "deploy", cwd=folder)
    assert result.returncode == 0, result.stderr
    documents = {document["kind"]: document for document in yaml.safe_load_all(result.stdout)}
    valid(list(documents.values()))
    assert set(documents) == {"ServiceAccount", "NetworkPolicy", "Job"}
    waves = {}
    for kind, document in documents.items():
        annotations = document["metadata"]["annotations"]
        assert annotations["argocd.argoproj.io/hook"] == "PreSync"
        assert annotations["argocd.argoproj.io/hook-delete-policy"] == "BeforeHookCreation"
        waves[kind] = int(annotations.get("argocd.argoproj.io/sync-wave", "0"))
    assert waves["ServiceAccount"] == waves["NetworkPolicy"] < waves["Job"]
    assert_same_job(documents["Job"], folder / "deploy/auth-migration-job.yaml")


@pytest.mark.slow
def test_argo_cd_makes_no_hook_of_what_is_the_applications(follow):
    deploy = follow(ARGO_CD, "deploy") / "deploy"
    own = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "avion-auth"}}]
    own += [{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "avion-auth-report"}}]
    (deploy / "own.yaml").write_text(yaml.safe_dump_all(own))
    kustomization = yaml.safe_load(files(ARGO_CD)["kustomization.yaml"])
    kustomization["resources"].append("own.yaml")
    (deploy / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    result = run(install.kubernetes() / "kubectl", "kustomize", "deploy", cwd=deploy.parent)
    assert result.returncode == 0, result.stderr
    documents = list(yaml.safe_load_all(result.stdout))
    assert len(documents) == 5
    assert [document for document in documents if "annotations" not in document["metadata"]] == own


def assert_same_job(job: dict, file: Path) -> None:
    """Apart from its annotations, it is the Job that `make migrate-job` printed, and its version is still text."""
    job["metadata"].pop("annotations")
    assert job == yaml.safe_load(file.read_text())
    assert job["metadata"]["labels"]["app.kubernetes.io/version"] == "1.20"


@pytest.fixture
def chart(follow) -> Path:
    folder = follow(HELM, "chart/files")
    (folder / "chart/Chart.yaml").write_text("apiVersion: v2\nname: avion-auth\nversion: 0.1.0\n")
    return folder


@pytest.mark.slow
def test_helm_runs_the_job_before_the_release_and_after_what_it_needs(chart):
    result = run(install.kubernetes() / "helm", "template", "avion-auth", "chart", cwd=chart)
    assert result.returncode == 0, result.stderr
    documents = {document["kind"]: document for document in yaml.safe_load_all(result.stdout) if document}
    valid(list(documents.values()))
    assert set(documents) == {"ServiceAccount", "NetworkPolicy", "Job"}
    weights = {}
    for kind, document in documents.items():
        annotations = document["metadata"]["annotations"]
        assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation"
        weights[kind] = int(annotations["helm.sh/hook-weight"])
    assert weights["ServiceAccount"] == weights["NetworkPolicy"] < weights["Job"]
    assert documents["Job"]["metadata"]["annotations"]["helm.sh/hook-output-log-policy"] == "hook-failed"
    assert_same_job(documents["Job"], chart / "chart/files/auth-migration-job.yaml")


@pytest.mark.slow
def test_helm_lint_has_no_objection(chart):
    result = run(install.kubernetes() / "helm", "lint", "--strict", "chart", cwd=chart)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
def test_chart_without_a_job_says_how_to_write_it(chart):
    (chart / "chart/files/auth-migration-job.yaml").unlink()
    result = run(install.kubernetes() / "helm", "template", "avion-auth", "chart", cwd=chart)
    assert result.returncode != 0
    assert "make migrate-job" in result.stderr
