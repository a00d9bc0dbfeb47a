"""What is compiled once means in each environment what it means there."""

import pytest
from jinja2 import Environment, TemplateSyntaxError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import SandboxedEnvironment

from avion_template.compiled import compile_once


@pytest.fixture
def compilations(monkeypatch) -> list[str]:
    """What is compiled from here on."""
    compiled = []
    compile_anew = Environment.compile

    def compile_and_tell(environment, source, *arguments):
        compiled.append(source)
        return compile_anew(environment, source, *arguments)

    monkeypatch.setattr(Environment, "compile", compile_and_tell)
    compile_once()
    return compiled


def test_a_text_is_compiled_once_for_all_environments_of_a_kind(compilations):
    assert [Environment().from_string("{{ 1 + x }}").render(x=x) for x in (1, 2)] == ["2", "3"]
    assert compilations == ["{{ 1 + x }}"]


@pytest.mark.parametrize(
    ("text", "options", "plain", "other"),
    [
        ("{{ x }}", {"autoescape": True}, "<", "&lt;"),
        ("{{ x }}", {"finalize": repr}, "<", "'<'"),
        ("[[ x ]]", {"variable_start_string": "[[", "variable_end_string": "]]"}, "[[ x ]]", "<"),
        ("{% if x %}\n{{ x }}{% endif %}", {"trim_blocks": True}, "\n<", "<"),
    ],
)
def test_settings_are_kept_apart(compilations, text, options, plain, other):
    for environment, rendered in ((Environment(), plain), (Environment(**options), other)) * 2:
        assert environment.from_string(text).render(x="<") == rendered
    assert len(compilations) == 2


def test_the_sandbox_is_kept_apart(compilations):
    text = "{{ x.__class__.mro() | length }}"
    assert Environment().from_string(text).render(x="") == "2"
    with pytest.raises(SecurityError):
        SandboxedEnvironment().from_string(text).render(x="")


def test_extensions_are_kept_apart(compilations):
    text = "{% do x.append(1) %}{{ x | length }}"
    assert Environment(extensions=["jinja2.ext.do"]).from_string(text).render(x=[]) == "1"
    with pytest.raises(TemplateSyntaxError):
        Environment().from_string(text)
