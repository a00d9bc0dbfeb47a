"""Every refusal has one form: what was found, the rule where it is not plain, and the next step behind a colon.

The engine's own refusals are held to theirs by internal/failure/sentences_test.go.
"""

import ast
import re
from collections.abc import Iterator

import pytest

from dev import copier_yml
from dev.toolchain.install import ROOT

STEPS = "bring carry commit correct delete install name pull put raise restore run solve undo update use write"
NEXT_STEP = re.compile(rf": ({'|'.join(STEPS.split())}) [^:]*(: ?[^ :]+[^:]*)?$")


def test_sentences_of_the_questions():
    settings = copier_yml.read(ROOT)
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


def refusals_of_the_tools() -> Iterator[str]:
    """Of `avion-template` and of `make release`; what a value fills in is X."""
    for file in sorted([*(ROOT / "avion_template").glob("*.py"), *(ROOT / "dev/release").glob("*.py")]):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                match node.exc.args[0]:
                    case ast.JoinedStr(values=parts):
                        yield "".join(part.value if isinstance(part, ast.Constant) else "X" for part in parts)
                    case ast.Constant(value=str(text)):
                        yield text


def refusals_of_the_scripts() -> Iterator[str]:
    """Of the scripts that build and fetch what a service's targets need."""
    for file in sorted((ROOT / "template").rglob("*.sh")):
        yield from re.findall(
            r"""(?:fail "|printf 'migrate: )(?!%s.n)(.+?)(?:"$|.n' )""", file.read_text(), re.MULTILINE
        )


@pytest.mark.parametrize(("refusals", "least"), [(refusals_of_the_tools, 12), (refusals_of_the_scripts, 4)])
def test_sentences_of_the_tools_and_scripts(refusals, least):
    found = list(refusals())
    assert len(found) >= least
    assert [sentence for sentence in found if not NEXT_STEP.search(sentence)] == []


@pytest.mark.parametrize("sentence", ["X failed", "X is wrong.", "X is not a release of Y: the newest is Z."])
def test_a_sentence_without_a_next_step_is_found(sentence):
    assert not NEXT_STEP.search(sentence)
