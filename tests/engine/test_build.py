"""build.sh builds the sealed engine on whatever machine, and minds nobody's environment; what stops it is one sentence."""

from __future__ import annotations

import os
import re
import resource
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from dev.toolchain.install import ROOT, search_path
from tests.amounts import others_slow
from tests.places import PLACES

PROGRAM = Path("tools/migrate/bin/migrate")
# Every program that build.sh starts, but go: no git, no curl, no python.
NEEDED = ("sh", "awk", "cat", "chmod", "dirname", "grep", "mkdir", "mv", "od", "rm", "sed", "touch", "tr")
# What one would write without thinking of anybody else's settings.
NAIVE = (
    "cd tools/migrate && GOPROXY=file://$PWD/engine,$GOPROXY"
    " go build -trimpath -o bin/migrate avion.internal/migrate/cmd/migrate && bin/migrate --help"
)


@pytest.fixture(scope="module")
def proxy(generate_for_module, run) -> str:
    """A module proxy in a folder: what this machine's module cache holds, once the engine was built with it."""
    service = generate_for_module()
    built = run("sh", "tools/migrate/build.sh", cwd=service, timeout=600)
    assert built.returncode == 0, built.stderr
    downloads = Path(run("go", "env", "GOMODCACHE", cwd=service).stdout.strip()) / "cache/download"
    return f"file://{quote(str(downloads))}"


@pytest.fixture
def service(rendered, tmp_path) -> Path:
    """A service whose engine is not built yet."""
    return shutil.copytree(rendered(), tmp_path / "avion-auth")


@pytest.fixture
def build(run, proxy) -> Callable:
    """build(service, "--output=out", GOOS="windows"): build.sh in a shell that has these variables, away from any network."""

    def build(service: Path, *arguments: str | Path, **variables: str):
        command = ("sh", "tools/migrate/build.sh", *arguments)
        return run(*command, cwd=service, env={"GOPROXY": proxy, **variables}, timeout=600)

    return build


@pytest.fixture
def cold(tmp_path) -> dict[str, str]:
    """An empty module cache, whose files may be deleted."""
    return {"GOMODCACHE": str(tmp_path / "modules"), "GOFLAGS": "-modcacherw"}


@pytest.fixture
def runs(run) -> Callable[[Path], bool]:
    def runs(service: Path) -> bool:
        return run(service / PROGRAM, "--help", cwd=service).returncode == 0

    return runs


def sentence(result) -> str:
    """The only line of the standard error, which says what to do."""
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = [line for line in result.stderr.splitlines() if not line.startswith("Building ")]
    assert line.startswith("migrate: ")
    return line


def left_behind(service: Path) -> set[str]:
    """What stands in the folder of the programs."""
    folder = (service / PROGRAM).parent
    return {file.name for file in folder.iterdir()} if folder.exists() else set()


def only(folder: Path, *programs: str) -> str:
    """A PATH that holds these programs of this machine and no others."""
    folder.mkdir()
    for program in programs:
        (folder / program).symlink_to(shutil.which(program, path=search_path()))
    return str(folder)


