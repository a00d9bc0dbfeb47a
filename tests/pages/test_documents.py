"""The generated documents say the same in both languages, and what they say is true of the generated service."""

from __future__ import annotations

import functools
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from dev import copier_yml, recipes
from dev.toolchain.install import ROOT
from tests.amounts import both_ends, others_slow

LANGUAGES = ("ja", "en")
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/migration-setup.md",
    "docs/migration-guide.md",
    "docs/migration-operations.md",
    "docs/migration-troubleshooting.md",
    "docs/service-considerations.md",
    "docs/migration-considerations.md",
)
SETUP, GUIDE, OPERATIONS, TROUBLESHOOTING, OWN, CHOSEN = DOCUMENTS[2:]
QUESTIONS = copier_yml.read(ROOT)
CONSIDERATIONS = sorted(QUESTIONS["considerations"]["choices"].values())
EXAMPLES = sorted((ROOT / "includes/documents/examples").glob("*.sql"))
BACKFILLS = sorted((ROOT / "includes/documents/examples/backfill").glob("*.sql"))

MANUAL_CHECKLIST = {
    "初期セットアップ": [
        "ディレクトリ構造を作成",
        ".goose.yml を配置",
        "Makefile にマイグレーションタスクを追加",
        ".env.example を作成",
        "docker-compose.yml を更新",
        "初期マイグレーションファイルを作成",
    ],
    "CI/CD設定": [
        "GitHub Actions ワークフローを作成",
        "Kubernetes Job マニフェストを作成",
        "監視アラートを設定",
    ],
    "ドキュメント": [
        "README.md にマイグレーション手順を追加",
        "CONTRIBUTING.md にマイグレーション作成ガイドを追加",
        "トラブルシューティングガイドを作成",
    ],
}
MANUAL_LINKS = {
    "https://github.com/pressly/goose",
    "https://wiki.postgresql.org/wiki/Don't_Do_This",
    "https://www.braintreepayments.com/blog/safe-operations-for-high-volume-postgresql/",
}


