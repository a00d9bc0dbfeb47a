"""Runs a generated workflow as GitHub Actions does, as far as it can be done without its runners.

Every `run:` step is executed in a clone of its own, with the depth, the environment and the folder that the workflow says.
What an action brings is there already: Go is on the PATH, and the engine's programs are built.
"""

import contextlib
import functools
import itertools
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from dev.toolchain import command
from dev.toolchain.install import search_path
from dev.toolchain.postgres import Server


def read(workflow: Path) -> dict:
    # BaseLoader keeps `on` a word.
    return yaml.load(workflow.read_text(), Loader=yaml.BaseLoader)


@dataclass
class Outcome:
    """What a run of the workflow left."""

    # The result of each job.
    results: dict[str, str] = field(default_factory=dict)
    # The steps that failed, as "job: step".
    failed: list[str] = field(default_factory=list)
    # The steps that ran, likewise.
    ran: list[str] = field(default_factory=list)
    output: str = ""
    summary: str = ""
    # The files of each artifact, by name.
    artifacts: dict[str, dict[str, bytes]] = field(default_factory=dict)


class Repository:
    """A repository on GitHub, and what its people do there."""

    def __init__(self, folder: Path, content: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self.origin = folder / "origin.git"
        self._clone = folder / "clone"
        _git("init", "--quiet", "--bare", "--initial-branch=main", self.origin, cwd=folder)
        _git("config", "uploadpack.allowFilter", "true", cwd=self.origin)
        _git("clone", "--quiet", self.origin, self._clone, cwd=folder)
        _git("switch", "--quiet", "--orphan", "main", cwd=self._clone)
        shutil.copytree(content, self._clone, dirs_exist_ok=True, ignore=shutil.ignore_patterns("bin"))
        self._commit()
        _git("push", "--quiet", "origin", "main", cwd=self._clone)

    def pull_request(self, *edits: Callable[[Path], object]) -> dict:
        """A branch with a commit for each edit; GitHub merges it into the base branch for its runners."""
        number = next(self._numbers)
        _git("switch", "--quiet", "--create", f"branch-{number}", "main", cwd=self._clone)
        for edit in edits:
            edit(self._clone)
            self._commit()
        _git("switch", "--quiet", "--detach", "main", cwd=self._clone)
        _git("merge", "--quiet", "--no-ff", "--message=merge", f"branch-{number}", cwd=self._clone)
        _git("push", "--quiet", "origin", f"HEAD:refs/pull/{number}/merge", cwd=self._clone)
        _git("switch", "--quiet", "main", cwd=self._clone)
        event = {"pull_request": {"number": number}}
        return {"event_name": "pull_request", "ref": f"refs/pull/{number}/merge", "event": event}

    def push(self, *edits: Callable[[Path], object]) -> dict:
        """A commit for each edit, all of which reach the branch main at once."""
        before = _git("rev-parse", "HEAD", cwd=self._clone).strip()
        for edit in edits:
            edit(self._clone)
            self._commit()
        _git("push", "--quiet", "origin", "main", cwd=self._clone)
        return self._pushed(before, created=False)

    def first_push(self) -> dict:
        return self._pushed("0" * 40, created=True)

    @staticmethod
    def _pushed(before: str, *, created: bool) -> dict:
        return {"event_name": "push", "ref": "refs/heads/main", "event": {"before": before, "created": created}}

    def _commit(self) -> None:
        _git("add", "--all", cwd=self._clone)
        _git("commit", "--quiet", "--allow-empty", "--message=change", cwd=self._clone)


class Actions:
    """Runs the workflow of a repository for what happened there."""

    def __init__(self, folder: Path, put_engine: Callable[[Path], None], postgres_server) -> None:
        self._folder = folder
        self._put_engine = put_engine
        self._postgres_server = postgres_server
        self._programs = folder / "programs"
        self._programs.mkdir()

    def run(self, repository: Repository, github: dict, majors: Sequence[str] = ("15",)) -> Outcome:
        """Runs the jobs in order, and of a matrix over servers only the legs of these major versions."""
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            return self._run(Path(folder), repository, github, majors)

    def _run(self, folder: Path, repository: Repository, github: dict, majors: Sequence[str]) -> Outcome:
        origin, needs, outcome = repository.origin, {}, Outcome()
        workflow = read(next((_check_out(folder, origin, github, {}) / ".github/workflows").iterdir()))
        for name, job in workflow["jobs"].items():
            contexts = {"github": github, "needs": {need: needs[need] for need in job.get("needs", [])}}
            needs[name] = {"result": "skipped", "outputs": {}}
            if self._is_wanted(job, contexts):
                legs = [leg for leg in _legs(job, contexts) if leg.get("postgres", majors[0]) in majors]
                assert legs, f"{name} has no leg for {majors}"
                results = [
                    self._run_leg(name, workflow, {**contexts, "matrix": leg}, folder, origin, outcome) for leg in legs
                ]
                needs[name]["result"] = "success" if all(passed for passed, _ in results) else "failure"
                needs[name]["outputs"] = results[0][1]
        outcome.results = {name: need["result"] for name, need in needs.items()}
        return outcome

    @staticmethod
    def _is_wanted(job: dict, contexts: dict) -> bool:
        if job.get("if") == "always()":
            return True
        succeeded = all(need["result"] == "success" for need in contexts["needs"].values())
        return succeeded and bool(evaluate(job.get("if", "true"), contexts))

    def _run_leg(
        self, name: str, workflow: dict, contexts: dict, folder: Path, origin: Path, outcome: Outcome
    ) -> tuple[bool, dict]:
        job = workflow["jobs"][name]
        workspace = Path(tempfile.mkdtemp(dir=folder))
        summary = workspace.with_suffix(".summary")
        summary.touch()
        runner = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_STEP_SUMMARY": str(summary),
            "PATH": f"{self._programs}{os.pathsep}{search_path()}",
        }
        steps: dict[str, dict] = {}
        contexts = {
            **contexts,
            "steps": steps,
            "job": {"services": {name: {"id": name} for name in job.get("services", {})}},
        }
        passed = True
        with self._service(job, contexts) as reached:
            for step in job["steps"]:
                if not evaluate(step.get("if", "true"), contexts):
                    continue
                if "uses" in step:
                    with_ = {key: interpolate(value, contexts) for key, value in step.get("with", {}).items()}
                    if step["uses"].startswith("actions/checkout@"):
                        workspace = _check_out(folder, origin, contexts["github"], with_)
                    else:
                        self._use(step["uses"], with_, workspace, outcome)
                    continue
                output = summary.with_suffix(".output")
                output.write_text("")
                declared = workflow.get("env", {}) | job.get("env", {}) | step.get("env", {})
                environment = {key: interpolate(value, contexts) for key, value in declared.items()}
                within = step.get(
                    "working-directory", job.get("defaults", {}).get("run", {}).get("working-directory", "")
                )
                script = summary.with_suffix(".sh")
                script.write_text(step["run"])
                result = command.run(
                    *("bash", "-e", script),
                    cwd=workspace / interpolate(within, contexts),
                    env={**runner, **environment, **reached, "GITHUB_OUTPUT": str(output)},
                )
                outcome.ran.append(f"{name}: {step['name']}")
                outcome.output += result.stdout + result.stderr
                if result.returncode:
                    outcome.failed.append(f"{name}: {step['name']}")
                    passed = False
                    break
                lines = output.read_text().splitlines()
                steps[step.get("id", "")] = {"outputs": dict(line.split("=", 1) for line in lines)}
        outcome.summary += summary.read_text()
        return passed, {key: interpolate(value, contexts) for key, value in job.get("outputs", {}).items()}

    def _use(self, action: str, options: dict, workspace: Path, outcome: Outcome) -> None:
        action = action.partition("@")[0]
        if action == "actions/setup-go":
            module = workspace / options["cache-dependency-path"]
            assert module.is_file()
            self._put_engine(module.parents[2])
            return
        if action == "actions/download-artifact":
            (workspace / options["path"]).mkdir(parents=True)
            for name, content in outcome.artifacts[options["name"]].items():
                # As GitHub does it, without the right to be run, and old.
                file = workspace / options["path"] / name
                file.write_bytes(content)
                os.utime(file, (0, 0))
            return
        assert action == "actions/upload-artifact", f"there is no stand-in for {action}"
        assert not re.search(r'["/:<>|*?\r\n\\]', options["name"]), f"GitHub refuses the name {options['name']}"
        assert options["name"] not in outcome.artifacts
        kept = {file.name: file.read_bytes() for file in workspace.glob(options["path"])}
        assert kept, f"there is no {options['path']} to keep"
        outcome.artifacts[options["name"]] = kept

    @contextlib.contextmanager
    def _service(self, job: dict, contexts: dict) -> Iterator[dict[str, str]]:
        """The server that the job asks for, as its image would set it up; yields what leads there from here."""
        if "services" not in job:
            yield {}
            return
        ((name, service),) = job["services"].items()
        assert (name, service["ports"]) == ("postgres", ["5432:5432"])
        image = re.fullmatch(r"postgres:(\d+)\.\d+@sha256:[0-9a-f]{64}", interpolate(service["image"], contexts))
        server: Server = self._postgres_server(image.group(1))
        settings = service["env"]
        names, password = (settings["POSTGRES_DB"], settings["POSTGRES_USER"]), settings["POSTGRES_PASSWORD"]
        server.create_database(*names, password)
        # There is no container here: what would run inside, where nobody is asked for a password, runs beside it.
        docker = self._programs / "docker"
        inside = f"env PGHOST={server.host} PGPORT={server.port} PGPASSWORD={password}"
        docker.write_text(f'#!/bin/sh\n[ "$1 $2" = "exec {name}" ] || exit 125\nshift 2\nexec {inside} "$@"\n')
        docker.chmod(0o755)
        try:
            yield {"DB_PORT": str(server.port)}
        finally:
            server.drop_database(*names)


