"""docs/reference/questions.md: what Copier asks, from copier.yml."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev import copier_yml
from dev.reference import facts, rendered
from dev.reference.markdown import code, table
from dev.reference.markdown import page as write

_A_SERVICE = "layout != 'monorepo-root'"


@dataclass(frozen=True)
class _Words:
    """How a language says what is the same of many questions."""

    introduction: str
    groups: dict[str, str]
    head: list[str]
    answer: str
    types: dict[str, str]
    choices: str
    separator: str
    default: str
    stored: str
    empty: str
    depends: str
    condition: str
    refused: str


_ENGLISH = _Words(
    introduction=f"""\
What `copier copy` asks, in this order. `--defaults` takes every default, `--data question=answer` gives one answer, and
`copier update --vcs-ref=:current: --defaults --data question=answer` changes one later. The defaults below are those of
a folder named `{rendered.SERVICE}`. The root of a monorepo is asked the first question only. No question is ever removed
or renamed.""",
    groups={group: group for group in ("Identity", "Database", "Delivery", "Documents")},
    head=["answer", "meaning"],
    answer="- Answer: {}",
    types={
        "one": "one of the choices",
        "any": "any of the choices, as a list",
        "str": "text",
        "int": "a whole number",
        "yaml": "a YAML mapping",
    },
    choices="- Choices: {}",
    separator=", ",
    default="- Default: {}",
    stored="{}, stored at the first copy and never asked",
    empty="nothing",
    depends="depends on the other answers",
    condition="- Only where {}",
    refused="- {} is refused: {}",
)
_JAPANESE = _Words(
    introduction=f"""\
`copier copy` がたずねる質問を、順に説明します。画面の質問と、回答が拒否されたときのメッセージは英語です。`--defaults` ではすべて既定値になり、`--data question=answer` で 1 つずつ回答を指定できます。後から変えるには、`copier update --vcs-ref=:current: --defaults --data question=answer` を実行します。以下の既定値は、ディレクトリ名が `{rendered.SERVICE}` の場合のものです。モノレポのルートでたずねるのは最初の質問だけです。質問がなくなったり、名前が変わったりすることはありません。""",
    groups={"Identity": "サービス", "Database": "データベース", "Delivery": "デリバリー", "Documents": "ドキュメント"},
    head=["回答", "意味"],
    answer="- 回答: {}",
    types={
        "one": "選択肢から 1 つ",
        "any": "選択肢からいくつでも（リスト）",
        "str": "文字列",
        "int": "整数",
        "yaml": "YAML のマッピング",
    },
    choices="- 選択肢: {}",
    separator="、",
    default="- 既定値: {}",
    stored="{}。最初のコピーで保存され、たずねません",
    empty="なし",
    depends="ほかの回答によって変わります",
    condition="- {} の場合だけたずねます",
    refused="- {} は拒否されます: {}",
)


def page(root: Path) -> str:
    """The whole page."""
    asked = _asked(root)
    return write("Questions", *_parts(root, asked, _said(asked), _ENGLISH), other="questions.ja.md")


def japanese(root: Path) -> str:
    """The same in Japanese, but for what Copier shows."""
    asked = _asked(root)
    said = _known(asked)
    for name, english in _said(asked).items():
        facts.must_cover(f"questions.yml, {name}", said[name].get("choices", {}), english["choices"])
    return write("質問", *_parts(root, asked, said, _JAPANESE), language="ja", other="questions.md")


def _asked(root: Path) -> dict[str, dict[str, Any]]:
    return copier_yml.questions(copier_yml.read(root))


def _known(asked: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What stands beside this about each question."""
    known = facts.read("questions.yml")
    facts.must_cover("questions.yml", known, asked)
    return known


def _said(asked: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What copier.yml says to people."""
    return {
        name: {
            "help": question["help"].strip(),
            "choices": {answer: text for text, answer in choices.items()}
            if isinstance(choices := question.get("choices"), dict)
            else {},
        }
        for name, question in asked.items()
    }


def _parts(
    root: Path, asked: dict[str, dict[str, Any]], said: dict[str, dict[str, Any]], words: _Words
) -> Iterator[str]:
    refused = {name: known["wrong"] for name, known in _known(asked).items() if "wrong" in known}
    validated = [name for name, question in asked.items() if "validator" in question]
    rules = rendered.refusals(root, refused)
    facts.must_cover("questions.yml, wrong", rules, validated)
    given = rendered.defaults(root)
    yield words.introduction
    for group, names in _groups(root).items():
        yield f"## {words.groups[group]}"
        for name in names:
            if name in asked:
                yield f"### {name}"
                yield said[name]["help"]
                if choices := said[name].get("choices"):
                    yield table(words.head, [[code(answer), text] for answer, text in choices.items()])
                lines = [*_lines(name, asked[name], given, words)]
                if name in rules:
                    wrong = json.dumps(refused[name][name], ensure_ascii=False)
                    lines.append(words.refused.format(code(wrong), rules[name]))
                yield "\n".join(lines)


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


def _lines(name: str, question: dict[str, Any], given: dict[str, Any], words: _Words) -> Iterator[str]:
    choices = question.get("choices")
    kind = "any" if question.get("multiselect") else "one" if choices else question["type"]
    yield words.answer.format(words.types[kind])
    if isinstance(choices, list):
        yield words.choices.format(words.separator.join(map(code, choices)))
    yield words.default.format(_default(name, question, given, words))
    condition = question.get("when", "").strip("{} ").removeprefix(_A_SERVICE).removeprefix(" and ")
    if condition:
        yield words.condition.format(code(condition))


def _default(name: str, question: dict[str, Any], given: dict[str, Any], words: _Words) -> str:
    if question.get("ask") is False:
        return words.stored.format(code(question["default"].strip("{} ")))
    if name not in given:
        return words.depends
    value = given[name]
    if value == "":
        return words.empty
    return code(value if isinstance(value, str) else json.dumps(value))
