"""docs/how-to/managed-databases.md: the answer reaches engine and Job, and a server's certificate is really checked."""

from __future__ import annotations

import pytest
import yaml

from tests.conftest import Database
from tests.pages import blocks
from tests.toolchain import install
from tests.toolchain.published import git_configuration

PAGE = "docs/how-to/managed-databases.md"


@pytest.fixture
def committed(service, git, template):
    folder = service("avion-auth")
    answers = folder / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace(str(template), "gh:org/avion-migration-template"))
    for arguments in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "Begin"]):
        git(*arguments, cwd=folder)
    return folder


def url(database: Database) -> str:
    user, password, host, port, name = (database[f"DB_{key}"] for key in ("USER", "PASSWORD", "HOST", "PORT", "NAME"))
    return f"postgres://{user}:{password}@{host}:{port}/{name}"


def test_a_person_who_follows_the_page_has_the_certificate_checked(
    committed, run, git, template, servers, create_database, certificate_authority, tmp_path
):
    bundle, public, give, try_it = [block.code for block in blocks(PAGE)]
    variables = git_configuration(tmp_path / "gitconfig", template)

    def type_in(code: str, **more: str):
        result = run("bash", "-ec", code, cwd=committed, env=variables | more)
        assert result.returncode == 0, result.stdout + result.stderr
        return result

    def answered() -> str:
        git("commit", "--quiet", "--all", "--message", "Answer", cwd=committed)
        return yaml.safe_load((committed / ".goose.yml").read_text())["environments"]["production"]["ssl_root_cert"]

    type_in(public)
    assert answered() == "system"
    type_in(bundle)
    path = answered()

    certificate_authority.cert_pem.write_to_path(str(committed / "ca.crt"))
    create, apply = give.splitlines()
    kubectl = {"PATH": f"{install.kubernetes()}:{install.search_path()}"}
    type_in(create, **kubectl)
    type_in(f"{apply} --help", **kubectl)
    given = yaml.safe_load((committed / "db-ca.yaml").read_text())
    job = yaml.safe_load((committed / "k8s/migrations/auth-migration-job.yaml").read_text())["spec"]["template"]["spec"]
    (volume,) = [volume for volume in job["volumes"] if "configMap" in volume]
    (mount,) = [mount for mount in job["containers"][0]["volumeMounts"] if mount["name"] == volume["name"]]
    assert volume["configMap"]["name"] == given["metadata"]["name"]
    assert list(given["data"]) == [mount["subPath"]] == [item["key"] for item in volume["configMap"]["items"]]
    assert mount["mountPath"] == path

    (committed / ".env").write_text((committed / ".env.example").read_text())
    right, wrong = (create_database("avion_auth", servers[name]) for name in ("right", "wrong name"))
    (committed / "db-url.txt").write_text(url(right))
    assert "TLS (sslmode verify-full), environment production" in type_in(try_it).stdout
    (committed / "db-url.txt").write_text(url(wrong))
    refused = run("bash", "-ec", try_it, cwd=committed)
    assert "Error 4" in refused.stderr