def script(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


DISTURBANCES: dict[str, dict[str, str]] = {
    "a vendor folder that is not there": {"GOFLAGS": "-mod=vendor"},
    "the race detector": {"GOFLAGS": "-race", "CGO_ENABLED": "0"},
    "a flag of another version of go": {"GOFLAGS": "-nosuchflag"},
    "modules switched off": {"GO111MODULE": "off"},
    "no proxy for the engine": {"GONOPROXY": "avion.internal/*"},
    "all modules private": {"GOPRIVATE": "*", "GOVCS": "*:off"},
    "an experiment that this go does not know": {"GOEXPERIMENT": "nosuch"},
    "another installation's root": {"GOROOT": "/nonexistent"},
    # Where nobody has built for it yet, that takes a minute.
    "another system to build for": {"GOOS": "windows", "GOARCH": "arm64"},
}


@pytest.mark.parametrize("disturbance", others_slow(list(DISTURBANCES), 2))
def test_variables_of_the_machine_decide_nothing(run, service, build, cold, runs, proxy, disturbance):
    variables = DISTURBANCES[disturbance]
    if "GOPRIVATE" not in variables and "GONOPROXY" not in variables:
        cold = {}
    # Go itself, and no wrapper that helps it.
    variables = {"PATH": f"{run('go', 'env', 'GOROOT', cwd=service).stdout.strip()}/bin:{search_path()}", **variables}
    naive = run("sh", "-c", NAIVE, cwd=service, env={"GOPROXY": proxy, **cold, **variables})
    assert naive.returncode != 0, "the variables disturb nobody"
    shutil.rmtree(service / PROGRAM.parent, ignore_errors=True)
    result = build(service, **{**cold, **variables})
    assert result.returncode == 0, result.stderr
    assert runs(service)


@pytest.mark.parametrize(
    "setting", others_slow(["GOFLAGS=-mod=vendor", "GOOS=windows", "GO111MODULE=off", "GOWORK=/nonexistent"], 1)
)
def test_what_go_env_keeps_decides_nothing(run, service, build, runs, proxy, tmp_path, setting):
    kept = {"GOENV": str(tmp_path / "go-env")}
    name, _, value = setting.partition("=")
    if name == "GOWORK":  # go env -w refuses this one, a hand does not
        Path(kept["GOENV"]).write_text(f"{setting}\n")
    else:
        assert run("go", "env", "-w", setting, cwd=service, env=kept).returncode == 0
    naive = run("sh", "-c", NAIVE, cwd=service, env={"GOPROXY": proxy, **kept})
    shutil.rmtree(service / PROGRAM.parent, ignore_errors=True)
    assert naive.returncode != 0 or name == "GOWORK", f"{name}={value} disturbs nobody"
    result = build(service, **kept)
    assert result.returncode == 0, result.stderr
    assert runs(service)


@pytest.mark.slow
def test_a_proxy_that_go_env_keeps_counts(run, service, cold, proxy, tmp_path):
    kept = {"GOENV": str(tmp_path / "go-env")}
    assert run("go", "env", "-w", f"GOPROXY={proxy}", cwd=service, env=kept).returncode == 0
    environment = {"GOPROXY": "", "HTTPS_PROXY": "http://127.0.0.1:1", **cold, **kept}
    result = run("sh", "tools/migrate/build.sh", cwd=service, env=environment)
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_a_users_own_list_without_checksums_does_not_hinder(service, build, cold, runs):
    assert build(service, GONOSUMDB="example.invalid/*", GONOSUMCHECK="0", GOSUMDB="off", **cold).returncode == 0
    assert runs(service)


def test_a_workspace_above_decides_nothing(run, service, build, runs, proxy):
    (service / "go.work").write_text("go 1.25\n\nuse ./somewhere\n")
    assert run("sh", "-c", NAIVE, cwd=service, env={"GOPROXY": proxy}).returncode != 0
    result = build(service)
    assert result.returncode == 0, result.stderr
    assert runs(service)


def test_a_shim_that_decides_by_the_folder_is_asked_where_the_service_is(service, build, runs, tmp_path):
    """As asdf, mise and goenv do: the version stands in a file of the service, and nowhere else is any."""
    real = shutil.which("go", path=search_path())
    shim = f"""
folder=$PWD
until [ -e "$folder/.tool-versions" ]; do
    [ -n "$folder" ] || {{ echo 'No version is set for command go' >&2; exit 126; }}
    folder=${{folder%/*}}
done
exec {real} "$@"
"""
    folder = script(tmp_path / "shims/go", shim).parent
    (service / ".tool-versions").write_text("golang 1.26.0\n")
    result = build(service, PATH=f"{folder}:{search_path()}")
    assert result.returncode == 0, result.stderr
    assert runs(service)
    (service / ".tool-versions").unlink()
    assert "does not run: name a working Go" in sentence(build(service, PATH=f"{folder}:{search_path()}"))


@pytest.mark.slow
def test_a_shell_that_jumps_to_other_folders_builds_this_service(service, build, tmp_path):
    other = shutil.copytree(service, tmp_path / "other/avion-user")
    result = build(service, CDPATH=str(other))
    assert result.returncode == 0, result.stderr
    assert (service / PROGRAM).exists()
    assert not (other / PROGRAM).exists()


@pytest.mark.parametrize("direct", [False, True], ids=["with a proxy", "without one"])
def test_a_hook_in_a_linked_worktree_leaves_the_repository_as_it_was(run, git, service, proxy, cold, tmp_path, direct):
    git("init", "--quiet", cwd=service)
    git("add", "--all", cwd=service)
    git("commit", "--quiet", "--message=Generate", cwd=service)
    git("worktree", "add", "--quiet", tmp_path / "linked", "-b", "topic", cwd=service)
    before = (service / ".git/config").read_text()
    hook = service / ".git/hooks/pre-commit"
    environment = {"GOPROXY": "direct" if direct else proxy, **cold}
    # What Go would fetch from there is not needed to see where it does so.
    nowhere = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "url.file:///nonexistent/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://",
    }

    def commit():
        return run(
            *("git", "commit", "--quiet", "--allow-empty", "--message=Next"),
            cwd=tmp_path / "linked",
            env=environment | nowhere,
            timeout=600,
        )

    if direct:
        script(hook, NAIVE)
        assert commit().returncode != 0
        assert (service / ".git/config").read_text() != before, "the hook's variables disturb nobody"
        (service / ".git/config").write_text(before)
        shutil.rmtree(cold["GOMODCACHE"])
    script(hook, "exec sh tools/migrate/build.sh")
    committed = commit()
    assert (committed.returncode == 0) is not direct, committed.stderr
    assert (tmp_path / "linked" / PROGRAM).exists() is not direct
    assert (service / ".git/config").read_text() == before


