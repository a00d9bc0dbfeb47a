"""A service holds what is its own, briefly, and each sentence stands once. What people linked to in 0.2.0 still leads somewhere."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest
from copier import run_copy

from dev.release.history import check_out, releases
from dev.toolchain.install import ROOT
from tests.documentation import pages
from tests.pages.test_documents import (
    CHOSEN,
    CONSIDERATIONS,
    GUIDE,
    LANGUAGES,
    SETUP,
    TROUBLESHOOTING,
    anchors,
    read,
    sections,
)

# A guide is read in one sitting, a set-up seen at one glance, but for its checklist.
LONGEST = {GUIDE: 180, SETUP: 75}


@pytest.fixture(scope="module", params=LANGUAGES)
def before(request, tmp_path_factory) -> tuple[str, dict[str, str]]:
    """The documents of 0.2.0, with everything that could be chosen, and their language."""
    (release,) = [release for release in releases() if str(release.version) == "0.2.0"]
    template = check_out(ROOT, release.commit, tmp_path_factory.mktemp("released"))
    service = tmp_path_factory.mktemp("before") / "avion-auth"
    answers = {"docs_language": request.param, "considerations": CONSIDERATIONS}
    run_copy(str(template), service, data=answers, defaults=True, unsafe=False, quiet=True)
    return request.param, read(service)


def lost(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """The anchors of old documents that lead nowhere in the new ones."""
    return [
        f"{name}#{section.anchor}"
        for name, text in old.items()
        for section in sections(text)
        if section.anchor and section.anchor not in anchors(new.get(name, ""))
    ]


def test_every_anchor_of_the_last_release_leads_somewhere(before, rendered):
    language, old = before
    assert sum(len(sections(text)) for text in old.values()) > 80
    assert lost(old, read(rendered(docs_language=language, considerations=CONSIDERATIONS))) == []


def test_a_lost_anchor_is_found(before, rendered):
    language, old = before
    new = read(rendered(docs_language=language, considerations=CONSIDERATIONS))
    anchor = sections(old[GUIDE])[-1].anchor
    assert lost(old, new | {GUIDE: new[GUIDE].replace(f'<a id="{anchor}">', "<a>")}) == [f"{GUIDE}#{anchor}"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_has_moved_is_named_where_its_heading_was(rendered, language):
    """An anchor without a heading stands in front of the link, or of the words, that say the same."""
    for name, text in read(rendered(docs_language=language, considerations=CONSIDERATIONS)).items():
        for follows in re.findall(r'<a id="[^"]+"></a>(?!<a id)(.*)', text):
            assert re.match(r"\[.+?\]\(.+?\)|\S.{10}", follows), f"{name}: {follows}"


def prose(text: str) -> list[str]:
    """The sentences of a document, in no table, heading or block of code."""
    text = re.sub(r"^( *)```.*?^\1```$|<!--.*?-->", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^[|#].*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)|<a id=[^>]*>|</a>|^ *(?:[-*]|\d+\.) ", "", text, flags=re.MULTILINE)
    joined = re.sub(r"(?<=\S)\n(?=\S)", " ", text)
    return [
        " ".join(part.split())
        for part in re.split(r"(?<=[。:：])|(?<=[.!?]) |\n\n", joined)
        if len(part.strip()) > (20 if re.search("[ぁ-ん]", part) else 45)
    ]


def twice(texts: dict[str, str]) -> dict[str, set[str]]:
    """Each sentence that stands in more than one document, with their names."""
    found = defaultdict(set)
    for name, text in texts.items():
        for sentence in prose(text):
            found[sentence].add(name)
    return {sentence: names for sentence, names in found.items() if len(names) > 1}


def moved(language: str) -> dict[str, str]:
    """The pages of this repository that go on from a service's documents, in its language."""
    both = [page if language == "ja" else page.replace(".ja.md", ".md") for page in pages() if page.endswith(".ja.md")]
    return {
        page: (ROOT / page).read_text()
        for page in pages()
        if page.startswith(("docs/how-to", "docs/explanation")) and page in both
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_stands_twice(rendered, language):
    service = read(rendered(docs_language=language, considerations=CONSIDERATIONS))
    assert sum(map(len, map(prose, service.values()))) > 100
    assert twice(service | moved(language)) == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_that_stands_twice_is_found(rendered, language):
    service = read(rendered(docs_language=language))
    sentence = prose(service[TROUBLESHOOTING])[5]
    doubled = service | {GUIDE: f"{service[GUIDE]}\n\n{sentence}\n"}
    assert twice(doubled).keys() == {sentence}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("document", LONGEST)
def test_documents_are_short(rendered, language, document):
    text = read(rendered(docs_language=language, considerations=CONSIDERATIONS))[document]
    without_checklist = re.sub(r"^### [^#]*?<!--.*?(?=^##)", "", text, flags=re.MULTILINE | re.DOTALL)
    assert without_checklist.count("\n") <= LONGEST[document]


def test_a_service_has_few_files(rendered):
    def files(folder: Path) -> int:
        return sum(path.is_file() for path in folder.rglob("*"))

    assert files(rendered(considerations=[])) <= 40
    assert not (rendered(considerations=[]) / CHOSEN).exists()
