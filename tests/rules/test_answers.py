"""Every question has a help sentence and a default; a bad answer is refused with value, rule and next step."""

from __future__ import annotations

import re

import pytest
import yaml

from dev import copier_yml
from dev.reference import facts
from dev.toolchain.install import ROOT

# For each question what the reference says besides; the wrong answer that it shows, too.
KNOWN = facts.read("questions.yml")
BAD = [
    *(known["wrong"] for known in KNOWN.values() if "wrong" in known),
    {"author": ""},
    {"author": "two\nlines"},
    {"author": "-- +goose Down"},
    {"author": "a" * 101},
    {"created_on": "yesterday"},
    {"migration_timeout": 86401},
    {"migration_timeout": -1},
    {"database_name": ""},
    {"database_name": "Avion"},
    {"database_name": "1avion"},
    {"database_name": "avion\n"},
    {"database_name": "データ"},
    {"database_name": "a" * 64},
    {"database_name": "template1"},
    {"database_name": "null"},
    {"database_user": ""},
    {"database_user": "avion auth"},
    {"database_user": "a" * 55},
    {"database_user": "public"},
    {"database_user": "on"},
    {"migrations_dir": ""},
    {"migrations_dir": "."},
    {"migrations_dir": "./migrations"},
    {"migrations_dir": "/srv/migrations"},
    {"migrations_dir": "db/../../migrations"},
    {"migrations_dir": "db/migrations/"},
    {"migrations_dir": "db//migrations"},
    {"migrations_dir": "db\\migrations"},
    {"migrations_dir": "_migrations"},
    {"migrations_dir": ".github/migrations"},
    {"migrations_dir": "my migrations"},
    {"migrations_dir": "migrations\n"},
    {"migrations_dir": "m" * 101},
    {"migrations_dir": "migrations-seed"},
    {"migrations_dir": "tools/migrations"},
    {"migrations_dir": "k8s/migrations"},
    {"compose_server": "-db"},
    {"compose_server": "db\n"},
    {"compose_server": "d" * 64},
    {"compose_port": 65536},
    {"kubernetes_namespace": "Avion"},
    {"kubernetes_namespace": "-avion"},
    {"kubernetes_namespace": "a" * 64},
    {"image": "avion-auth-migration"},
    {"image": "ghcr.io/avion/auth:latest"},
    {"image": "ghcr.io/avion/auth@sha256:0"},
    {"image": "ghcr.io/Avion/auth"},
    {"prometheus_rule_labels": "release"},
    {"prometheus_rule_labels": {"": "x"}},
    {"prometheus_rule_labels": {"-release": "x"}},
    {"prometheus_rule_labels": {"a/b/c": "x"}},
    {"prometheus_rule_labels": {"Example.com/release": "x"}},
    {"prometheus_rule_labels": {"release": "x", "r" * 64: "x"}},
    {"prometheus_rule_labels": {"a" * 254 + "/release": "x"}},
    {"prometheus_rule_labels": {1: "x"}},
    {"prometheus_rule_labels": {"release": 1}},
    {"prometheus_rule_labels": {"release": True}},
    {"prometheus_rule_labels": {"release": None}},
    {"prometheus_rule_labels": {"release": "two words"}},
    {"prometheus_rule_labels": {"release": "x\n"}},
    {"prometheus_rule_labels": {"release": "v" * 64}},
    {"docs_url": ""},
    {"docs_url": "docs"},
    {"docs_url": "ftp://example.com/docs"},
    {"docs_url": "https://example.com/docs/"},
    {"docs_url": "https://example.com/docs#top"},
    {"docs_url": "https://example.com/docs?at=main"},
    {"docs_url": "https://me:secret@example.com/docs"},
    {"docs_url": "https://example.com/{{ $labels.service }}"},
    {"docs_url": "https://example.com/" + "d" * 500},
    {"production_ssl_mode": "verify-ca", "production_ssl_root_cert": "system"},
    {"production_ssl_mode": "verify-full", "production_ssl_root_cert": ""},
    {"production_ssl_mode": "verify-full", "production_ssl_root_cert": "/etc/ssl/../ssl/ ca.crt"},
]
NO_CHOICE = [
    {"postgres_version": "14"},
    {"production_ssl_mode": "disable"},
    {"production_ssl_mode": "prefer"},
    {"layout": "folder"},
    {"docs_language": "fr"},
    {"parts": ["helm"]},
    {"compose_names": "short"},
    {"considerations": ["coffee"]},
    {"postgres_extensions": ["file_fdw"]},
]