@pytest.mark.slow
def test_no_other_program_than_go_and_those_of_posix_is_needed(service, build, runs, cold, tmp_path):
    result = build(service, PATH=only(tmp_path / "path", "go", *NEEDED), **cold)
    assert result.returncode == 0, result.stderr
    assert runs(service)


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["dash", "bash", "busybox", "ksh", "zsh"])
def test_every_shell_that_is_called_sh_builds(service, build, runs, tmp_path, shell):
    if not shutil.which(shell):
        pytest.skip(f"this machine has no {shell}")
    (tmp_path / "sh").mkdir()
    (tmp_path / "sh/sh").symlink_to(shutil.which(shell))
    result = build(service, PATH=f"{tmp_path / 'sh'}:{search_path()}")
    assert result.returncode == 0, result.stderr
    assert runs(service)


@pytest.mark.slow
def test_od_of_macos_pads_with_more_blanks(service, build, runs, cold, tmp_path):
    real = shutil.which("od")
    folder = script(tmp_path / "bsd/od", f"{real} \"$@\" | sed 's/ /  /g; s/^/         /; s/$/          /'").parent
    result = build(service, PATH=f"{folder}:{search_path()}", **cold)
    assert result.returncode == 0, result.stderr
    assert runs(service)


@pytest.mark.parametrize("home", others_slow([None, "", "/nonexistent"], 1))
def test_no_home_is_needed(run, service, proxy, runs, home):
    variables = {"GOPROXY": proxy, "GOCACHE": run("go", "env", "GOCACHE", cwd=service).stdout.strip()}
    unset = ["-u", "HOME"] if home is None else [f"HOME={home}"]
    result = run("env", *unset, "sh", "tools/migrate/build.sh", cwd=service, env=variables, timeout=600)
    assert result.returncode == 0, result.stderr
    assert runs(service)
    # Whoever runs jobs in checkouts has to be able to empty them.
    folders = [path for path in (service / "tools/migrate").rglob("*") if path.is_dir()]
    assert [path for path in folders if not path.stat().st_mode & 0o200] == []


@pytest.mark.parametrize("place", others_slow(PLACES, 1))
def test_paths_are_as_people_have_them(rendered, build, runs, cold, tmp_path, place):
    service = shutil.copytree(rendered(), tmp_path / place / "avion-auth")
    result = build(service, **cold)
    assert result.returncode == 0, result.stderr
    assert runs(service)
    assert build(service, "--output=my programs/日本語").returncode == 0
    assert (service / "my programs/日本語/migrate").exists()


