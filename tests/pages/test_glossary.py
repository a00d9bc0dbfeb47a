"""One word for one thing: the documents of both languages use the glossary's words, and none of those that it replaces."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import yaml

from dev.toolchain.install import ROOT
from tests.documentation import pages

GLOSSARY = yaml.safe_load((ROOT / "includes/documents/glossary.yml").read_text())
# What is said in the words of a program, and what nobody reworded may: ticks of people stand in these lines.
CODE = re.compile(
    r"^( *)```.*?^\1```$|`[^`\n]*`|\]\([^)\n]*\)|<!--.*?-->|<a id=[^>]*>|\{[%{].*?[%}]\}|^#.*?$|^ *(?:ja|en): [^\n]*$",
    re.MULTILINE | re.DOTALL,
)


def prose(text: str, *, keys: bool = False) -> str:
    """The words of a page, without code, links, headings and Jinja; of checklist.yml only what may be reworded."""
    if keys:
        text = "\n".join(re.findall(r"^ {8}(?:ja|en): (.*)$", text, re.MULTILINE))
    return CODE.sub(" ", text)


def texts(language: str) -> Iterator[tuple[str, str]]:
    """The sources of what people read in a language."""
    for file in sorted((ROOT / "includes/documents" / language).rglob("*.md")):
        yield file.relative_to(ROOT).as_posix(), prose(file.read_text())
    for file in sorted((ROOT / "engine/internal/wiring/sections").glob(f"*.{language}.md")):
        yield file.name, prose(file.read_text())
    translated = [page for page in pages() if page.endswith(".ja.md")]
    for page in translated:
        name = page if language == "ja" else page.replace(".ja.md", ".md")
        # What a word stands for, the glossary says in other words.
        if "glossary" not in page and (language == "ja" or page.startswith(("docs/how-to", "docs/explanation"))):
            yield name, prose((ROOT / name).read_text())


def variants(language: str) -> list[tuple[str, str]]:
    """What stands in no document, with the word that stands there instead."""
    return [(pattern, word[language]) for word in GLOSSARY for pattern in word.get("instead", {}).get(language, [])]


def found(language: str, name: str, text: str) -> list[str]:
    return [
        f"{name}: {match[0]!r}, say {word!r}: …{text[max(match.start() - 15, 0) : match.end() + 15]}…".replace(
            "\n", " "
        )
        for pattern, word in variants(language)
        for match in re.finditer(pattern, text)
    ]


@pytest.mark.parametrize("language", ["ja", "en"])
def test_documents_use_the_words_of_the_glossary(language):
    everything = [*texts(language)]
    assert len(everything) > 20
    assert [wrong for name, text in everything for wrong in found(language, name, text)] == []


def test_checklist_uses_them_where_it_may_be_reworded():
    text = prose((ROOT / "includes/documents/checklist.yml").read_text(), keys=True)
    assert found("ja", "checklist.yml", text) == []


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ja", "コンフリクトを解消します。"),
        ("ja", "管理テーブルを作ります。"),
        ("ja", "本番に適用します。"),
        ("ja", "適用 (終了コード 0) します。"),
        ("en", "Write a backfill job."),
        ("en", "The directory of the service."),
    ],
)
def test_another_word_is_found(language, text):
    assert len(found(language, "page", prose(text))) >= 1


@pytest.mark.parametrize(
    ("language", "text"),
    [("ja", "`本番` と、本番環境（production）です。"), ("en", "`make migrate-job JOB=` runs the Job.")],
)
def test_right_words_and_code_are_not(language, text):
    assert found(language, "page", prose(text)) == []


def test_each_word_is_there_once_and_explained_in_both_languages():
    for language in ("ja", "en"):
        words = [word[language] for word in GLOSSARY]
        assert len(words) == len(set(words))
    assert all({"ja", "en"} == word["means"].keys() for word in GLOSSARY if "means" in word)
