"""`copier update` from every release to this work tree: the template's changes arrive, and no line of the service is lost.

One scenario for each release and each canonical answers file; what it left behind is held against every promise. Each
promise is also broken on purpose, so that it is known to notice.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import pytest
import yaml
from copier import run_copy, run_update

from dev import copier_yml
from dev.release import interface
from dev.release.history import releases, tag
from dev.release.interface import ANSWERS
from dev.toolchain import command
from dev.toolchain.install import ROOT
from dev.toolchain.published import git_configuration
from tests.amounts import others_slow
from tests.conftest import DEV, put_engine

HEAD = "v9999.0.0"
NEXT = "v9999.1.0"
OLDEST, *_, NEWEST = [release.tag for release in releases()]
# The step to the next release with the default answers is the one on which every promise is broken, below.
FEW = [(OLDEST, HEAD, "defaults"), (NEWEST, HEAD, "monorepo-service")]
STEPS = [
    *((release.tag, HEAD, answers) for release in releases() for answers in ANSWERS),
    (HEAD, NEXT, "english"),
    (HEAD, NEXT, "monorepo-service"),
]
ANSWERS_FILE = ".copier-answers.yml"
OWN_MIGRATION = "migrations/00002_add_users.sql"
OWN_FILE = "docs/own notes.md"
# The service's edits in files that the template owns; a root of a monorepo has none of them.
EDITS = {
    ".goose.yml": ("table: goose_db_version", "table: auth_version"),
    "compose.migrations.yaml": ("      interval: 5s\n", "      interval: 7s\n"),
}
DELETED = "CONTRIBUTING.md"
DELETED_OWNED = ".env.example"

Files = dict[str, tuple[bool, bytes]]


@pytest.fixture(scope="session")
def released(template, git, tmp_path_factory) -> Path:
    """This repository with the tag of each release, this work tree as the newest, and one more release after that."""
    clone = tmp_path_factory.mktemp("released") / "template"
    git("clone", "--quiet", template, clone, cwd=clone.parent)
    tag(clone, releases())
    for path in (
        "template/migrations.mk",
        "template/Makefile.jinja",
        "template/{{ migrations_dir }}/00001_init_schema.sql.jinja",
    ):
        append(clone / path, "\n# The next release\n" if "sql" not in path else "\n-- The next release\n")
    (clone / "template/{{ migrations_dir }}/00002_never.sql").write_text("-- +goose Up\n")
    (clone / "template/scripts/new.sh").write_text("#!/bin/sh\n")
    (clone / "template/scripts/new.sh").chmod(0o755)
    next_checklist(clone / "includes/documents/checklist.yml")
    git("add", "--all", cwd=clone)
    git("commit", "--quiet", "--message=Next release", cwd=clone)
    git("tag", NEXT, cwd=clone)
    return clone


def next_checklist(file: Path) -> None:
    """Adds an item between two, rewords what two of them say, and retires one."""
    text = file.read_text()
    new = "    - item: new\n      done: false\n      ja: 新しい項目\n      en: A new item\n      how: {ja: 新しい。, en: New.}\n"
    for item in ("gitignore", "secret"):
        assert f"    - item: {item}\n" in text
        text = text.replace(f"    - item: {item}\n", f"{new.replace('new', f'before-{item}', 1)}    - item: {item}\n")
    for old in ("It must list `.env`.", "`.env` が含まれている必要があります。", "You need both."):
        text = text.replace(old, f"Reworded: {old}")
    text = text.replace("    - item: own-makefile\n", "    - item: own-makefile\n      retired: 2020-01-01\n")
    file.write_text(text)


def append(file: Path, text: str) -> None:
    file.write_text(file.read_text() + text)


def substitute(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def contents(folder: Path) -> Files:
    return {
        path.relative_to(folder).as_posix(): (os.access(path, os.X_OK), path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


@dataclass
class Update:
    """What an update did to a service: all files before, after, and as the new version makes them from nothing."""

    before: Files
    after: Files
    fresh: Files
    by_hand: Files
    recopied: Files
    unmerged: str
    second: str
    version: str

    def answers(self, files: Files) -> dict:
        return yaml.safe_load(files[ANSWERS_FILE][1])


CREATE_ONCE = interface.create_once(copier_yml.read(ROOT))


def create_once(path: str) -> bool:
    return any(PurePosixPath("/" + path).match(pattern) for pattern in CREATE_ONCE)


def edited(path: str, content: bytes) -> bytes:
    old, new = EDITS.get(path, ("", ""))
    return content.replace(old.encode(), new.encode(), 1)


# Each promise says what of it an update broke.


def files_are_those_of_a_fresh_copy_with_the_edits(update: Update) -> list[str]:
    expected = {path: edited(path, content) for path, (_, content) in update.fresh.items() if not create_once(path)}
    expected = {path: content for path, content in expected.items() if path not in (ANSWERS_FILE, DELETED_OWNED)}
    found = [f"{path} differs" for path in expected if update.after.get(path, (0, b"missing"))[1] != expected[path]]
    surplus = update.after.keys() - expected.keys() - update.before.keys() - {ANSWERS_FILE}
    return found + [f"{path} is no file of the new version" for path in surplus]


def files_that_the_new_version_dropped_are_gone(update: Update) -> list[str]:
    own = {OWN_MIGRATION, OWN_FILE, ".env", ANSWERS_FILE}
    return [path for path in update.after if path not in update.fresh and path not in own and not create_once(path)]


def own_files_are_untouched(update: Update) -> list[str]:
    own = {path for path in update.before if create_once(path)} | {OWN_MIGRATION, OWN_FILE, ".env"}
    return [path for path in own & update.before.keys() if update.after.get(path) != update.before[path]]


def no_file_that_is_created_once_arrives_late(update: Update) -> list[str]:
    return [path for path in update.after if create_once(path) and path not in update.before]


def deleted_files_stay_deleted(update: Update) -> list[str]:
    return [path for path in (DELETED, DELETED_OWNED) if path in update.after]


def answers_are_kept(update: Update) -> list[str]:
    before, after = update.answers(update.before), update.answers(update.after)
    return [name for name in before if name != "_commit" and after.get(name) != before[name]]


def version_is_the_new_one(update: Update) -> list[str]:
    version = update.answers(update.after)["_commit"]
    return [] if version == update.version else [version]


def no_conflict_is_left(update: Update) -> list[str]:
    marked = [path for path, (_, content) in update.after.items() if b"<<<<<<< " in content or b">>>>>>> " in content]
    return marked + [path for path in update.after if path.endswith(".rej")] + update.unmerged.splitlines()


def modes_are_those_of_a_fresh_copy(update: Update) -> list[str]:
    return [
        path for path in update.after.keys() & update.fresh.keys() if update.after[path][0] != update.fresh[path][0]
    ]


def second_update_changes_nothing(update: Update) -> list[str]:
    return update.second.splitlines()


def by_hand_in_a_renamed_folder_it_is_the_same(update: Update) -> list[str]:
    paths = update.after.keys() | update.by_hand.keys()
    return [path for path in paths if update.after.get(path) != update.by_hand.get(path)]


def recopy_keeps_what_the_service_owns(update: Update) -> list[str]:
    own = {path for path in update.before if create_once(path)} | {OWN_MIGRATION, OWN_FILE, ".env"}
    return [path for path in own & update.before.keys() if update.recopied.get(path) != update.before[path]]


PROMISES: list[Callable[[Update], list[str]]] = [
    files_are_those_of_a_fresh_copy_with_the_edits,
    files_that_the_new_version_dropped_are_gone,
    own_files_are_untouched,
    no_file_that_is_created_once_arrives_late,
    deleted_files_stay_deleted,
    answers_are_kept,
    version_is_the_new_one,
    no_conflict_is_left,
    modes_are_those_of_a_fresh_copy,
    second_update_changes_nothing,
    by_hand_in_a_renamed_folder_it_is_the_same,
    recopy_keeps_what_the_service_owns,
]


@pytest.fixture
def copier(default_gitconfig, tmp_path) -> Callable:
    """copier("update", "--defaults", cwd=service): the command itself, without trust; it has to succeed."""
    variables = git_configuration(tmp_path / "gitconfig")

    def copier(*arguments: str | Path, cwd: Path) -> None:
        result = command.run("copier", *arguments, cwd=cwd, env=variables)
        assert result.returncode == 0, result.stderr

    return copier


@pytest.fixture
def made_by(released, git, tmp_path) -> Callable[..., Path]:
    """made_by("v0.1.0", answers): a service of that release which has been worked on and committed since."""

    def made_by(version: str, answers: dict) -> Path:
        inside = answers.get("layout") == "monorepo-service"
        top = tmp_path / ("avion" if inside else "avion-auth")
        service = top / "avion-auth" if inside else top
        run_copy(str(released), service, data=answers, defaults=True, vcs_ref=version, unsafe=False, quiet=True)
        git("init", "--quiet", cwd=top)
        commit(git, top, "Generate")
        (service / "docs").mkdir(exist_ok=True)
        (service / OWN_FILE).write_text("Ours\n")
        for path, edit in EDITS.items():
            if (service / path).exists():
                substitute(service / path, *edit)
        if answers.get("layout") != "monorepo-root":
            append(service / "Makefile", "\nown-target:\n\t@echo own\n")
            append(service / "migrations/00001_init_schema.sql", "-- own line\n")
            (service / OWN_MIGRATION).write_text("-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1;\n")
            (service / ".env").write_text("DB_PASSWORD=ours\n")
            for path in (DELETED, DELETED_OWNED):
                (service / path).unlink()
        commit(git, top, "Work on it")
        return service

    return made_by


def commit(git, top: Path, message: str) -> None:
    git("add", "--all", cwd=top)
    git("commit", "--quiet", "--allow-empty", f"--message={message}", cwd=top)


@pytest.fixture
def updated(made_by, released, copier, git, tmp_path) -> Callable[..., Update]:
    """updated("v0.1.0", "v9999.0.0", answers): the update as bots run it, by hand, once more, and a recopy."""

    def updated(old: str, new: str, answers: dict) -> Update:
        service = made_by(old, answers)
        top = service if (service / ".git").exists() else service.parent
        before = contents(service)
        shutil.copytree(top, tmp_path / "for recopy" / top.name)
        other = tmp_path / "by hand" / "a renamed checkout"
        shutil.copytree(top, other)

        bots = ("update", "--skip-answered", "--defaults", f"--vcs-ref={new}", f"--answers-file={ANSWERS_FILE}")
        copier(*bots, cwd=service)
        after, unmerged = contents(service), git("ls-files", "--unmerged", cwd=service)
        commit(git, top, "Update")
        copier(*bots, cwd=service)
        second = git("status", "--porcelain", cwd=top)

        if service != top:
            (other / service.name).rename(other / "renamed")
            commit(git, other, "Rename")
            copier("update", "--defaults", f"--vcs-ref={new}", "renamed", cwd=other)
            other = other / "renamed"
        else:
            copier("update", "--defaults", f"--vcs-ref={new}", cwd=other)

        recopied = tmp_path / "for recopy" / service.relative_to(tmp_path)
        copier("recopy", "--defaults", "--overwrite", f"--vcs-ref={new}", cwd=recopied)
        fresh = tmp_path / "fresh" / "avion-auth"
        stored = {k: v for k, v in yaml.safe_load(before[ANSWERS_FILE][1]).items() if not k.startswith("_")}
        run_copy(str(released), fresh, data=stored, defaults=True, vcs_ref=new, unsafe=False, quiet=True)
        return Update(
            before, after, contents(fresh), contents(other), contents(recopied), unmerged, second, version=new
        )

    return updated


@pytest.mark.parametrize(
    ("old", "new", "answers"), others_slow([*FEW, *(step for step in STEPS if step not in FEW)], len(FEW))
)
def test_update_keeps_every_promise(updated, old, new, answers):
    update = updated(old, new, ANSWERS[answers])
    assert {promise.__name__: broken for promise in PROMISES if (broken := promise(update))} == {}


def changed(files: Files, path: str, content: bytes | None, executable: bool = False) -> Files:
    rest = {name: file for name, file in files.items() if name != path}
    return rest if content is None else rest | {path: (executable, content)}


BREACHES = {
    files_are_those_of_a_fresh_copy_with_the_edits: lambda u: {
        "after": changed(u.after, ".goose.yml", u.fresh[".goose.yml"][1])
    },
    files_that_the_new_version_dropped_are_gone: lambda u: {"after": changed(u.after, "docs/old.md", b"")},
    own_files_are_untouched: lambda u: {"after": changed(u.after, OWN_MIGRATION, None)},
    no_file_that_is_created_once_arrives_late: lambda u: {"after": changed(u.after, "migrations/00003_never.sql", b"")},
    deleted_files_stay_deleted: lambda u: {"after": changed(u.after, DELETED, b"")},
    answers_are_kept: lambda u: {
        "after": changed(u.after, ANSWERS_FILE, u.after[ANSWERS_FILE][1].replace(b": auth", b": user"))
    },
    version_is_the_new_one: lambda u: {"after": changed(u.after, ANSWERS_FILE, u.before[ANSWERS_FILE][1])},
    no_conflict_is_left: lambda u: {"after": changed(u.after, "migrations.mk.rej", b"")},
    modes_are_those_of_a_fresh_copy: lambda u: {
        "after": changed(u.after, "migrations.mk", u.after["migrations.mk"][1], True)
    },
    second_update_changes_nothing: lambda u: {"second": " M migrations.mk\n"},
    by_hand_in_a_renamed_folder_it_is_the_same: lambda u: {"by_hand": changed(u.by_hand, ".goose.yml", None)},
    recopy_keeps_what_the_service_owns: lambda u: {
        "recopied": changed(u.recopied, "Makefile", b"include migrations.mk\n")
    },
}


@pytest.mark.slow
def test_every_promise_notices_that_it_is_broken(updated):
    assert list(BREACHES) == PROMISES
    update = updated(HEAD, NEXT, ANSWERS["defaults"])
    for promise, breach in BREACHES.items():
        assert promise(update) == []
        assert promise(replace(update, **breach(update))) != [], promise.__name__


def test_overlapping_edit_is_a_visible_conflict_that_the_check_finds(made_by, copier, git, engine, run):
    """Were updates to lose edits silently, the tests above could not tell."""
    service = made_by(HEAD, ANSWERS["defaults"])
    append(service / "migrations.mk", "\n# The service's own end\n")
    commit(git, service, "Edit an owned file")
    copier("update", "--defaults", f"--vcs-ref={NEXT}", cwd=service)
    assert git("ls-files", "--unmerged", cwd=service) != ""
    assert "<<<<<<<" in (service / "migrations.mk").read_text()
    put_engine(engine, service)
    commit(git, service, "As a bot would")
    checked = run(DEV, "template-check", cwd=service)
    assert (checked.returncode, "migrations.mk holds conflict markers" in checked.stderr) == (1, True)


@pytest.mark.parametrize("language", others_slow(["ja", "en"], 1))
def test_ticks_of_people_survive_added_reworded_and_retired_items(made_by, copier, git, language):
    service = made_by(HEAD, {"docs_language": language, "created_on": "2019-12-31"})
    setup = service / "docs/migration-setup.md"
    open_items = setup.read_text().count("\n- [ ] ")
    assert open_items > 10
    setup.write_text(setup.read_text().replace("\n- [ ] ", "\n- [x] "))
    commit(git, service, "Tick everything")
    copier("update", "--skip-answered", "--defaults", f"--vcs-ref={NEXT}", cwd=service)
    after = setup.read_text()
    assert git("ls-files", "--unmerged", cwd=service) == ""
    assert after.count("\n- [ ] ") == 2
    assert after.count("<!-- own-makefile -->") == 1
    assert "Reworded: " in after


@pytest.mark.parametrize("language", others_slow(["ja", "en"], 1))
def test_ticks_made_under_the_first_release_conflict_once_and_none_is_lost(made_by, copier, git, language):
    """There, items had no lines of their own yet. Who has resolved it once is not asked again."""
    service = made_by("v0.1.0", {"docs_language": language, "created_on": "2019-12-31"})
    setup = service / "docs/migration-setup.md"
    setup.write_text(setup.read_text().replace("\n- [ ] ", "\n- [x] "))
    ticked = [line for line in setup.read_text().splitlines() if line.startswith("- [x] ")]
    assert len(ticked) > 10
    commit(git, service, "Tick everything")
    copier("update", "--skip-answered", "--defaults", f"--vcs-ref={HEAD}", cwd=service)
    both = setup.read_text()
    assert {line.split("\t")[1] for line in git("ls-files", "--unmerged", cwd=service).splitlines()} == {
        "docs/migration-setup.md"
    }
    assert "<<<<<<< " in both
    assert [line for line in ticked if line not in both.splitlines()] == []

    theirs = re.sub(r"^<<<<<<< .*?^=======$\n(.*?)^>>>>>>> .*?\n", r"\1", both, flags=re.MULTILINE | re.DOTALL)
    setup.write_text(theirs.replace("\n- [ ] ", "\n- [x] "))
    commit(git, service, "Resolve it")
    copier("update", "--skip-answered", "--defaults", f"--vcs-ref={NEXT}", cwd=service)
    assert git("ls-files", "--unmerged", cwd=service) == ""
    assert "Reworded: " in setup.read_text()
    # Those that the next release adds.
    assert setup.read_text().count("\n- [ ] ") == 2


def test_items_that_are_retired_are_not_for_new_services(released, tmp_path):
    service = tmp_path / "avion-auth"
    run_copy(str(released), service, data={"created_on": "2020-01-01"}, defaults=True, vcs_ref=NEXT, quiet=True)
    assert "<!-- own-makefile -->" not in (service / "docs/migration-setup.md").read_text()


def test_everything_that_people_are_to_do_says_how():
    """The line below keeps a tick apart from the next item; without it, a new neighbour would conflict."""
    text = (ROOT / "includes/documents/checklist.yml").read_text()
    items = text.split("    - item: ")[1:]
    assert [item.splitlines()[0] for item in items if "done: false" in item and "      how:\n" not in item] == []


def test_a_new_question_without_a_default_stops_the_command_of_bots(made_by, released, git, tmp_path):
    """Why the guard demands a default for every question."""
    service = made_by(HEAD, ANSWERS["defaults"])
    broken = tmp_path / "broken"
    git("clone", "--quiet", released, broken, cwd=tmp_path)
    append(broken / "copier.yml", "\nport: {type: int, help: 'Which?'}\n")
    git("commit", "--quiet", "--all", "--message=Ask", cwd=broken)
    git("tag", "v9999.2.0", cwd=broken)
    substitute(service / ANSWERS_FILE, str(released), str(broken))
    commit(git, service, "Move the template")
    with pytest.raises(ValueError, match="port"):
        run_update(service, vcs_ref="v9999.2.0", defaults=True, skip_answered=True, overwrite=True, quiet=True)


def test_copy_over_an_existing_service_keeps_what_is_its_own(template, tmp_path):
    folder = tmp_path / "avion-auth"
    (folder / "migrations").mkdir(parents=True)
    own = {
        "Makefile": "all:\n\t@echo own\n",
        "README.md": "# Own\n",
        "docker-compose.yml": "services: {}\n",
        ".gitignore": "/bin/\n",
        "migrations/00001_init_schema.sql": "-- +goose Up\n-- +goose Down\n",
    }
    for path, text in own.items():
        (folder / path).write_text(text)
    run_copy(str(template), folder, defaults=True, quiet=True)
    for path, text in own.items():
        assert (folder / path).read_text() == text
    assert (folder / "migrations.mk").exists()