@pytest.mark.parametrize("cache", ["warm", "cold"])
@pytest.mark.parametrize("where", others_slow([0.5, 0.02, 0.98], 1))
def test_a_zip_that_was_changed_by_one_byte_is_refused(service, build, cold, cache, where):
    assert build(service).returncode == 0
    shutil.rmtree((service / PROGRAM).parent)
    (sealed,) = (service / "tools/migrate/engine").glob("*/*/@v/*.zip")
    content = bytearray(sealed.read_bytes())
    content[int(len(content) * where)] ^= 1
    sealed.write_bytes(content)
    refusal = sentence(build(service, **(cold if cache == "cold" else {})))
    assert "is not the one that tools/migrate/go.sum pins" in refusal
    assert left_behind(service) == set()


def test_a_zip_with_other_sources_is_refused(service, build, tmp_path):
    """A whole and valid one, as somebody would make it who wants to slip something in."""
    (sealed,) = (service / "tools/migrate/engine").glob("*/*/@v/*.zip")
    shutil.unpack_archive(sealed, tmp_path / "sources")
    (main,) = (tmp_path / "sources").glob("*/*/cmd/migrate/main.go")
    main.write_text(main.read_text() + "\n// Changed.\n")
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(changed, "w") as archive:
        for file in sorted(file for file in (tmp_path / "sources").rglob("*") if file.is_file()):
            archive.write(file, file.relative_to(tmp_path / "sources"))
    shutil.copy(changed, sealed)
    assert "is not the one that tools/migrate/go.sum pins" in sentence(build(service))
    assert left_behind(service) == set()


def test_a_pointer_of_git_lfs_is_not_taken_for_the_engine(service, build):
    (sealed,) = (service / "tools/migrate/engine").glob("*/*/@v/*.zip")
    sealed.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert "is not the one that tools/migrate/go.sum pins" in sentence(build(service))


@pytest.mark.parametrize("part", ["info", "mod", "zip"])
def test_what_is_missing_of_the_engine_is_named(service, build, part):
    (sealed,) = (service / "tools/migrate/engine").glob(f"*/*/@v/*.{part}")
    sealed.unlink()
    refusal = sentence(build(service))
    assert f"holds no {part} of avion.internal/migrate@{sealed.stem}" in refusal
    assert "restore it from git" in refusal
    assert left_behind(service) == set()


def test_without_any_proxy_the_sentence_says_how_to_carry_the_modules_in(service, build, cold):
    refusal = sentence(build(service, GOPROXY="off", **cold))
    assert "Go reached no module proxy (GOPROXY=off)" in refusal
    assert "build.sh --vendor" in refusal
    assert left_behind(service) == set()


def test_a_proxy_that_is_not_there_is_named(service, build, cold):
    assert "(GOPROXY=http://127.0.0.1:1)" in sentence(build(service, GOPROXY="http://127.0.0.1:1", **cold))


def test_what_was_carried_in_builds_without_any_proxy(service, build, runs, cold):
    assert build(service, "--vendor").returncode == 0
    assert left_behind(service) == set()
    result = build(service, GOPROXY="off", **cold)
    assert result.returncode == 0, result.stderr
    assert "from its vendor folder" in result.stderr
    assert runs(service)


def test_sources_carried_in_for_another_engine_are_not_built(service, build):
    assert build(service, "--vendor").returncode == 0
    module = service / "tools/migrate/go.mod"
    module.write_text(
        module.read_text().replace("github.com/spf13/pflag v1.0.", "github.com/spf13/pflag v1.0.0 // was v1.0.")
    )
    assert "carry them in again with sh tools/migrate/build.sh --vendor" in sentence(build(service))
    assert left_behind(service) == set()


def test_without_go_the_sentence_says_which_is_needed(service, build, tmp_path):
    refusal = sentence(build(service, PATH=only(tmp_path / "path", *NEEDED)))
    assert refusal.startswith("migrate: 'go' was not found: tools/migrate needs Go 1.")
    assert "GO=/path/to/go" in refusal
    assert "nowhere/go' was not found" in sentence(build(service, GO="nowhere/go"))


@pytest.mark.parametrize(
    ("version", "toolchain"),
    others_slow([("go1.20.14", ""), ("go1.25.3", "local"), ("go1.19.8", ""), ("go1.9", "")], 2),
)
def test_an_old_go_is_refused_before_it_does_anything(service, build, tmp_path, version, toolchain):
    go = script(
        tmp_path / "old/go",
        f'case "$*" in\n"env GOVERSION") echo {version} ;;\n"env GOTOOLCHAIN") echo "{toolchain}" ;;\n'
        f'*) echo "$*" >>{tmp_path}/asked; exit 2 ;;\nesac',
    )
    refusal = sentence(build(service, GO=str(go)))
    assert f"is Go {version.removeprefix('go')}: tools/migrate needs Go 1." in refusal
    assert not (tmp_path / "asked").exists()
    assert left_behind(service) == set()


