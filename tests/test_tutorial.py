"""The tutorial does what it says: each block in its order, typed into a shell, on a real server, with a release in between."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import ENGINE
from tests.pages import Block, blocks
from tests.toolchain.published import git_configuration

PAGES = ("docs/tutorial/first-service.md", "docs/tutorial/first-service.ja.md")
NEXT = "v9999.1.0"
# No machine of the tests has Docker; the server is another one, and its role is there already.
NOT_HERE = ("docker compose up --detach --wait postgres\n", "createuser ", "createdb ")
# What a command is told to end with, by the first line that the page shows of it.
MISTAKES = ("require-concurrent-index-creation", "edited after it was applied")


@pytest.fixture
def person(run, template, engine, create_database, git, tmp_path):
    """person.type(block, "avion-hello"): types a block of the page there, where git finds the template by its name."""
    published = tmp_path / "template.git"
    git("clone", "--quiet", "--bare", template, published, cwd=tmp_path)
    database = create_database("avion_hello")
    # What .env.example says, but for the port.
    database.server.execute("ALTER ROLE avion_hello PASSWORD 'changeme'")
    variables = git_configuration(tmp_path / "gitconfig", published) | {"DB_PORT": database["DB_PORT"]}

    class Person:
        home = tmp_path
        service = tmp_path / "avion-hello"

        def type(self, code: str, cwd: Path) -> tuple[int, str]:
            for words in NOT_HERE:
                code = re.sub(rf"^{re.escape(words)}.*\n?", "", code, flags=re.MULTILINE)
            result = run("bash", "-ec", code, cwd=cwd, env=variables)
            return result.returncode, result.stdout + result.stderr

        def write(self, code: str) -> None:
            newest = max(self.service.glob("migrations/*.sql"))
            newest.write_text(code)

        def has_engine(self) -> None:
            (self.service / ENGINE).parent.mkdir(exist_ok=True)
            shutil.copy(engine, self.service / ENGINE)

        def meets_a_release(self) -> None:
            clone = tmp_path / "next"
            git("clone", "--quiet", published, clone, cwd=tmp_path)
            with (clone / "template/.env.example.jinja").open("a") as file:
                file.write("# The next release\n")
            git("commit", "--quiet", "--all", "--message", "Next release", cwd=clone)
            git("tag", NEXT, cwd=clone)
            git("push", "--quiet", "--tags", "origin", "HEAD", cwd=clone)

    return Person()


def test_both_languages_have_the_same_blocks():
    english, japanese = map(blocks, PAGES)
    translated = [Block(block.language, block.code.replace("=ja", "=en")) for block in japanese]
    assert translated == english


def test_tutorial(person, git):
    said = ""
    for position, block in enumerate(blocks(PAGES[0])):
        if block.language == "bash":
            if "copier update --defaults\n" in block.code:
                person.meets_a_release()
            status, said = person.type(block.code, person.home if position == 0 else person.service)
            assert (status != 0) == any(mistake in said for mistake in MISTAKES), said
            if position == 0:
                person.has_engine()
        elif block.language == "sql":
            person.write(block.code)
        else:
            assert block.language == "text"
            for line in block.code.splitlines():
                assert line in said
    assert "_commit: v9999.1.0" in git("show", "HEAD:.copier-answers.yml", cwd=person.service)
    assert "The next release" in git("show", "HEAD:.env.example", cwd=person.service)
    assert "migration_timeout: 600" in (person.service / ".copier-answers.yml").read_text()
    assert "migrations/00003_index_greetings.sql" in git("ls-files", cwd=person.service)
