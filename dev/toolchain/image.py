"""Builds what a Dockerfile of ours describes without Docker: the instructions that it uses, and a refusal of all others."""

import dataclasses
import json
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from dev.toolchain.command import run

_FROM = re.compile(r"(?:--platform=\S+ )?(\S+)(?: AS ([\w-]+))?")


@dataclasses.dataclass
class Stage:
    """A root file system and what runs in it. It starts empty, because base images cannot be pulled everywhere."""

    root: Path
    base: str
    arguments: dict[str, str]
    folder: str = "/"
    user: str = "0:0"
    entrypoint: list[str] = dataclasses.field(default_factory=list)
    command: list[str] = dataclasses.field(default_factory=list)
    labels: dict[str, str] = dataclasses.field(default_factory=dict)
    variables: dict[str, str] = dataclasses.field(default_factory=dict)

    def path(self, name: str) -> Path:
        """Where a path of the image lies on this machine."""
        return self.root / Path(self.folder, name).relative_to("/")

    def size(self) -> int:
        return sum(file.stat().st_size for file in self.root.rglob("*") if file.is_file())


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """Each instruction with its arguments, its lines joined."""
    text = re.sub(r"^#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    for line in filter(str.strip, text.splitlines()):
        name, arguments = line.split(maxsplit=1)
        yield name, arguments


def context(dockerfile: Path) -> list[Path]:
    """The files beside the Dockerfile that its .dockerignore lets into the build. The last line that fits decides."""
    patterns = dockerfile.with_name(f"{dockerfile.name}.dockerignore").read_text().splitlines()

    def included(file: Path) -> bool:
        fits = [p for p in patterns if p == "*" or file.is_relative_to(dockerfile.parent / p.removeprefix("!"))]
        return not fits or fits[-1].startswith("!")

    return [file for file in dockerfile.parent.rglob("*") if file.is_file() and included(file)]


def stages(dockerfile: Path) -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage by its name, and under no name those before the first."""
    found: dict[str, list[tuple[str, str]]] = {"": []}
    name = ""
    for instruction, arguments in instructions(dockerfile):
        if instruction == "FROM":
            name = _origin(arguments)[1] or "image"
            found[name] = []
        found[name].append((instruction, arguments))
    return found


def _origin(arguments: str) -> tuple[str, str | None]:
    """What a stage is made from, and its name."""
    (found,) = _FROM.finditer(arguments)
    return found[1], found[2]


def needed(stages: Mapping[str, list[tuple[str, str]]], target: str) -> list[str]:
    """The target and what it is made from, as BuildKit finds out: other stages are not built."""
    text = " ".join(arguments for _, arguments in stages[target])
    origins = [*re.findall(r"--from=(\w[\w-]*)", text), _origin(stages[target][0][1])[0]]
    earlier = [one for origin in origins if origin in stages for one in needed(stages, origin)]
    return [*dict.fromkeys(earlier), target]


def build(dockerfile: Path, into: Path, built: Path | None = None, target: str = "image", **given: str) -> Stage:
    """One stage, the last unless told. The files of others come from `built` where that is given, else from what they RUN."""
    files = into / "context"
    for file in context(dockerfile):
        copy = files / file.relative_to(dockerfile.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    described = stages(dockerfile)
    outside = {}
    for _, arguments in described[""]:
        variable, _, default = arguments.partition("=")
        outside[variable] = given.get(variable, default)
    done: dict[str, Stage] = {}
    for title in needed(described, target):
        (_, origin), *rest = described[title]
        base, _ = _origin(origin)
        root = into / title
        if base in done:
            shutil.copytree(done[base].root, root, symlinks=True)
            stage = dataclasses.replace(done[base], root=root, arguments=dict(done[base].arguments))
        else:
            root.mkdir(mode=0o755)
            stage = Stage(root, _expand(base, outside), {})
        done[title] = stage
        for name, arguments in rest:
            if name == "ARG":
                variable, _, default = arguments.partition("=")
                stage.arguments[variable] = given.get(variable, default or outside.get(variable, ""))
            elif name == "COPY":
                _copy(stage, arguments, files, done, built)
            elif name == "RUN":
                if built is None:
                    _run(stage, arguments)
            else:
                _configure(stage, name, arguments)
    return done[target]


def _copy(stage: Stage, arguments: str, files: Path, stages: Mapping[str, Stage], built: Path | None) -> None:
    words = shlex.split(arguments)
    options = dict(word.removeprefix("--").split("=") for word in words if word.startswith("--"))
    source, target = (word for word in words if not word.startswith("--"))
    origin = files / source
    if other := options.pop("from", None):
        origin = built or stages[other].path(source)
    goal = stage.path(target) / origin.name if target.endswith("/") and origin.is_file() else stage.path(target)
    goal.parent.mkdir(parents=True, exist_ok=True)
    if origin.is_dir():
        shutil.copytree(origin, goal, dirs_exist_ok=True)
    else:
        shutil.copy(origin, goal)
    if mode := options.pop("chmod", None):
        for path in [goal, *goal.rglob("*")]:
            path.chmod(int(mode, 8))
    if options:
        raise NotImplementedError(f"COPY with {options}")


def _run(stage: Stage, command: str) -> None:
    """Runs a build step with this machine's programs. Its absolute paths are the image's; its mounts are only caches."""
    command = re.sub(r"--mount=type=cache\S+", "", command)
    command = re.sub(r"(?<=[ =])/(?=\w)", f"{stage.root}/", command)
    ended = run("sh", "-c", command, cwd=stage.path("."), env=stage.arguments, timeout=600)
    if ended.returncode:
        raise RuntimeError(ended.stderr)


def _configure(stage: Stage, name: str, arguments: str) -> None:
    if name == "WORKDIR":
        stage.folder = arguments
        stage.path(".").mkdir(parents=True, exist_ok=True)
    elif name == "USER":
        stage.user = arguments
    elif name == "ENTRYPOINT":
        stage.entrypoint = json.loads(arguments)
    elif name == "CMD":
        stage.command = json.loads(arguments)
    elif name == "ENV":
        stage.variables |= dict(word.split("=", 1) for word in shlex.split(arguments))
    elif name == "LABEL":
        pairs = (word.split("=", 1) for word in shlex.split(arguments))
        stage.labels |= {key: _expand(value, stage.arguments) for key, value in pairs}
    else:
        raise NotImplementedError(f"{name} {arguments}")


def _expand(text: str, variables: Mapping[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda match: variables[match[1]], text)