@dataclass
class Section:
    """A heading with what stands below it, up to the next heading."""

    level: int = 0
    title: str = ""
    code: set[str] = field(default_factory=set)
    fences: list[tuple[str, str]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    # Anchors below the heading, which lead to what had a heading of its own once.
    ids: list[str] = field(default_factory=list)
    tasks: list[tuple[bool, str]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """The fragment that GitHub gives the heading."""
        return re.sub(r"[^\w\- ]", "", self.title.lower()).replace(" ", "-")


@functools.cache  # every link asks for the headings of the page that it leads to
def sections(text: str) -> list[Section]:
    found = [Section()]
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for before, token in zip([None, *tokens], tokens, strict=False):
        here = found[-1]
        if token.type == "heading_open":
            found.append(Section(level=int(token.tag[1])))
        elif token.type == "fence":
            here.fences.append((token.info, token.content))
        elif token.type == "tr_open":
            here.rows.append(0)
        elif token.type in ("th_open", "td_open"):
            here.rows[-1] += 1
        elif token.type == "inline":
            if before.type == "heading_open":
                here.title = re.sub("`", "", token.content)
            if task := re.fullmatch(r"\[([x ])] (.+)", token.content):
                here.tasks.append((task[1] == "x", task[2]))
            here.ids += [
                anchor[1]
                for child in token.children
                if child.type == "html_inline" and (anchor := re.fullmatch(r'<a id="(.+)">', child.content))
            ]
            here.code.update(child.content for child in token.children if child.type == "code_inline")
            here.links += [
                MarkdownIt().normalizeLinkText(child.attrs["href"])
                for child in token.children
                if child.type == "link_open"
            ]
    return found


def names(title: str) -> list[str]:
    """What a heading must not translate: its number, alert names, goose's words, acronyms."""
    return re.findall(r"^\d+\.|\b(?:[A-Z][a-z]+(?:[A-Z][a-z]+)+|[A-Z]{2,})\b", title, re.ASCII)


def anchors(text: str) -> list[str]:
    """Every fragment that leads somewhere in a page."""
    return [anchor for section in sections(text) for anchor in (section.anchor, *section.ids)]


# A page of this repository, as the documents of a service from gh:org/avion-migration-template name it.
HERE = re.compile(r"https://github\.com/org/avion-migration-template/blob/main/(?P<path>[^#]+)#?(?P<fragment>.*)")


def language_free(link: str, here: str, texts: dict[str, str]) -> tuple[str, int | None]:
    """A link with its fragment as the number of the heading that it leads to."""
    if page := HERE.fullmatch(link):
        headings = [section.anchor for section in sections((ROOT / page["path"]).read_text())]
        number = headings.index(page["fragment"]) if page["fragment"] in headings else -1
        return page["path"].replace(".ja.md", ".md"), number if page["fragment"] else None
    path, _, fragment = link.partition("#")
    if "://" in link:
        return link.replace("/lang/ja/", "/"), None
    if not fragment:
        return path.replace(".ja.md", ".md"), None
    target = (Path(here).parent / path).as_posix() if path else here
    text = texts[target] if target in texts else (ROOT / target).read_text()
    headings = [section.anchor for section in sections(text)]
    return path.replace(".ja.md", ".md"), headings.index(fragment) if fragment in headings else -1


def differences(japanese: dict[str, str], english: dict[str, str]) -> list[str]:
    """What the documents of one language say otherwise than those of the other."""
    found = []
    for name in english:
        ja, en = sections(japanese[name]), sections(english[name])
        if [s.level for s in ja] != [s.level for s in en]:
            found.append(f"{name}: the headings differ")
            continue
        for one, other in zip(ja, en, strict=True):
            pairs = {
                "names in the heading": (names(one.title), names(other.title)),
                "code": (one.code, other.code),
                "commands": (one.fences, other.fences),
                "checklist": ([done for done, _ in one.tasks], [done for done, _ in other.tasks]),
                "table": (one.rows, other.rows),
                "links": (
                    [language_free(link, name, japanese) for link in one.links],
                    [language_free(link, name, english) for link in other.links],
                ),
            }
            found += [
                f"{name}, {one.title} / {other.title}: the {what} differ: {mine} / {theirs}"
                for what, (mine, theirs) in pairs.items()
                if mine != theirs
            ]
    return found


def broken_links(folder: Path) -> list[str]:
    """The links of a service's documents that lead nowhere inside it, nor in this repository."""
    found = []
    for name, text in read(folder).items():
        for link in [link for section in sections(text) for link in section.links]:
            page = HERE.fullmatch(link)
            path, _, fragment = link.partition("#")
            target = (folder / name).parent / path if path else folder / name
            if page:
                target, fragment = ROOT / page["path"], page["fragment"]
            elif "://" in link:
                continue
            if target.exists() and not fragment:
                continue
            if not target.exists() or fragment not in anchors(target.read_text()):
                found.append(f"{name}: {link}")
    return found


def read(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text() for name in DOCUMENTS if (folder / name).exists()}


def checklist(folder: Path) -> dict[str, list[tuple[bool, str]]]:
    return {s.title: s.tasks for s in sections((folder / SETUP).read_text()) if s.tasks}


def section(text: str, title: str) -> Section:
    (found,) = [s for s in sections(text) if s.title == title]
    return found


def fences(text: str, language: str) -> list[str]:
    return [content for s in sections(text) for info, content in s.fences if info == language]


ANSWERS = {
    "defaults": {},
    "all considerations": {"considerations": CONSIDERATIONS},
    "monorepo": {"layout": "monorepo-service"},
    "no considerations": {"considerations": []},
    "no parts": {"parts": [], "considerations": CONSIDERATIONS},
    "verified TLS": {"production_ssl_mode": "verify-full", "production_ssl_root_cert": "/etc/ssl/ca.crt"},
}
answered = pytest.mark.parametrize("answers", others_slow(list(ANSWERS), 3))


@answered
def test_both_languages_say_the_same(rendered, answers):
    japanese, english = (read(rendered(docs_language=language, **ANSWERS[answers])) for language in LANGUAGES)
    assert differences(japanese, english) == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (OPERATIONS, "\n## Alerts\n", "\n"),
        (OPERATIONS, "\n## Alerts\n", "\n### Alerts\n"),
        (SETUP, "make migrate-seed\n", "make migrate-sed\n"),
        (SETUP, "- [ ] Review the", "- [x] Review the"),
        (SETUP, "- [x] Create the troubleshooting guide\n", ""),
        (SETUP, "https://github.com/pressly/goose", "https://github.com/pressly/geese"),
        (GUIDE, "migration-operations.md#rollback", "migration-operations.md#alerts"),
        (
            GUIDE,
            "explanation/history.md#other-rules-for-numbers",
            "explanation/history.md#accepting-a-change-on-purpose",
        ),
        (GUIDE, "how-to/backfill.md", "how-to/maintenance.md"),
        (GUIDE, "#point-of-no-return", "#seed-data"),
        (GUIDE, "| `make migrate-status` | Shows what has been applied |\n", ""),
        (OPERATIONS, "`pushgateway.url`", "`pushgateway.address`"),
        (TROUBLESHOOTING, "MigrationFailed", "MigrationBroken"),
    ],
)
def test_a_difference_between_the_languages_is_found(rendered, name, old, new):
    japanese, english = (read(rendered(docs_language=language)) for language in LANGUAGES)
    changed = english | {name: english[name].replace(old, new, 1)}
    assert changed != english
    assert differences(japanese, changed) != []