@pytest.mark.parametrize(
    "said",
    [
        "go: go.mod requires go >= 1.26.0 (running go 1.25.3; GOTOOLCHAIN=go1.25.3)",
        "go: download go1.26.0 for linux/amd64: toolchain not available",
    ],
)
def test_a_go_that_may_bring_no_newer_one_is_told_so(service, build, tmp_path, said):
    go = script(
        tmp_path / "old/go",
        f'case "$*" in\n"env GOVERSION") echo go1.25.3 ;;\n"env GOTOOLCHAIN") echo auto ;;\n"env "*) echo x ;;\n'
        f"*) echo '{said}' >&2; exit 1 ;;\nesac",
    )
    assert "is Go 1.25.3, and brings no newer one by itself: tools/migrate needs Go 1." in sentence(
        build(service, GO=str(go))
    )
    assert left_behind(service) == set()


def test_an_option_that_does_not_exist_is_refused(service, build):
    assert "'--quiet' is no option of build.sh" in sentence(build(service, "--quiet"))


@pytest.mark.parametrize("file", ["go.mod", "go.sum"])
def test_conflict_markers_are_named(service, build, file):
    path = service / "tools/migrate" / file
    path.write_text(f"<<<<<<< before updating\n=======\n{path.read_text()}>>>>>>> after updating\n")
    assert "conflict markers: make migrate-template-check" in sentence(build(service))


@pytest.mark.slow
def test_services_of_one_machine_compile_the_engine_once(rendered, build, cold, tmp_path):
    """Measured in what the processors did, because the machine may be busy with other things."""
    first, second = (shutil.copytree(rendered(), tmp_path / name / "avion-auth") for name in ("first", "second"))

    def seconds(service: Path) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert build(service, GOCACHE=str(tmp_path / "cache"), **cold).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime

    compiled = seconds(first)
    assert seconds(second) < compiled / 5


def test_make_builds_another_checkouts_engine_and_then_the_sealed_one_again(run, service, proxy):
    def make(**variables: str) -> str:
        made = run(
            "make", "-f", "migrations.mk", PROGRAM, cwd=service, env={"GOPROXY": proxy, **variables}, timeout=600
        )
        assert made.returncode == 0, made.stderr
        return made.stderr

    assert "Building tools/migrate" in make()
    assert make() == ""
    assert f"Building the engine of {ROOT}" in make(MIGRATE_ENGINE=str(ROOT))
    assert "Building the engine of" in make(MIGRATE_ENGINE=os.path.relpath(ROOT, service))
    assert "Building tools/migrate" in make()
    assert make() == ""
    refused = run("make", "-f", "migrations.mk", PROGRAM, cwd=service, env={"MIGRATE_ENGINE": "nowhere"})
    assert "there is no engine/go.mod in it" in refused.stderr


def test_a_clone_builds_whatever_the_service_tells_git(run, git, service, build, runs, tmp_path):
    """Its own rules for zip files and folders, and a machine that wants the other line ending."""
    (service / ".gitattributes").write_text(
        "* text eol=crlf\n*.zip filter=lfs diff=lfs merge=lfs -text\n*.mod binary\n"
    )
    with (service / ".gitignore").open("a") as ignored:
        ignored.write("*.zip\n*.sum\n*.mod\nengine/\n@v/\nbin/\n*.sh\n")
    git("init", "--quiet", cwd=service)
    git("add", "--all", cwd=service)
    git("commit", "--quiet", "--message=Generate", cwd=service)
    git("-c", "core.autocrlf=true", "clone", "--quiet", service, tmp_path / "clone", cwd=tmp_path)
    result = build(tmp_path / "clone")
    assert result.returncode == 0, result.stderr
    assert runs(tmp_path / "clone")
    assert re.search("\r", (tmp_path / "clone/migrations.mk").read_bytes().decode())
    # What was built is no part of the service's history.
    assert git("status", "--short", cwd=tmp_path / "clone") == ""
