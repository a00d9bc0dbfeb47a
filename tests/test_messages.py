"""Every refusal has one form: what was found, then behind a colon what to do about it; no full stop, no exclamation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.toolchain.install import ROOT

_CALL = re.compile(
    r"failure\.(?:Refused|Pending|MigrationFailed|Unreachable|HistoryMismatch|Locked)\(\s*((?:\"(?:[^\"\\]|\\.)*\"\s*\+?\s*)+)"
)
# Sentences to which another one is added, or which are added to another one.
OPEN = re.compile(r"%[sw]$|^%[sw]:? ")


def sentences(folder: Path) -> dict[str, str]:
    """The sentences of the engine's sources, with the file that each is in."""
    found = {}
    for source in sorted(folder.rglob("*.go")):
        if not source.name.endswith("_test.go"):
            for literal in _CALL.findall(source.read_text()):
                found["".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literal))] = source.name
    return found


def wrong(sentence: str) -> str:
    """What is wrong with the form of a sentence; nothing for one that is right."""
    if sentence.endswith((".", "!", "?")) or re.search(r"[a-z]\. [A-Z]", sentence):
        return "it is more than one sentence, or ends in a full stop"
    if re.match(r"[A-Z][a-z]+ [a-z]", sentence) and not sentence.startswith(("Copier", "Kubernetes", "Redis", "Go ")):
        return "it begins with a capital letter, but stands behind `migrate:`"
    if re.search(r"\b(please|sorry|invalid|illegal|failed to|unable to|error:)\b", sentence, re.IGNORECASE):
        return "it uses a word that says nothing"
    if ": " not in sentence and not OPEN.search(sentence):
        return "it says no next step behind a colon"
    return ""


def test_sentences_of_the_engine():
    found = sentences(ROOT / "template/tools/migrate")
    assert len(found) > 100
    assert {f"{name}: {sentence}": problem for sentence, name in found.items() if (problem := wrong(sentence))} == {}


def test_sentences_of_the_questions():
    settings = yaml.safe_load((ROOT / "copier.yml").read_text())
    texts = [entry["validator"] for entry in settings.values() if isinstance(entry, dict) and "validator" in entry]
    texts += [file.read_text() for file in sorted((ROOT / "hooks").glob("*.jinja"))]
    found = [
        " ".join(line.split())
        for text in texts
        for line in re.findall(r"\b\w+ (?:is|has) \{\{.*(?:\n(?! *\{%).*)*", text)
    ]
    assert len(found) > 8
    for sentence in found:
        assert re.search(r", but .*: \w+", sentence), sentence


@pytest.mark.parametrize(
    "sentence",
    [
        "no database is named.",
        "No database is named: set DB_NAME",
        "invalid port %q: set DB_PORT",
        "no database is named",
    ],
)
def test_a_sentence_of_another_form_is_found(sentence):
    assert wrong(sentence)