@pytest.mark.parametrize("answers", others_slow(list(ANSWERS), 1))
@pytest.mark.parametrize("language", LANGUAGES)
def test_documents_are_clean(rendered, run, language, answers):
    folder = rendered(docs_language=language, **ANSWERS[answers])
    lint = run(
        *("pymarkdown", "--strict-config", "--config", ROOT / ".pymarkdown", "scan", *read(folder)),
        cwd=folder,
    )
    assert (lint.returncode, lint.stdout, lint.stderr) == (0, "", "")
    for name, text in read(folder).items():
        assert not re.search(r"\{\{|\{%|%\}|\}\}|\[service[-_]name\]", text), name
    assert broken_links(folder) == []


TEMPLATE = "https://github.com/org/avion-migration-template/blob/main"


@pytest.mark.parametrize(
    "target",
    [
        "missing.md",
        "docs/migration-guide.md#missing",
        f"{TEMPLATE}/docs/missing.md",
        f"{TEMPLATE}/docs/how-to/backfill.md#missing",
    ],
)
def test_a_broken_link_is_found(generate, target):
    folder = generate()
    readme = folder / "README.md"
    readme.write_text(f"{readme.read_text()}\n[x]({target})\n")
    assert broken_links(folder) == [f"README.md: {target}"]


def test_checklist_holds_the_manuals_items_ticked(rendered):
    groups = checklist(rendered())
    assert list(groups) == [*MANUAL_CHECKLIST, "サービス固有の作業"]
    for group, tasks in groups.items():
        assert [task for done, task in tasks if done] == MANUAL_CHECKLIST.get(group, [])
        assert any(not done for done, _ in tasks)


@pytest.mark.parametrize("consideration", CONSIDERATIONS)
def test_checklist_holds_the_work_of_a_consideration_only_where_it_was_chosen(rendered, consideration):
    def work(*considerations: str) -> list:
        return checklist(rendered(considerations=list(considerations))).get("サービス固有の作業", [])

    assert work() == []
    assert read(rendered(considerations=[consideration]))[CHOSEN].count("\n## ") == 1
    if consideration != "redis_sync":
        (task,) = work(consideration)
        assert task in work(*CONSIDERATIONS)


def test_checklist_of_a_service_in_a_monorepo_leaves_the_workflow_to_its_root(rendered):
    tasks = dict(map(reversed, checklist(rendered(layout="monorepo-service"))["CI/CD設定"]))
    assert tasks["GitHub Actions ワークフローを作成"] is False
    assert tasks["Kubernetes Job マニフェストを作成"] is True


def test_setup_keeps_the_manuals_links(rendered):
    assert set(section(read(rendered())[SETUP], "参考リンク").links) >= MANUAL_LINKS


