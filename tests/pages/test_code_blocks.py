"""Every block of code that people read here is executed or checked, and every link leads somewhere.

A new block fails until it is written down how it is checked.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex

import pytest
import yaml
from markdown_it import MarkdownIt

from avion_template.__main__ import _parser
from dev.toolchain import command, install
from dev.toolchain.install import ROOT
from tests.documentation import Block, blocks, pages
from tests.pages.test_documents import Section, differences, sections

# How the blocks of a page are checked, each in its order: the test file that executes or reads it, or the name of a
# check below.
NEWCOMER, DELIVERY = "test_newcomer.py", "test_job_in_delivery.py"
DOCUMENTS, FOLLOWED = "test_documents.py", "test_followed_pages.py"
CHECKED = {
    "README.md": [NEWCOMER] * 5,
    "CONTRIBUTING.md": ["test_reference.py"],
    "docs/explanation/environments.md": [FOLLOWED],
    "docs/explanation/history.md": [FOLLOWED],
    "docs/explanation/locks.md": [FOLLOWED],
    "docs/explanation/zero-downtime.md": [DOCUMENTS] * 9,
    "docs/how-to/another-tool.md": [FOLLOWED] * 3,
    "docs/how-to/backfill.md": [DOCUMENTS, FOLLOWED],
    "docs/how-to/compose.md": ["commands", *["test_compose.py"] * 3],
    "docs/how-to/github-actions.md": [FOLLOWED],
    "docs/how-to/maintenance.md": [FOLLOWED] * 3,
    "docs/how-to/test-database.md": ["test_testdb.py"] * 3,
    "docs/how-to/update.md": [FOLLOWED] * 2,
    "docs/tutorial/first-service.md": [NEWCOMER] * 25,
    "docs/how-to/adopt.md": ["test_adopt.py"] * 8,
    "docs/how-to/fleet.md": ["commands"] * 5,
    "docs/how-to/managed-databases.md": ["test_managed_databases.py"] * 4,
    "docs/how-to/monorepo.md": ["test_monorepo.py"] * 4,
    "docs/how-to/move-between-layouts.md": ["test_monorepo.py"] * 3,
    "docs/how-to/offline.md": ["test_offline.py"] * 3,
    "docs/how-to/patch-a-vulnerable-dependency.md": ["test_patch_a_vulnerable_dependency.py"] * 4,
    "docs/how-to/pgbouncer.md": ["test_pgbouncer_page.py"] * 2,
    "docs/how-to/run-the-job-with-argo-cd.md": [DELIVERY] * 2,
    "docs/how-to/run-the-job-with-helm.md": [DELIVERY] * 2,
    "docs/how-to/run-the-job-with-kubectl.md": ["commands", *[DELIVERY] * 3, "step"],
    "docs/how-to/update-by-bot.md": ["renovate", "test_renovate.py", "commands"],
}
# A page in Japanese has the blocks of its page in English, which are the ones that are executed.
TRANSLATIONS = {page: page.replace(".ja.", ".") for page in pages() if page.endswith(".ja.md")}
CHECKED |= {
    page: ["translation"] * len(CHECKED[original]) for page, original in TRANSLATIONS.items() if original in CHECKED
}


def unchecked(found: dict[str, list[Block]]) -> list[str]:
    """The pages whose blocks are not those that are written down here."""
    written = {page: len(checks) for page, checks in CHECKED.items()}
    there = {page: len(on_page) for page, on_page in found.items() if on_page}
    return sorted(page for page in written | there if written.get(page) != there.get(page))


def here(check: str) -> list[tuple[str, Block]]:
    """The blocks that a check of this file is about."""
    pairs = [
        (page, name, block) for page, names in CHECKED.items() for name, block in zip(names, blocks(page), strict=False)
    ]
    return [(page, block) for page, name, block in pairs if name == check]


def test_every_block_has_its_check():
    assert unchecked({page: blocks(page) for page in pages()}) == []


def test_a_new_block_and_a_new_page_are_noticed():
    found = {page: blocks(page) for page in pages()}
    found["docs/how-to/adopt.md"].append(Block("bash", "make migrate-up\n"))
    found["docs/new.md"] = [Block("sql", "SELECT 1;\n")]
    assert unchecked(found) == ["docs/how-to/adopt.md", "docs/new.md"]


@pytest.mark.parametrize(
    ("page", "test"), sorted({(page, name) for page, names in CHECKED.items() for name in names if ".py" in name})
)
def test_the_named_test_reads_the_page(page, test):
    (file,) = (ROOT / "tests").glob(f"*/{test}")
    source = file.read_text()
    name = page.rpartition("/")[2]
    assert name in source or re.sub(r"run-the-job-with-(.*)\.md", r'"\1"', name) in source


@pytest.mark.parametrize(("page", "original"), TRANSLATIONS.items())
def test_both_languages_have_the_same_blocks_and_link_to_each_other(page, original):
    # The tree of what a service gets has words in it, and a test of its own.
    here, there = ([block for block in blocks(name) if "──" not in block.code] for name in (page, original))
    assert [Block(block.language, block.code.replace("=ja", "=en")) for block in here] == there
    by_hand = ("docs/how-to", "docs/explanation", "docs/comparison", "docs/reference/compatibility")
    if page.startswith(by_hand) and "adopt" not in page:
        texts = ({original: (ROOT / name).read_text()} for name in (page, original))
        assert differences(*texts) == []
    assert original.rpartition("/")[2] in links(page)
    assert page.rpartition("/")[2] in links(original)


def broken(words: list[str], targets: set[str]) -> str:
    """What is wrong with a command that cannot be run here; nothing if it could be."""
    program, *arguments = words
    if program == "make":
        return "" if {word for word in arguments if "=" not in word} <= targets else f"no such target: {arguments}"
    if program == "kubectl":
        # With --help it reads all of its words, and does nothing.
        ended = command.run(install.kubernetes() / "kubectl", *arguments, "--help", cwd=ROOT)
        return ended.stderr if ended.returncode else ""
    if program == "avion-template":
        try:
            _parser().parse_args(arguments)
        except (SystemExit, argparse.ArgumentError):
            return f"avion-template does not know these: {arguments}"
        return ""
    return f"nobody checks {program}"


@pytest.fixture(scope="module")
def targets() -> set[str]:
    return set(re.findall(r"^(migrate-[\w-]+):", (ROOT / "template/migrations.mk").read_text(), re.MULTILINE))


@pytest.mark.parametrize(
    ("page", "block"),
    # kubectl is built for minutes.
    [
        pytest.param(page, block, marks=pytest.mark.slow if "kubectl" in block.code else ())
        for page, block in here("commands")
    ],
)
def test_commands_could_be_run(page, block, targets):
    assert block.language == "bash"
    for line in block.code.splitlines():
        words = shlex.split(line)
        if words[0] == "uvx":
            # The name of this repository, and of the program that it brings.
            assert words[1:3] == ["--from", "git+https://github.com/org/avion-migration-template"]
            words = words[3:]
        assert broken(words, targets) == ""


@pytest.mark.parametrize(
    "line",
    [
        "make migrate-upp",
        pytest.param("kubectl apply --file x.yaml", marks=pytest.mark.slow),
        "avion-template update --worker 2 --ways 1 avion-auth",
        "avion-template stat avion-auth",
        "curl example.com",
    ],
)
def test_a_command_that_could_not_be_run_is_found(line, targets):
    assert broken(shlex.split(line), targets) != ""


def test_step_of_a_workflow_is_one(tmp_path):
    ((_, block),) = here("step")
    workflow = {
        "on": "push",
        "jobs": {"migrate": {"runs-on": "ubuntu-latest", "steps": yaml.safe_load(block.code)}},
    }
    (tmp_path / "workflow.yml").write_text(
        yaml.safe_dump(workflow).replace("'on'", "on").replace("true: push", "on: push")
    )
    ended = command.run("actionlint", "-shellcheck", "shellcheck", "workflow.yml", cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout


def test_settings_of_renovate_name_the_preset_of_this_repository():
    ((_, block),) = here("renovate")
    assert json.loads(block.code)["extends"] == ["github>org/avion-migration-template"]
    assert (ROOT / "default.json").exists()


def links(page: str) -> list[str]:
    return [
        MarkdownIt().normalizeLinkText(child.attrs.get("href") or child.attrs["src"])
        for token in MarkdownIt("commonmark").enable("table").parse((ROOT / page).read_text())
        for child in token.children or []
        if child.type in ("link_open", "image")
    ]


def broken_links(page: str, found: list[str]) -> list[str]:
    """The links that lead nowhere in this repository; what is elsewhere is not asked."""
    lost = []
    for link in found:
        path, _, fragment = link.partition("#")
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        if "://" in link:
            continue
        anchors: list[Section] = sections(target.read_text()) if fragment and target.is_file() else []
        if not target.exists() or (fragment and fragment not in [section.anchor for section in anchors]):
            lost.append(link)
    return lost


@pytest.mark.parametrize("page", [*pages(), "CHANGELOG.md"])
def test_links_lead_somewhere(page):
    assert broken_links(page, links(page)) == []


@pytest.mark.parametrize("link", ["how-to/missing.md", "how-to/adopt.md#missing", "pictures/missing.svg", "#missing"])
def test_a_link_that_leads_nowhere_is_found(link):
    assert broken_links("docs/README.md", [link]) == [link]


def test_every_page_is_reached_from_the_readme_in_two_clicks():
    first = {
        "README.md",
        *(str((ROOT / link.partition("#")[0]).relative_to(ROOT)) for link in links("README.md") if "://" not in link),
    }
    reached = set(first)
    for page in first:
        if page.endswith(".md"):
            targets = [link.partition("#")[0] for link in links(page) if "://" not in link]
            reached |= {((ROOT / page).parent / target).resolve().relative_to(ROOT).as_posix() for target in targets}
    pages_of_decisions = {page for page in pages() if page.startswith("docs/decisions/")}
    assert "docs/decisions" in reached
    assert set(pages()) - pages_of_decisions - reached == set()
