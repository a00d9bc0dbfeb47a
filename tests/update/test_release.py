"""`make release` records what may be released, and nothing else."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.version import Version

from dev.release import changelog
from dev.release.__main__ import RefusedError, release, successor
from dev.release.history import MissingCommitError, check_out, releases, tag
from dev.seal.__main__ import seal
from dev.toolchain.install import ROOT

TEXT = "# Changelog\n\n## [Unreleased]\n\n### {}\n\n- Something.\n\n## [0.1.0] - 2026-01-01\n\n### Added\n\n- All.\n"

ONE = {"defaults": {"created_on": "2026-11-23"}}


@pytest.fixture
def repository(released_template, git, tmp_path) -> Path:
    """A clone of this repository on main, whose origin is as far as it is, with v0.1.0 as its only release."""
    origin = tmp_path / "origin.git"
    shutil.copytree(released_template, origin)
    folder = tmp_path / "clone"
    git("clone", "--quiet", origin, folder, cwd=tmp_path)
    return folder


@pytest.fixture(scope="module")
def released_template(template, git, tmp_path_factory) -> Path:
    """The published work tree as a bare repository, released once, with one entry in its changelog."""
    folder = tmp_path_factory.mktemp("release")
    git(
        "clone",
        "--quiet",
        "--branch=v9999.0.0",
        "-c",
        "advice.detachedHead=false",
        template,
        folder / "tree",
        cwd=folder,
    )
    tree = folder / "tree"
    git("switch", "--quiet", "--force-create", "main", cwd=tree)
    git("tag", "--delete", "v9999.0.0", cwd=tree)
    commit = git("rev-parse", "HEAD", cwd=tree).strip()
    (tree / "releases.yml").write_text(f"- version: 0.1.0\n  commit: {commit}\n  date: 2026-01-01\n")
    (tree / "CHANGELOG.md").write_text(TEXT.format("Fixed"))
    save(git, tree, "Start")
    git("clone", "--quiet", "--bare", "--branch=main", tree, folder / "origin.git", cwd=folder)
    return folder / "origin.git"


def save(git, folder: Path, message: str) -> None:
    git("commit", "--quiet", "--all", f"--message={message}", cwd=folder)


def push(git, folder: Path, message: str = "Change") -> None:
    save(git, folder, message)
    git("push", "--quiet", "origin", "main", cwd=folder)


def prepare(git, folder: Path, version: str) -> None:
    """What `make engine VERSION=` does, on main."""
    seal(version, folder)
    git("add", "--all", cwd=folder)
    push(git, folder, "Seal the engine")


def test_release_names_the_tip_of_main_and_writes_it_down(repository, git):
    prepare(git, repository, "0.1.1")
    tip = git("rev-parse", "HEAD", cwd=repository).strip()
    made = release("0.1.1", repository, ONE, [])
    assert releases(repository)[-1] == made
    assert (made.version, made.commit) == ("0.1.1", tip)
    assert f"## [Unreleased]\n\n## [0.1.1] - {made.date}\n\n### Fixed\n" in (repository / "CHANGELOG.md").read_text()
    assert 'version = "0.1.1"' in git("show", "v0.1.1:pyproject.toml", cwd=repository)
    assert git("status", "--porcelain", cwd=repository) == ""
    assert git("rev-parse", "HEAD~1", "v0.1.1", cwd=repository).split() == [tip, tip]


def test_breaking_difference_demands_a_major_version_and_its_announcement(repository, git):
    targets = repository / "template/migrations.mk"
    targets.write_text(targets.read_text().replace("migrate-ping", "migrate-hello"))
    prepare(git, repository, "0.2.0")
    with pytest.raises(RefusedError, match=r"target migrate-ping is gone: undo .* under Breaking"):
        release("0.2.0", repository, ONE, [])
    (repository / "CHANGELOG.md").write_text(TEXT.format("Breaking"))
    push(git, repository)
    with pytest.raises(RefusedError, match=r"0\.2\.0 is a minor version after 0\.1\.0, but .* demands a major one"):
        release("0.2.0", repository, ONE, [])
    prepare(git, repository, "1.0.0")
    assert release("1.0.0", repository, ONE, []).version == "1.0.0"


def test_another_number_of_the_tool_is_refused(repository, git):
    prepare(git, repository, "0.1.1")
    project = repository / "pyproject.toml"
    project.write_text(project.read_text().replace('version = "0.1.1"', 'version = "0.1.0"'))
    push(git, repository)
    with pytest.raises(RefusedError, match=r"says 0\.1\.0: run make engine VERSION=0\.1\.1"):
        release("0.1.1", repository, ONE, [])


def test_only_a_clean_pushed_main_is_released(repository, git):
    changelog_file = repository / "CHANGELOG.md"
    changelog_file.write_text(changelog_file.read_text() + "\n")
    with pytest.raises(RefusedError, match="not committed"):
        release("0.1.1", repository, ONE, [])
    save(git, repository, "Not pushed")
    with pytest.raises(RefusedError, match="not the same as origin's"):
        release("0.1.1", repository, ONE, [])
    git("switch", "--quiet", "--create=work", cwd=repository)
    with pytest.raises(RefusedError, match='the branch is "work"'):
        release("0.1.1", repository, ONE, [])


def test_nothing_to_tell_is_nothing_to_release(repository, git):
    (repository / "CHANGELOG.md").write_text(TEXT.replace("### {}\n\n- Something.\n\n", ""))
    push(git, repository)
    with pytest.raises(RefusedError, match="nothing under"):
        release("0.1.1", repository, ONE, [])


@pytest.mark.parametrize(
    ("headings", "step"),
    [
        (["Fixed"], "patch"),
        (["Security", "Added"], "minor"),
        (["Removed"], "minor"),
        (["Added", "Breaking", "Fixed"], "major"),
    ],
)
def test_headings_demand_a_step(headings, step):
    assert changelog.demanded(TEXT.format("\n\n- One.\n\n### ".join(headings))) == step


def test_unknown_heading_is_refused():
    with pytest.raises(ValueError, match="heading News"):
        changelog.demanded(TEXT.format("News"))


@pytest.mark.parametrize(("version", "step"), [("1.2.4", "patch"), ("1.3.0", "minor"), ("2.0.0", "major")])
def test_version_follows_the_last(version, step):
    assert successor("1.2.3", version) == step


@pytest.mark.parametrize(
    "version", ["1.2.3", "1.2.5", "1.3.1", "1.4.0", "3.0.0", "0.9.0", "v1.2.4", "1.2", "01.2.4", "1.2.4rc1", ""]
)
def test_version_that_does_not_follow_is_refused(version):
    with pytest.raises(RefusedError):
        successor("1.2.3", version)


def test_releases_stand_in_the_changelog_and_in_the_project(git):
    listed = releases()
    sections = [
        version for version in changelog.sections((ROOT / "CHANGELOG.md").read_text()) if version != "Unreleased"
    ]
    assert sections == [one.version for one in reversed(listed)]
    number = Version(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
    # It is the number of the next one, once that is prepared.
    assert number >= Version(listed[-1].version)
    assert len({one.commit for one in listed}) == len(listed)


@pytest.mark.parametrize("one", releases(), ids=lambda one: one.tag)
def test_no_release_needs_trust(one, tmp_path):
    settings = yaml.safe_load((check_out(ROOT, one.commit, tmp_path) / "copier.yml").read_text())
    assert not {"_tasks", "_migrations", "_jinja_extensions"} & settings.keys()


def test_history_that_is_too_short_fails(git, tmp_path):
    shallow = tmp_path / "shallow"
    git("clone", "--quiet", "--depth=1", f"file://{ROOT}", shallow, cwd=tmp_path)
    git("commit", "--quiet", "--allow-empty", "--message=Newer", cwd=shallow)
    first = releases()[0]
    if git("rev-parse", "HEAD~1", cwd=shallow).strip() != first.commit:
        with pytest.raises(MissingCommitError, match=f"{first.commit}.*git fetch --unshallow"):
            tag(shallow, [first])


def test_ci_checks_out_the_whole_history():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    (checkout,) = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    assert checkout["with"]["fetch-depth"] == 0