@pytest.fixture(scope="module")
def settings() -> dict:
    return copier_yml.read(ROOT)


def test_questions_are_the_promised_ones(settings):
    assert copier_yml.questions(settings).keys() == KNOWN.keys()


def test_every_question_has_type_help_and_default(settings):
    for name in KNOWN:
        assert {"type", "help", "default"} <= settings[name].keys(), name
        assert settings[name]["help"].rstrip().endswith(("?", ".")), name


def test_no_setting_needs_trust(settings):
    assert not {"_tasks", "_migrations", "_jinja_extensions"} & settings.keys()
    assert settings["_envops"]["undefined"] == "jinja2.StrictUndefined"


@pytest.mark.parametrize("answers", BAD, ids=str)
def test_bad_answer_is_refused_with_value_rule_and_next_step(refused, answers):
    message = refused("avion-auth", **answers)
    name = list(answers)[-1]
    assert re.fullmatch(rf"{name} (is|has) .*(but|must).*: .*\.", message), message


@pytest.mark.parametrize("answers", NO_CHOICE, ids=str)
def test_answer_that_is_no_choice_is_refused(refused, answers):
    message = refused("avion-auth", **answers)
    assert list(answers)[-1] in message
    assert "is not in [" in message


@pytest.mark.parametrize(
    "author", ["山田チーム", 'O\'Brien "the" team', "a: b # c", "{{ x }} {% y %}", "back\\slash", "--", "*/", "$$"]
)
def test_any_author_of_one_line_is_kept_to_the_letter(generate, author):
    service = generate("avion-auth", author=author)
    assert yaml.safe_load((service / ".goose.yml").read_text())["author"] == author
    assert f"\n-- Author: {author}\n" in (service / "migrations/00001_init_schema.sql").read_text()
    assert yaml.safe_load((service / ".copier-answers.yml").read_text())["author"] == author


@pytest.mark.parametrize(
    ("mode", "certificate"), [("require", None), ("verify-ca", "/etc/ssl/postgresql/ca.crt"), ("verify-full", "system")]
)
def test_production_ssl_mode_brings_its_certificate_authority(generate, mode, certificate):
    production = yaml.safe_load((generate("avion-auth", production_ssl_mode=mode) / ".goose.yml").read_text())[
        "environments"
    ]["production"]
    assert production.get("ssl_root_cert") == certificate
    assert production["ssl_mode"] == mode


@pytest.mark.parametrize(
    ("layout", "url"),
    [
        ("repository", "https://github.com/avion/avion-auth/blob/main/docs"),
        ("monorepo-service", "https://github.com/avion/avion/blob/main/avion-auth/docs"),
    ],
)
def test_documents_are_where_the_layout_puts_them(generate, layout, url):
    service = generate(layout=layout)
    assert yaml.safe_load((service / ".copier-answers.yml").read_text())["docs_url"] == url


@pytest.mark.parametrize("labels", ["{release: kube-prometheus-stack, role: alert-rules}", "{}"])
def test_labels_can_be_typed_as_one_line(copier_cli, tmp_path, labels):
    template = "gh:org/avion-migration-template"
    typed = ["copy", "--defaults", "--data", f"prometheus_rule_labels={labels}", template, "avion-auth"]
    assert copier_cli(typed, cwd=tmp_path).returncode == 0
    answers = yaml.safe_load((tmp_path / "avion-auth/.copier-answers.yml").read_text())
    assert answers["prometheus_rule_labels"] == yaml.safe_load(labels)


@pytest.mark.parametrize(
    ("folder", "considerations"),
    [
        ("avion-auth", ["session_cleanup", "password_rehash", "audit_retention"]),
        ("avion-timeline", ["redis_sync", "staged_move", "concurrent_index"]),
        ("avion-user", ["staged_move"]),
        ("avion-media", []),
    ],
)
def test_considerations_follow_from_the_service(generate, folder, considerations):
    assert yaml.safe_load((generate(folder) / ".copier-answers.yml").read_text())["considerations"] == considerations


def test_unknown_answer_fails_our_own_tests(generate):
    with pytest.raises(AssertionError, match="servicename"):
        generate("avion-auth", servicename="auth")