@pytest.mark.parametrize("consideration", CONSIDERATIONS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_each_consideration_has_its_paragraph(rendered, language, consideration):
    text = read(rendered(docs_language=language, considerations=CONSIDERATIONS))[CHOSEN]
    paragraph = (ROOT / f"includes/documents/{language}/considerations/{consideration}.md").read_text().rstrip()
    # What stands in braces is an answer, or depends on one.
    parts = re.split(r"({%.*%}|{{ \w+ }})", paragraph, flags=re.DOTALL)
    words = "".join({"{{": r"\S+", "{%": ".*"}.get(part[:2], re.escape(part)) for part in parts)
    assert re.search(f"\n\n{words}(\n\n## |\n*$)", text, re.DOTALL)


@pytest.mark.parametrize("language", LANGUAGES)
def test_documents_name_targets_that_exist(rendered, language):
    folder = rendered(docs_language=language, considerations=CONSIDERATIONS)
    makefiles = [folder / "migrations.mk", folder / "tools/migrate/redis-sync/targets.mk"]
    exist = re.findall(r"^(migrate-[\w-]+):", "".join(file.read_text() for file in makefiles), re.MULTILINE)
    command = r"\bmake (?:-\S+ (?:\S+ )??)*?(migrate-[\w-]+)"
    named = {name for text in read(folder).values() for name in re.findall(command, text)}
    assert len(named) > 10
    assert named <= {*exist}


@pytest.mark.parametrize("page", ["variables.md", "variables.ja.md"])
def test_reference_explains_the_variables_of_the_example(rendered, page):
    example = re.findall(r"^((?!GOOSE_)\w+)=", (rendered() / ".env.example").read_text(), re.MULTILINE)
    text = (ROOT / "docs/reference" / page).read_text()
    assert len(example) > 8
    assert [name for name in example if f"| `{name}` |" not in text] in ([], ["PGOPTIONS"])


def test_alerts_lead_to_their_runbook(rendered):
    folder = rendered()
    rules = yaml.safe_load((folder / "monitoring/auth-migration-alerts.yaml").read_text())
    alerts = [rule for group in rules["spec"]["groups"] for rule in group["rules"]]
    anchors = [s.anchor for s in sections(read(folder)[TROUBLESHOOTING])]
    for alert in alerts:
        page, _, fragment = alert["annotations"]["runbook_url"].partition("#")
        assert page.endswith(TROUBLESHOOTING)
        assert fragment == alert["alert"].lower()
        assert fragment in anchors


def engine_messages() -> str:
    """The sources of the engine and of its scripts, with the sentences that go over several lines joined."""
    engine = ROOT / "engine"
    sources = [*(ROOT / "template/tools/migrate").glob("*.sh"), *engine.rglob("*.go")]
    return re.sub(r'"\s*\+\s*"', "", "\n".join(source.read_text() for source in sources))


@pytest.mark.parametrize("language", LANGUAGES)
def test_troubleshooting_explains_messages_and_exit_codes_that_exist(rendered, language):
    text = read(rendered(docs_language=language))[TROUBLESHOOTING]
    messages = re.findall(r"^\| `(.+?)` \| .+ \| .+ \|$", text, re.MULTILINE)
    codes = re.findall(r"^\| (\d+) \| .+ \| .+ \|$", text, re.MULTILINE)
    source = engine_messages()
    assert len(messages) > 20
    assert [message for message in messages if message not in source] == []
    assert codes == re.findall(r"^\s*Code\w+\s+Code = (\d+)", source, re.MULTILINE)


@pytest.mark.parametrize(("language", "page"), [("ja", "zero-downtime.ja.md"), ("en", "zero-downtime.md")])
def test_every_example_is_shown_as_it_is_tried(rendered, language, page):
    texts = [read(rendered(docs_language=language))[GUIDE], (ROOT / "docs/explanation" / page).read_text()]
    shown = {sql for text in texts for sql in fences(text, "sql") if "+goose" in sql}
    assert sorted(shown) == sorted(example.read_text() for example in EXAMPLES)


class Migrating:
    """A service whose migrations are the guide's examples, with a database to run them on."""

    def __init__(self, folder: Path, run, database) -> None:
        for example in EXAMPLES:
            shutil.copy(example, folder / "migrations")
        self.folder = folder
        self.database = database
        self._run = run

    def to(self, version: int | str, **variables: str):
        return self._run(
            *("tools/migrate/bin/migrate", "to", str(int(version))),
            cwd=self.folder,
            env={"ENVIRONMENT": "development", **self.database, **variables},
        )

    def backfill(self, job: str):
        return self._run("tools/migrate/bin/migrate", "backfill", job, cwd=self.folder, env=self.database)


@pytest.fixture
def migrating(service, run, database) -> Migrating:
    return Migrating(service(), run, database)


def version_of(example: Path) -> str:
    return example.name.partition("_")[0]


@both_ends
def test_examples_of_the_guide_run_and_roll_back_with_rows_in_the_tables(postgres, migrating):
    before = {}
    previous = "00001"
    *reversible, _ = EXAMPLES
    assert migrating.to(previous).returncode == 0
    for example in reversible:
        before[example] = (previous, migrating.database.schema("--exclude-table=goose_*"))
        previous = version_of(example)
        result = migrating.to(previous)
        assert result.returncode == 0, f"{example.name}: {result.stderr}"
        if example.name.endswith("_create_accounts.sql"):
            migrating.database.query(
                "INSERT INTO accounts (user_name) SELECT 'u' || n FROM generate_series(1, 12345) n"
            )
            migrating.database.query("INSERT INTO sessions (account_id, expires_at) SELECT id, now() FROM accounts")
    assert migrating.database.value("SELECT count(*) FROM accounts WHERE screen_name = user_name") == 12345
    assert migrating.database.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0
    for example in reversed(reversible):
        previous, schema = before[example]
        result = migrating.to(previous)
        assert result.returncode == 0, f"{example.name}: {result.stderr}"
        assert migrating.database.schema("--exclude-table=goose_*") == schema, example.name


@both_ends
def test_backfill_of_the_guide_moves_every_row(postgres, migrating):
    assert migrating.to("00102").returncode == 0
    (job,) = BACKFILLS
    assert [job.read_text()] == fences((ROOT / "docs/how-to/backfill.md").read_text(), "sql")
    migrating.database.query("INSERT INTO accounts (user_name) SELECT 'u' || n FROM generate_series(1, 12345) n")
    shutil.copytree(job.parent, migrating.folder / "migrations/backfill")
    assert migrating.backfill(job.stem).returncode == 0
    assert migrating.database.value("SELECT count(*) FROM accounts WHERE screen_name = user_name") == 12345


def test_point_of_no_return_is_refused_where_data_counts(migrating):
    configuration = migrating.folder / ".goose.yml"
    configuration.write_text(configuration.read_text().replace("staging:\n    ssl_mode: require", "staging: {}"))
    *_, before, last = map(version_of, EXAMPLES)
    assert migrating.to(last).returncode == 0
    refused = migrating.to(before, ENVIRONMENT="staging")
    assert refused.returncode == 3
    assert "point of no return" in refused.stderr
    assert migrating.to(before, ENVIRONMENT="test").returncode == 0


@both_ends
def test_queries_of_the_documents_run(postgres, service, run, database):
    folder = service()
    texts = read(folder)
    for number, recipe in enumerate(["session_cleanup", "password_rehash"], 2):
        (folder / f"migrations/{number:05}_{recipe}.sql").write_text(recipes.tables(ROOT, recipe))
    commands = "\n".join(fences(texts[CHOSEN], "bash"))
    for recipe in ("session_cleanup", "password_rehash", "audit_retention"):
        for command in re.findall(rf"^make migrate-create RECIPE={recipe} .*$", commands, re.MULTILINE):
            assert run(*command.split(), cwd=folder).returncode == 0
    assert run("tools/migrate/bin/migrate", "up", cwd=folder, env=database).returncode == 0
    queries = [sql for text in texts.values() for sql in fences(text, "sql") if re.match("SELECT|INSERT", sql)]
    assert len(queries) == 8
    for query in queries:
        database.query(query)
