"""docs/how-to/managed-databases.md: the answer reaches engine and Job, and a server's certificate is really checked."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dev.toolchain import install
from dev.toolchain.published import git_configuration
from tests.conftest import Database
from tests.documentation import blocks

PAGE = "docs/how-to/managed-databases.md"


@pytest.fixture
def folder(committed) -> Path:
    return committed()


def url(database: Database) -> str:
    user, password, host, port, name = (database[f"DB_{key}"] for key in ("USER", "PASSWORD", "HOST", "PORT", "NAME"))
    return f"postgres://{user}:{password}@{host}:{port}/{name}"


# kubectl is built for minutes.
@pytest.mark.slow
def test_a_person_who_follows_the_page_has_the_certificate_checked(
    folder, run, git, template, servers, create_database, certificate_authority, tmp_path
):
    bundle, public, give, try_it = [block.code for block in blocks(PAGE)]
    variables = git_configuration(tmp_path / "gitconfig", template)

    def type_in(code: str, **more: str):
        result = run("bash", "-ec", code, cwd=folder, env=variables | more)
        assert result.returncode == 0, result.stdout + result.stderr
        return result

    def answered() -> str:
        git("commit", "--quiet", "--all", "--message", "Answer", cwd=folder)
        return yaml.safe_load((folder / ".goose.yml").read_text())["environments"]["production"]["ssl_root_cert"]

    type_in(public)
    assert answered() == "system"
    type_in(bundle)
    path = answered()

    certificate_authority.cert_pem.write_to_path(str(folder / "ca.crt"))
    create, apply = give.splitlines()
    kubectl = {"PATH": f"{install.kubernetes()}:{install.search_path()}"}
    type_in(create, **kubectl)
    type_in(f"{apply} --help", **kubectl)
    given = yaml.safe_load((folder / "db-ca.yaml").read_text())
    job = yaml.safe_load((folder / "k8s/migrations/auth-migration-job.yaml").read_text())["spec"]["template"]["spec"]
    (volume,) = [volume for volume in job["volumes"] if "configMap" in volume]
    (mount,) = [mount for mount in job["containers"][0]["volumeMounts"] if mount["name"] == volume["name"]]
    assert volume["configMap"]["name"] == given["metadata"]["name"]
    assert list(given["data"]) == [mount["subPath"]] == [item["key"] for item in volume["configMap"]["items"]]
    assert mount["mountPath"] == path

    (folder / ".env").write_text((folder / ".env.example").read_text())
    right, wrong = (create_database("avion_auth", servers[name]) for name in ("right", "wrong name"))
    (folder / "db-url.txt").write_text(url(right))
    assert "TLS (sslmode verify-full), environment production" in type_in(try_it).stdout
    (folder / "db-url.txt").write_text(url(wrong))
    refused = run("bash", "-ec", try_it, cwd=folder)
    assert "Error 4" in refused.stderr
