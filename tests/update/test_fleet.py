"""`avion-template` shows what an update would do, tells who lags, and updates many services or none of each by half."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from copier import run_copy

from dev.toolchain.command import environment
from dev.toolchain.install import ROOT
from tests.amounts import rounds

BRANCH = "avion-template/v1.1.0"


@pytest.fixture(scope="module")
def released(template, tmp_path_factory, git) -> Path:
    """Two releases: v1.1.0 edits a file and adds, renames and deletes one."""
    clone = tmp_path_factory.mktemp("released") / "template"
    git("clone", "--quiet", "--no-tags", template, clone, cwd=clone.parent)
    (clone / "template/docs/migration-old.md").write_text("Old.\n\nSecond line.\n\nThird line.\n")
    commit(git, clone, "v1.0.0")
    (clone / "template/docs/migration-old.md").rename(clone / "template/docs/migration-renamed.md")
    (clone / "template/docs/migration-new.md").write_text("New.\n")
    (clone / "template/scripts/migration-one.sql").write_text("SELECT 1;\n")
    edit(
        clone / "template/migrations.mk",
        "# Every decision is the engine's",
        "# The next release: every decision is the engine's",
    )
    edit(clone / "template/.goose.yml.jinja", "# The weakest SSL mode", "# The next release: the weakest SSL mode")
    edit(clone / "template/Makefile.jinja", "include", "# The next release\ninclude")
    commit(git, clone, "v1.1.0")
    return clone


@pytest.fixture(scope="module")
def first(released, tmp_path_factory, git) -> Path:
    """A service of v1.0.0, committed."""
    folder = tmp_path_factory.mktemp("first") / "avion-auth"
    run_copy(str(released), folder, vcs_ref="v1.0.0", defaults=True, unsafe=False, quiet=True)
    git("init", "--quiet", cwd=folder)
    commit(git, folder)
    return folder


@pytest.fixture
def services(first, tmp_path) -> Callable[[int], list[Path]]:
    def services(count: int) -> list[Path]:
        folders = [tmp_path / "fleet" / str(number) / "avion-auth" for number in range(count)]
        for folder in folders:
            # Links are enough: nobody writes into a file of the work tree or of git's.
            shutil.copytree(first, folder, copy_function=os.link)
        return folders

    return services


@pytest.fixture
def service(first, tmp_path) -> Path:
    return shutil.copytree(first, tmp_path / "one" / "avion-auth")


@pytest.fixture
def fleet(run):
    def fleet(*arguments: str | Path, status: int = 0) -> str:
        result = run(sys.executable, "-m", "avion_template", *arguments, cwd=ROOT)
        assert result.returncode == status, result.stdout + result.stderr
        return result.stdout + result.stderr

    return fleet


def commit(git, folder: Path, tag: str = "") -> None:
    git("add", "--all", cwd=folder)
    git("commit", "--quiet", "--message", tag or "Work", cwd=folder)
    if tag:
        git("tag", tag, cwd=folder)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.unlink()
    path.write_text(text.replace(old, new, 1))


def classes(shown: str) -> dict[str, str]:
    """What the plan says of each file."""
    lines = [line for line in shown.splitlines() if not line.startswith("avion-template: ")]
    return dict(reversed(line.split()) for line in lines)


def everything(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_plan_tells_what_an_update_would_do_and_touches_nothing(service, fleet, git):
    edit(service / "migrations.mk", "# Every decision", "# Indeed, every decision")
    edit(service / ".goose.yml", "table: goose_db_version", "table: auth_version")
    edit(service / "docs/migration-old.md", "Second", "Our second")
    (service / "docs/migration-new.md").write_text("Ours.\n")
    commit(git, service)
    before = everything(service)
    shown = fleet("plan", service, status=1)
    assert everything(service) == before
    assert "git show HEAD:./FILE" in shown
    assert classes(shown) == {
        ".copier-answers.yml": "clean",
        ".goose.yml": "merged",
        "docs/migration-new.md": "conflict",
        "docs/migration-old.md": "would-lose-edits",
        "docs/migration-renamed.md": "new",
        "migrations.mk": "conflict",
        "scripts/migration-one.sql": "new",
    }


def test_plan_of_a_service_in_a_monorepo(first, tmp_path, fleet, git):
    service = shutil.copytree(first, tmp_path / "mono" / "avion-auth", ignore=shutil.ignore_patterns(".git"))
    git("init", "--quiet", cwd=service.parent)
    commit(git, service.parent)
    shown = fleet("plan", service)
    assert "clean  migrations.mk" in " ".join(shown.split(" ")).replace("    ", "  ")
    assert "deleted" in shown


def test_update_puts_each_service_of_a_monorepo_on_a_branch_of_its_own(first, tmp_path, fleet, git):
    folders = [tmp_path / "mono" / name for name in ("avion-auth", "services/avion-user", "avion-media")]
    for folder in folders:
        shutil.copytree(first, folder, ignore=shutil.ignore_patterns(".git"))
    git("init", "--quiet", cwd=tmp_path / "mono")
    commit(git, tmp_path / "mono")
    shown = fleet("update", "--workers", "2", *folders)
    for folder in folders:
        name = folder.relative_to(tmp_path / "mono").as_posix()
        branch = f"avion-template/{name}/v1.1.0"
        assert f"updated   {folder}  {branch}" in shown
        assert "The next release" in git("show", f"{branch}:{name}/migrations.mk", cwd=folder)
        changed = git("diff", "--name-only", f"main..{branch}", cwd=tmp_path / "mono").splitlines()
        assert all(path.startswith(f"{name}/") for path in changed)


def test_status_tells_version_lag_and_edits(service, fleet, git):
    edit(service / "migrations.mk", "# Every decision", "# Indeed, every decision")
    edit(service / "Makefile", "include", "# Ours\ninclude")
    (_, row) = fleet("status", service).splitlines()
    assert row.split() == [str(service), "v1.0.0", "1", "migrations.mk"]


@pytest.mark.slow
def test_status_of_two_hundred_services_takes_less_than_five_seconds(services, fleet):
    folders = services(200)
    used = os.times()
    rows = fleet("status", *folders).splitlines()
    now = os.times()
    assert len(rows) == 201
    assert all(row.split()[1:] == ["v1.0.0", "1", "-"] for row in rows[1:])
    # The processor's time: what else the machine does is not the tool's.
    assert now.children_user + now.children_system - used.children_user - used.children_system < 10


def test_update_puts_each_service_on_a_branch_and_leaves_the_rest_alone(services, fleet, git):
    folders = services(4)
    (folders[0] / "uncommitted").write_text("work in progress\n")
    before = git("rev-parse", "HEAD", cwd=folders[0])
    shown = fleet("update", "--workers", "2", "--wave", "1", *folders)
    assert shown.count("updated ") == 4
    for folder in folders:
        assert git("rev-parse", "HEAD", cwd=folder) == before
        assert "The next release" in git("show", f"{BRANCH}:migrations.mk", cwd=folder)
        assert "The next release" not in git("show", f"{BRANCH}:Makefile", cwd=folder)
        assert git("diff", "--check", f"main..{BRANCH}", cwd=folder) == ""
    assert git("status", "--porcelain", cwd=folders[0]) == "?? uncommitted\n"
    assert fleet("update", *folders).count("there ") == 4


def test_conflict_is_on_a_branch_of_its_own_and_stops_the_next_wave(services, service, fleet, git):
    edit(service / "migrations.mk", "# Every decision", "# Indeed, every decision")
    edit(service / "docs/migration-old.md", "Second", "Our second")
    commit(git, service)
    (later,) = services(1)
    shown = fleet("update", "--wave", "1", service, later, status=1)
    assert f"conflict  {service}  {BRANCH}-conflict: docs/migration-old.md, migrations.mk" in shown
    assert "not begun: 1 of the services" in shown
    assert "<<<<<<<" in git("show", f"{BRANCH}-conflict:migrations.mk", cwd=service)
    assert "Our second" in git("show", f"{BRANCH}-conflict:docs/migration-old.md", cwd=service)
    assert git("branch", "--list", "avion-template/*", cwd=later) == ""


def test_one_failure_is_nobody_elses(services, fleet, tmp_path, git, first):
    broken = shutil.copytree(first, tmp_path / "broken" / "avion-auth")
    edit(broken / ".copier-answers.yml", "_commit: v1.0.0", "_commit: v0.9.0")
    commit(git, broken)
    (good,) = services(1)
    shown = fleet("update", broken, good, status=1)
    assert "failed " in shown
    assert "updated " in shown


@pytest.fixture
def many(tmp_path, git) -> list[Path]:
    """Services of a template so small that an update of one takes half a second, and as many as kills need."""
    template = tmp_path / "template"
    (template / "template/docs").mkdir(parents=True)
    (template / "copier.yml").write_text("_subdirectory: template\n")
    (template / "template/{{ _copier_conf.answers_file }}.jinja").write_text("{{ _copier_answers | to_nice_yaml }}")
    for name in ("changed", "dropped"):
        (template / f"template/docs/migration-{name}.md").write_text("One.\n")
    git("init", "--quiet", cwd=template)
    commit(git, template, "v1.0.0")
    (template / "template/docs/migration-changed.md").write_text("Two.\n")
    (template / "template/docs/migration-dropped.md").unlink()
    (template / "template/docs/migration-new.md").write_text("Two.\n")
    commit(git, template, "v1.1.0")
    first = tmp_path / "first"
    run_copy(str(template), first, vcs_ref="v1.0.0", defaults=True, quiet=True)
    git("init", "--quiet", cwd=first)
    commit(git, first)
    return [shutil.copytree(first, tmp_path / "many" / str(number)) for number in range(84)]


@pytest.fixture
def begin(tmp_path):
    """begin(services): an update that goes on by itself, once a first service is being updated."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def begin(folders: list[Path]) -> subprocess.Popen:
        there = set(scratch.glob("*/*/service"))
        process = subprocess.Popen(
            [sys.executable, "-m", "avion_template", "update", "--workers", "2", *folders],
            cwd=ROOT,
            env=environment({"TMPDIR": str(scratch)}),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not set(scratch.glob("*/*/service")) - there and process.poll() is None:
            time.sleep(0.01)
        return process

    return begin


@rounds(3, 20)
def test_whoever_kills_an_update_leaves_no_service_half_updated(rounds, many, begin, fleet, git):
    many = many[: 4 * rounds + 4]

    def state(folder: Path) -> list[str]:
        names = "--format=%(refname:short) %(objectname) %(tree)"
        return git("for-each-ref", names, "refs/heads", cwd=folder).splitlines()

    def branched(folder: Path) -> bool:
        return (folder / ".git/refs/heads" / BRANCH).exists()

    ((before,),) = {tuple(state(folder)) for folder in many}
    files = everything(many[0] / "docs")
    process, began = begin(many[:2]), time.monotonic()
    process.wait()
    pace = time.monotonic() - began
    dice = random.Random(5)
    interrupted, done, trees = 0, 2, set()
    for _ in range(rounds):
        process = begin(many)
        # Not by the clock alone: whatever the machine is busy with, there is something left to interrupt.
        limit = time.monotonic() + dice.uniform(0, 1.5 * pace)
        while time.monotonic() < limit and sum(map(branched, many)) == done:
            time.sleep(0.01)
        interrupted += process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        updated = [new for folder in many for new in state(folder) if new != before]
        assert {new.split()[0] for new in updated} <= {BRANCH}
        trees |= {new.split()[2] for new in updated}
        assert len(trees) <= 1, "every branch holds the same whole update"
        assert len(updated) >= done, "what is done stays done"
        done = len(updated)
    assert interrupted == rounds
    assert 2 <= done < len(many)

    fleet("update", "--workers", "2", *many)
    for folder in many:
        old, new = sorted(state(folder), reverse=True)
        assert old == before
        assert trees == {new.split()[2]}
        assert git("status", "--porcelain", cwd=folder) == ""
        assert everything(folder / "docs") == files
        assert git("fsck", "--no-dangling", cwd=folder) == ""
    names = git("ls-tree", "-r", "--name-only", BRANCH, cwd=many[0]).split()
    assert names == [".copier-answers.yml", "docs/migration-changed.md", "docs/migration-new.md"]
    assert "Two." in git("show", f"{BRANCH}:docs/migration-changed.md", cwd=many[0])


def test_killed_command_leaves_neither_a_process_nor_for_long_a_folder(many, begin, run, tmp_path):
    process = begin(many)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    ends = time.monotonic() + 20
    while time.monotonic() < ends and is_alive(process.pid):
        time.sleep(0.05)
    assert not is_alive(process.pid)
    (left,) = (tmp_path / "scratch").iterdir()
    own = tmp_path / "scratch/avion-template-own"
    own.mkdir()
    result = run(
        *(sys.executable, "-m", "avion_template", "update", many[0]),
        cwd=ROOT,
        env={"TMPDIR": str(tmp_path / "scratch")},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert list((tmp_path / "scratch").iterdir()) == [own]
    assert left != own


def is_alive(group: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


def test_a_folder_that_is_no_service_is_refused_in_one_sentence(tmp_path, fleet):
    assert "holds no .copier-answers.yml" in fleet("status", tmp_path, status=1)
