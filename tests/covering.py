"""Answers that differ in every way that matters, in as few services as hold every pair of values."""

from collections import OrderedDict
from itertools import product

from allpairspy import AllPairs

from tests.amounts import MAJORS

CONSIDERATIONS = [
    "session_cleanup",
    "password_rehash",
    "audit_retention",
    "redis_sync",
    "staged_move",
    "concurrent_index",
]
PARTS = ["compose", "github_actions", "kubernetes", "prometheus"]
LAYOUTS = ["repository", "monorepo-service"]
VALUES = {
    "postgres_version": MAJORS,
    "production_ssl": [
        ("require", ""),
        ("verify-ca", "/etc/ssl/postgresql/ca.crt"),
        ("verify-full", "system"),
        ("verify-full", "/ca.crt"),
    ],
    "service_name": ["auth", "system-admin", "the-longest-name-that-fits-into-jobs"],
    "migration_timeout": [1, 300, 86400],
    "layout": LAYOUTS,
    # YAML reads `on` as a boolean, and `1e3` as a number.
    "prefix": ["avion", "on"],
    "kubernetes_namespace": ["avion", "1e3"],
    # YAML reads `off` as a boolean, and `1` as a number.
    "prometheus_rule_labels": [{}, {"release": "off", "example.com/Role_1": "1", "empty": ""}],
    "docs_url": ["https://github.com/avion/avion-auth/blob/main/docs", "http://wiki:8080/~team/%E6%9D%B1"],
    "author": ["avion-auth team", """O'Brien & "co": #1 \\ 東京"""],
    "postgres_extensions": [[], ["uuid-ossp", "pg_trgm"]],
    "docs_language": ["ja", "en"],
    "considerations": [[], CONSIDERATIONS],
}


def answers(row: dict) -> dict:
    mode, root_cert = row["production_ssl"]
    ssl = {"production_ssl_mode": mode} | ({"production_ssl_root_cert": root_cert} if root_cert else {})
    return {name: value for name, value in row.items() if name != "production_ssl"} | ssl


def subset(row: list) -> dict:
    layout, *chosen = row
    return {"layout": layout, "parts": [part for part, wanted in zip(PARTS, chosen, strict=True) if wanted]}


BOTH = [True, False]
EVERY_SUBSET = [subset(list(row)) for row in product(LAYOUTS, *[BOTH] * len(PARTS))]
# Each part with and without each other part, in each layout.
SUBSETS = [subset(row) for row in AllPairs([LAYOUTS, *[BOTH] * len(PARTS)])]
COVERING = [answers(row._asdict()) for row in AllPairs(OrderedDict(VALUES))]
