"""Every refusal of an answer has one form: what was found, the rule, and what to answer instead.

The engine's own refusals are held to theirs by internal/failure/sentences_test.go.
"""

from __future__ import annotations

import re

import yaml

from tests.toolchain.install import ROOT


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
