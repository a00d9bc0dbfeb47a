"""Documents and the fleet tool read the template's address alike, and neither shows a password that stands in it."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from copier._vcs import get_repo
from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from avion_template.address import page, repository
from dev.toolchain.install import ROOT

PUBLIC = "https://github.com/org/avion-migration-template"

PAGES = {
    "gh:org/avion-migration-template": PUBLIC,
    "gh:/org/avion-migration-template": PUBLIC,
    "gh:org/avion-migration-template.git": PUBLIC,
    "gl:group/sub/template": "https://gitlab.com/group/sub/template",
    "https://github.com/org/avion-migration-template": PUBLIC,
    "https://github.com/org/avion-migration-template.git": PUBLIC,
    "https://github.com/org/avion-migration-template/": PUBLIC,
    "https://git.example/org/template.git/": "https://git.example/org/template",
    "git+https://git.example/org/template": "https://git.example/org/template",
    "https://git.example:8443/org/template.git": "https://git.example:8443/org/template",
    "http://git.example/org/template.git": "http://git.example/org/template",
    "https://user:secret@git.example/org/template.git": "https://git.example/org/template",
    "https://user:sec@ret@git.example/org/template.git": "https://git.example/org/template",
    "git+https://secret@git.example/org/template": "https://git.example/org/template",
    "git@github.com:org/avion-migration-template.git": PUBLIC,
    "git@git.example:org/template": "https://git.example/org/template",
    "git@git.example:/org/template.git": "https://git.example/org/template",
    "ssh://git@git.example/org/template.git": "https://git.example/org/template",
    "ssh://git@git.example:2222/org/template.git": "https://git.example/org/template",
    "ssh://git.example/org/template": "https://git.example/org/template",
    "git+ssh://git@git.example/org/template.git": "https://git.example/org/template",
    "https://git.example/org/avion.github.io": "https://git.example/org/avion.github.io",
}
NO_PAGE = [
    "/srv/templates/avion-migration-template",
    "/srv/user@host:templates/avion.git",
    "../avion-migration-template",
    "~/avion-migration-template",
    "C:\\templates\\avion",
    "file:///srv/template.git",
    "git+file:///srv/template",
    "https://git.example",
    "https://secret@git.example/",
    ".",
    "",
]


@pytest.fixture(scope="module")
def documented() -> Callable[[str], str]:
    """documented("gh:org/template"): the page that the generated documents link to."""
    environment = SandboxedEnvironment(
        loader=FileSystemLoader(ROOT),
        undefined=StrictUndefined,
        extensions=["jinja2_ansible_filters.AnsibleCoreFiltersExtension"],
    )
    return environment.get_template("hooks/address.jinja").module.page


@pytest.mark.parametrize("source", PAGES)
def test_an_address_of_a_repository_leads_to_its_page(documented, source):
    assert page(source) == documented(source) == PAGES[source]


@pytest.mark.parametrize("source", NO_PAGE)
def test_a_folder_has_no_page_and_documents_name_the_public_one(documented, source):
    assert page(source) is None
    assert documented(source) == PUBLIC


def test_both_read_every_combination_of_the_parts_alike(documented):
    schemes = [
        "",
        "gh:",
        "gl:",
        "git+",
        "http://",
        "https://",
        "git+https://",
        "ssh://",
        "git+ssh://",
        "file://",
        "git://",
    ]
    users = ["", "git@", "secret@", "user:secret@", "user:s3cret@secret@", "user%40mail:secret@"]
    hosts = ["git.example", "git-1.example:8443", "localhost", "[::1]"]
    paths = [":org/one", "/org/one", "//org/one", "/one", "", "/", "/org/one@two", "/~user/one", "/a b/日本語"]
    ends = ["", ".git", "/", ".git/", "//"]
    for parts in itertools.product(schemes, users, hosts, paths, ends):
        source = "".join(parts)
        assert (page(source) or PUBLIC) == documented(source), source
        if not source.startswith(("gh:", "gl:")):  # behind which no user stands
            assert "secret" not in documented(source), source


@pytest.mark.parametrize("source", [source for source in PAGES if get_repo(source)])
def test_git_is_asked_for_what_copier_asks_it_for(source):
    assert get_repo(source) in (repository(source), f"{repository(source)}.git")
