"""docs/reference/exit-codes.md: how the engine ends, from what it says itself and from the Job."""

import re
from pathlib import Path

import yaml

from dev.reference.markdown import page as write
from dev.reference.markdown import table
from dev.toolchain import engine

_INTRODUCTION = """\
Pipelines and the Kubernetes Job decide by these whether to try again. They belong to the engine, `tools/migrate/bin/migrate`:
make shows them as `Error 3` and itself ends with 2 whatever went wrong."""

_END = """\
What went wrong is one sentence on stderr that says what to do next. The troubleshooting guide of the service explains the
sentences, code by code."""

_JOB = "template/k8s/migrations/{{ service_name }}-migration-job.yaml.jinja"


def page(root: Path) -> str:
    """The whole page."""
    codes = engine.described(root)["migrate"]["exit_codes"]
    final, retries = _policy(root)
    hopeless = [code["code"] for code in codes if code["code"] and not code["try_again"]]
    if final != hopeless:
        raise SystemExit(f"The Job stops at {final}, and the engine says that {hopeless} are not worth another try.")
    rows = [
        [
            str(code["code"]),
            code["meaning"],
            "complete" if not code["code"] else f"{retries} more tries" if code["try_again"] else "stops",
        ]
        for code in codes
    ]
    return write("Exit codes", _INTRODUCTION, table(["code", "meaning", "the Job"], rows), _END)


def _policy(root: Path) -> tuple[list[int], int]:
    """The codes after which the Job stops at once, and how often it tries again after the others."""
    text = (root / _JOB).read_text()
    (rule,) = re.findall(r"onExitCodes: (\{.*\})", text)
    (retries,) = re.findall(r"backoffLimit: (\d+)", text)
    return yaml.safe_load(rule)["values"], int(retries)