def _check_out(folder: Path, origin: Path, github: dict, options: dict) -> Path:
    workspace = Path(tempfile.mkdtemp(dir=folder))
    git = functools.partial(_git, cwd=workspace)
    git("init", "--quiet")
    git("remote", "add", "origin", f"file://{origin}")
    depth = options.get("fetch-depth", "1")
    limits = [] if depth == "0" else [f"--depth={depth}"]
    limits += [f"--filter={options['filter']}"] if "filter" in options else []
    branches = ["+refs/heads/*:refs/remotes/origin/*"] if depth == "0" else []
    git("fetch", "--quiet", "--no-tags", *limits, "origin", *branches, f"+{github['ref']}:refs/remotes/fetched")
    git("checkout", "--quiet", "--detach", "refs/remotes/fetched")
    # Without credentials, nothing more of a private repository can be fetched.
    git("remote", "set-url", "origin", f"file://{origin}-that-asks-for-credentials")
    return workspace


def _git(*arguments: str | Path, cwd: Path) -> str:
    result = command.run("git", *arguments, cwd=cwd)
    assert result.returncode == 0, result.stderr
    return result.stdout


def _legs(job: dict, contexts: dict) -> list[dict]:
    axes = dict(job.get("strategy", {}).get("matrix", {}))
    values = {key: interpolate(value, contexts) if isinstance(value, str) else value for key, value in axes.items()}
    if "include" in values:
        assert len(values) == 1
        return values["include"]
    return [dict(zip(values, leg, strict=True)) for leg in itertools.product(*values.values())]


