"""docs/reference/questions.md: what Copier asks, from copier.yml."""

import json
import re
from pathlib import Path
from typing import Any

from dev.reference import facts, rendered
from dev.reference.markdown import code, table
from dev.reference.markdown import page as write

_INTRODUCTION = f"""\
What `copier copy` asks, in this order. `--defaults` takes every default, `--data question=answer` gives one answer, and
`copier update --vcs-ref=:current: --defaults --data question=answer` changes one later. The defaults below are those of
a folder named `{rendered.SERVICE}`. The root of a monorepo is asked the first question only. No question is ever removed
or renamed."""

_A_SERVICE = "layout != 'monorepo-root'"

_TYPES = {"str": "text", "int": "a whole number", "yaml": "a YAML mapping"}


def page(root: Path) -> str:
    """The whole page."""
    questions = {
        name: question
        for name, question in rendered.settings(root).items()
        if not name.startswith("_") and question.get("when") is not False
    }
    refused = facts.read("questions.yml")
    facts.must_cover("questions.yml", refused, questions)
    rules = rendered.refusals(root, {name: answers for name, answers in refused.items() if answers})
    facts.must_cover("questions.yml", rules, [name for name, question in questions.items() if "validator" in question])
    given = rendered.defaults(root)
    parts = []
    for group, names in _groups(root).items():
        parts.append(f"## {group}")
        for name in names:
            if name in questions:
                parts += _question(name, questions[name], given, refused[name], rules.get(name))
    return write("Questions", _INTRODUCTION, *parts)


def _groups(root: Path) -> dict[str, list[str]]:
    """The headings of copier.yml with the keys below each."""
    groups: dict[str, list[str]] = {}
    here: list[str] = []
    for line in (root / "copier.yml").read_text().splitlines():
        if heading := re.fullmatch(r"# -{5,} (\w+)", line):
            here = groups.setdefault(heading[1], [])
        elif key := re.match(r"([a-z]\w*):", line):
            here.append(key[1])
    return {heading: names for heading, names in groups.items() if heading in list(groups)[:4]}


def _question(
    name: str, question: dict[str, Any], given: dict[str, Any], refused: dict[str, Any] | None, rule: str | None
) -> list[str]:
    parts = [f"### {name}", question["help"].strip()]
    choices = question.get("choices")
    if isinstance(choices, dict):
        parts.append(table(["answer", "meaning"], [[code(answer), text] for text, answer in choices.items()]))
    lines = [f"- Answer: {_type(question)}"]
    if choices and not isinstance(choices, dict):
        lines.append(f"- Choices: {', '.join(map(code, choices))}")
    lines.append(f"- Default: {_default(name, question, given)}")
    condition = question.get("when", "").strip("{} ").removeprefix(_A_SERVICE).removeprefix(" and ")
    if condition:
        lines.append(f"- Only where {code(condition)}")
    if rule and refused:
        lines.append(f"- {code(json.dumps(refused[name], ensure_ascii=False))} is refused: {rule}")
    return [*parts, "\n".join(lines)]


def _type(question: dict[str, Any]) -> str:
    if question.get("multiselect"):
        return "any of the choices, as a list"
    if "choices" in question:
        return "one of the choices"
    return _TYPES[question["type"]]


def _default(name: str, question: dict[str, Any], given: dict[str, Any]) -> str:
    if question.get("ask") is False:
        return f"{code(question['default'].strip('{} '))}, stored at the first copy and never asked"
    if name not in given:
        return "depends on the other answers"
    value = given[name]
    return code(value if isinstance(value, str) else json.dumps(value))
