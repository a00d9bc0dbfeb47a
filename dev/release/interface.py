"""What services rely on: what of it a version of the template has, and what a later one has broken."""

import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from copier import run_copy

from dev import copier_yml
from dev.release.history import ROOT
from dev.toolchain import engine

ANSWERS = {file.stem: yaml.safe_load(file.read_text()) or {} for file in sorted((ROOT / "dev/answers").glob("*.yml"))}
ACCEPTED = yaml.safe_load((ROOT / "dev/accepted-answers.yml").read_text())
# What the engine is made of is nobody's to edit, and of its paths only these are used from outside.
_INSIDE = re.compile(r"tools/migrate/(?!(build|squawk|template-check)\.sh$|redis-sync/Dockerfile$)")


@dataclass
class Interface:
    """The names that services, their pipelines and their people use."""

    questions: dict[str, dict[str, Any]] = field(default_factory=dict)
    create_once: set[str] = field(default_factory=set)
    # With each canonical answers file: the generated paths, and whether they are executable.
    paths: dict[str, dict[str, bool]] = field(default_factory=dict)
    targets: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    commands: set[str] = field(default_factory=set)
    flags: set[str] = field(default_factory=set)
    exit_codes: dict[str, str] = field(default_factory=dict)
    # For each set of answers why it is refused, or nothing.
    refusals: list[str] = field(default_factory=list)


def read(
    template: Path, answers: Mapping[str, dict[str, Any]] = ANSWERS, accepted: list[dict[str, Any]] = ACCEPTED
) -> Interface:
    """The interface of the template in a folder that is no repository."""
    entries = copier_yml.read(template)
    interface = Interface(
        questions=copier_yml.questions(entries),
        create_once=set(create_once(entries)),
        refusals=[refusal(template, one) for one in accepted],
    )
    for name, given in answers.items():
        with tempfile.TemporaryDirectory() as folder:
            service = Path(folder) / "avion-auth"
            known = {key: value for key, value in given.items() if key in interface.questions}
            run_copy(str(template), service, data=known, defaults=True, quiet=True, unsafe=False)
            _add(interface, name, service)
    if (template / "engine").exists():
        _add_described(interface, engine.described(template).values())
    return interface


def create_once(entries: dict[str, Any]) -> list[str]:
    """The patterns of files that become the service's own, with the default folder for migrations."""
    patterns = entries["create_once"]["default"]
    return [pattern.replace("{{ migrations_dir | default('migrations') }}", "migrations") for pattern in patterns]


def refusal(template: Path, answers: dict[str, Any]) -> str:
    """Why these answers are refused, or nothing. No file is generated."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "avion-auth"
        try:
            run_copy(str(template), target, data=answers, defaults=True, quiet=True, unsafe=False, exclude=["**"])
        except ValueError as error:
            return str(error)
    return ""


def _add(interface: Interface, answers: str, service: Path) -> None:
    files = [file for file in service.rglob("*") if file.is_file()]
    interface.paths[answers] = {file.relative_to(service).as_posix(): os.access(file, os.X_OK) for file in files}
    if not (service / "migrations.mk").exists():
        return
    targets = "\n".join(
        file.read_text() for file in (service / "migrations.mk", *sorted(service.glob("tools/migrate/*/targets.mk")))
    )
    interface.targets.update(re.findall(r"^(migrate-[\w-]+):", targets, re.MULTILINE))
    typed = re.split(r"\$\(foreach name,(?=[A-Z])", targets, maxsplit=1)[-1].partition("$(if $(filter command")[0]
    # Not what stands inside a function of make: those names are make's own.
    interface.variables.update(re.findall(r"(?:^|(?<=[\s,]))[A-Z][A-Z_]+(?= |,\\$)", typed, re.MULTILINE))
    interface.variables.update(re.findall(r"^([A-Z_]+)=", (service / ".env.example").read_text(), re.MULTILINE))
    if (service / "tools/migrate/internal").exists():
        _add_undescribed(interface, service)


def _add_described(interface: Interface, programs: Iterable[dict[str, Any]]) -> None:
    """What the programs say about themselves."""
    for program in programs:
        interface.commands.update(command["name"] for command in program["commands"])
        described = [program, *program["commands"]]
        interface.flags.update(flag["name"] for one in described for flag in one.get("flags", []))
        interface.variables.update(variable["name"] for variable in program["variables"])
        interface.exit_codes.update({code["name"]: str(code["code"]) for code in program["exit_codes"]})


def _add_undescribed(interface: Interface, service: Path) -> None:
    """What the releases until 0.2.0 offer, whose engine says nothing about itself and stands as source in each service."""
    setup = (service / "docs/migration-setup.md").read_text()
    # The table of three columns; those of two are about something else.
    interface.variables.update(re.findall(r"^\| `([A-Z][A-Z_]+)` \|[^|\n]+\|[^|\n]+\|$", setup, re.MULTILINE))
    sources = sorted((service / "tools/migrate/internal").rglob("*.go"))
    engine = "\n".join(file.read_text() for file in sources if not file.name.endswith("_test.go"))
    commands = re.findall(r'(?:Use:\s+|[oO]peration(?:On)?\(outside, (?:\w+\.New, )?)"([a-z-]+)', engine)
    interface.commands.update(name for name in commands if name != "migrate")  # the program itself
    interface.flags.update(re.findall(r'[fF]lags(?:\(\))?\.\w+\(&[\w.]+, "([a-z-]+)"', engine))
    interface.exit_codes.update(re.findall(r"^\s*Code(\w+)\s+Code = (\d+)", engine, re.MULTILINE))


def breaking(old: Interface, new: Interface) -> list[str]:
    """What a service that was made by the old version loses in the new one; one line each."""
    found = []
    for name, question in old.questions.items():
        found += _question(name, question, new.questions.get(name))
    found += [
        f"question {name} has no default" for name, question in new.questions.items() if "default" not in question
    ]
    for what in ("create_once", "targets", "variables", "commands", "flags"):
        kind = {"create_once": "create-once file"}.get(what, what.removesuffix("s"))
        found += [f"{kind} {name} is gone" for name in sorted(getattr(old, what) - getattr(new, what))]
    for code, number in old.exit_codes.items():
        if new.exit_codes.get(code) != number:
            found.append(f"exit code {number} no longer means {code}")
    for answers, paths in old.paths.items():
        for path, executable in sorted(paths.items()):
            if _INSIDE.match(path):
                continue
            if path not in new.paths.get(answers, {}):
                found.append(f"path {path} is gone")
            elif executable and not new.paths[answers][path]:
                found.append(f"path {path} is no longer executable")
    for before, now in zip(old.refusals, new.refusals, strict=True):
        if now and not before:
            found.append(f"answer refused: {now}")
    return list(dict.fromkeys(found))


def _question(name: str, old: dict[str, Any], new: dict[str, Any] | None) -> list[str]:
    if new is None:
        return [f"question {name} is gone"]
    found = []
    if any(old.get(key) != new.get(key) for key in ("type", "multiselect")):
        found.append(f"question {name} has another type")
    gone = [choice for choice in _choices(old) if choice not in _choices(new)]
    found += [f"question {name} has lost the choice {choice}" for choice in gone]
    return found


def _choices(question: dict[str, Any]) -> list[Any]:
    choices = question.get("choices", [])
    return list(choices.values()) if isinstance(choices, dict) else choices
