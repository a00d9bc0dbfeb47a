"""Templates compiled once in a process, however many services are rendered there."""

from collections.abc import Callable
from typing import Any

from jinja2 import Environment


def compile_once() -> None:
    """Makes Jinja remember what it compiled, in whichever of Copier's environments that was.

    Copier makes a new environment for each copy, and an update is three of them: two thirds of the time would go into
    compiling the same few hundred texts again.
    """
    compile_anew: Callable[..., Any] = Environment.compile
    compiled: dict[tuple[Any, ...], Any] = {}

    def compile_or_remember(self: Environment, source: Any, name: Any = None, filename: Any = None, *how: bool) -> Any:
        # Without the file's name, which only tracebacks show: each copy has a clone of its own.
        key = (*_dialect(self), source, name, *how)
        if key not in compiled:
            compiled[key] = compile_anew(self, source, name, filename, *how)
        return compiled[key]

    setattr(Environment, "compile", compile_or_remember)  # noqa: B010, a type checker forbids the assignment


def _dialect(environment: Environment) -> tuple[Any, ...]:
    """All of an environment that the code depends on; Jinja has one lexer for all with the same delimiters."""
    return (
        type(environment),
        environment.lexer,
        environment.optimized,
        environment.is_async,
        environment.autoescape,
        environment.finalize,
        *environment.extensions,
    )