_EXPRESSION = re.compile(r"\$\{\{((?:(?!\}\}).)*)\}\}")


def interpolate(text: str, contexts: dict) -> object:
    """A value with its expressions evaluated; one that is nothing but an expression keeps its type."""
    if whole := _EXPRESSION.fullmatch(text):
        return evaluate(whole[1], contexts)
    return _EXPRESSION.sub(lambda found: str(evaluate(found[1], contexts)), text)


_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*|&&|\|\||[!=]=|[!()])")
_OPERATORS = {"&&": " and ", "||": " or ", "!": " not "}
_WORDS = {"true": "True", "false": "False", "null": "''", "fromJSON": "fromJSON"}


def evaluate(expression: str, contexts: dict) -> object:
    """An expression in GitHub's language; `&&` and `||` give the operand that decided, as Python's `and` and `or` do."""

    def look_up(path: str) -> object:
        value: object = contexts
        for key in path.split("."):
            value = value.get(key, "")
            if value == "":
                break
        return value

    translated, position = "", 0
    expression = expression.strip()
    while position < len(expression):
        token = _TOKEN.match(expression, position)
        assert token, f"cannot read {expression[position:]!r}"
        position, word = token.end(), token.group(1)
        if word.startswith("'"):
            translated += repr(word[1:-1].replace("''", "'"))
        elif word[0].isalpha():
            translated += _WORDS.get(word) or f"look_up({word!r})"
        else:
            translated += _OPERATORS.get(word, word)
    return eval(translated, {"look_up": look_up, "fromJSON": json.loads})
