"""docs/reference/exit-codes.md: how the engine ends, from what it says itself and from the Job."""

import re
from pathlib import Path
from typing import Any

import yaml

from dev.reference import facts
from dev.reference.markdown import page as write
from dev.reference.markdown import table
from dev.toolchain import engine

_INTRODUCTION = """\
Pipelines and the Kubernetes Job decide by these whether to try again. They belong to the engine, `tools/migrate/bin/migrate`:
make shows them as `Error 3` and itself ends with 2 whatever went wrong."""

_END = """\
What went wrong is one sentence on stderr that says what to do next. The troubleshooting guide of the service explains the
sentences, code by code."""

_JAPANESE = """\
パイプラインと Kubernetes の Job は、これらの終了コードで再試行するかどうかを判断します。エンジン `tools/migrate/bin/migrate` の終了コードです。make は `Error 3` のように表示し、失敗の種類にかかわらず 2 で終わります。"""
_JAPANESE_END = """\
問題の内容は、次にすることも含めて、標準エラー出力に 1 文で表示されます。サービスのトラブルシューティングガイドが、終了コードごとにメッセージを説明しています。"""

_JOB = "template/k8s/migrations/{{ service_name }}-migration-job.yaml.jinja"


def page(root: Path) -> str:
    """The whole page."""
    rows = [
        [
            str(code["code"]),
            code["meaning"],
            "complete" if not code["code"] else f"{retries} more tries" if code["try_again"] else "stops",
        ]
        for code, retries in _codes(root)
    ]
    parts = (_INTRODUCTION, table(["code", "meaning", "the Job"], rows), _END)
    return write("Exit codes", *parts, other="exit-codes.ja.md")


def japanese(root: Path) -> str:
    """The same in Japanese."""
    meanings, codes = facts.read("exit_codes.ja.yml"), _codes(root)
    facts.must_cover("exit_codes.ja.yml", meanings, [code["name"] for code, _ in codes])
    rows = [
        [
            str(code["code"]),
            meanings[code["name"]],
            "完了" if not code["code"] else f"あと {retries} 回試行" if code["try_again"] else "停止",
        ]
        for code, retries in codes
    ]
    parts = (_JAPANESE, table(["コード", "意味", "Job"], rows), _JAPANESE_END)
    return write("終了コード", *parts, language="ja", other="exit-codes.md")


def _codes(root: Path) -> list[tuple[dict[str, Any], int]]:
    """Each code as the engine describes it, and how often the Job tries again."""
    codes = engine.described(root)["migrate"]["exit_codes"]
    final, retries = _policy(root)
    hopeless = [code["code"] for code in codes if code["code"] and not code["try_again"]]
    if final != hopeless:
        raise SystemExit(f"The Job stops at {final}, and the engine says that {hopeless} are not worth another try.")
    return [(code, retries) for code in codes]


def _policy(root: Path) -> tuple[list[int], int]:
    """The codes after which the Job stops at once, and how often it tries again after the others."""
    text = (root / _JOB).read_text()
    (rule,) = re.findall(r"onExitCodes: (\{.*\})", text)
    (retries,) = re.findall(r"backoffLimit: (\d+)", text)
    return yaml.safe_load(rule)["values"], int(retries)
