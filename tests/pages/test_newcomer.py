"""README and tutorial do what they say: each block in its order, typed into a shell, on a real server."""

from __future__ import annotations

import re

import pytest

from dev.toolchain.install import ROOT
from dev.toolchain.published import git_configuration
from tests.conftest import ENGINE, put_engine
from tests.documentation import blocks

TUTORIAL = "docs/tutorial/first-service.md"
README = ("README.md", "README.ja.md")
NEXT = "v9999.1.0"
# No machine of the tests has Docker; the server is another one, and its role is there already.
NOT_HERE = ("docker compose up ", "createuser ", "createdb ")
# What a command is told to end with, by the first line that the page shows of it.
MISTAKES = ("require-concurrent-index-creation", "edited after it was applied")


@pytest.fixture
def person(run, template, engine, create_database, git, tmp_path):
    """person("avion_hello").type(block): types a block of a page, where git finds the template by its name."""
    published = tmp_path / "template.git"
    git("clone", "--quiet", "--bare", template, published, cwd=tmp_path)

    class Person:
        def __init__(self, identifier: str) -> None:
            self.service = tmp_path / identifier.replace("_", "-")
            database = create_database(identifier)
            # What .env.example says, but for the port.
            database.server.execute(f"ALTER ROLE {identifier} PASSWORD 'changeme'")
            self.variables = git_configuration(tmp_path / "gitconfig", published) | {"DB_PORT": database["DB_PORT"]}

        def type(self, code: str) -> tuple[int, str]:
            for words in NOT_HERE:
                code = re.sub(rf"^{re.escape(words)}.*\n?", "", code, flags=re.MULTILINE)
            there = self.service.exists() and not code.startswith(f"cd {self.service.name}")
            result = run("bash", "-ec", code, cwd=self.service if there else tmp_path, env=self.variables)
            if not (self.service / ENGINE).exists():
                put_engine(engine, self.service)
            return result.returncode, result.stdout + result.stderr

        def write(self, code: str) -> None:
            max(self.service.glob("migrations/*.sql")).write_text(code)

        def meets_a_release(self) -> None:
            clone = tmp_path / "next"
            git("clone", "--quiet", published, clone, cwd=tmp_path)
            with (clone / "template/.env.example.jinja").open("a") as file:
                file.write("# The next release\n")
            git("commit", "--quiet", "--all", "--message", "Next release", cwd=clone)
            git("tag", NEXT, cwd=clone)
            git("push", "--quiet", "--tags", "origin", "HEAD", cwd=clone)

    return Person


def test_tutorial(person, git):
    newcomer = person("avion_hello")
    said = ""
    for block in blocks(TUTORIAL):
        if block.language == "bash":
            if "copier update --defaults\n" in block.code:
                newcomer.meets_a_release()
            status, said = newcomer.type(block.code)
            assert (status != 0) == any(mistake in said for mistake in MISTAKES), said
        elif block.language == "sql":
            newcomer.write(block.code)
        else:
            assert block.language == "text"
            for line in block.code.splitlines():
                assert line in said
    assert f"_commit: {NEXT}" in git("show", "HEAD:.copier-answers.yml", cwd=newcomer.service)
    assert "The next release" in git("show", "HEAD:.env.example", cwd=newcomer.service)
    assert "migration_timeout: 600" in (newcomer.service / ".copier-answers.yml").read_text()
    assert "migrations/00003_index_greetings.sql" in git("ls-files", cwd=newcomer.service)


def test_readme(person, git):
    newcomer = person("avion_auth")
    generate, first, update = [block.code for block in blocks(README[0]) if block.language == "console"][:3]
    # There is no terminal to ask on.
    assert newcomer.type(generate.replace("copy", "copy --defaults"))[0] == 0
    status, said = newcomer.type(first)
    assert status == 0, said
    assert "avion_auth_db (development) is at 00001, 0 migrations pending" in said
    for arguments in (["init"], ["add", "--all"], ["commit", "--message", "Begin"]):
        git(*arguments, cwd=newcomer.service)
    newcomer.meets_a_release()
    status, said = newcomer.type(update.replace("update", "update --defaults"))
    assert status == 0, said
    assert f"the files are those of the template's {NEXT}" in said


def test_readme_lists_what_a_service_gets(generate):
    service = generate()
    for page in README:
        (tree,) = [block.code for block in blocks(page) if block.language == "text"]
        listed = {
            name.partition("(")[0] for line in tree.splitlines()[1:] for name in re.findall(r"^.── (\S+?),? ", line)
        }
        assert listed
        assert [name for name in listed if not (service / name).exists()] == []
        top = {name.partition("/")[0] for name in listed} | {"migrations.Dockerfile.dockerignore", "CONTRIBUTING.md"}
        assert {path.name for path in service.iterdir()} == top


def test_make_has_the_targets_of_the_readme():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    *_, develop = [block.code for block in blocks(README[0]) if block.language == "console"]
    assert set(develop.split()) - {"make"} <= set(targets)
