"""The pictures show what is: drawn and recorded again, they are the same to the byte."""

from __future__ import annotations

import pytest

from dev.pictures import diagram, session
from dev.toolchain.install import ROOT
from dev.toolchain.published import git_configuration
from tests.conftest import put_engine

FOLDER = ROOT / "docs/pictures"


@pytest.mark.parametrize(("name", "picture"), diagram.pictures().items(), ids=str)
def test_diagram_is_what_make_pictures_draws(name, picture):
    assert (FOLDER / name).read_text() == picture, "run `make pictures`"


def test_a_moved_box_changes_the_diagram(monkeypatch, tmp_path):
    drawn = diagram.pictures()
    data = (ROOT / "dev/pictures/diagram.yml").read_text()
    (tmp_path / "diagram.yml").write_text(data.replace("at: [24, 24, 216, 56]", "at: [25, 24, 216, 56]"))
    monkeypatch.setattr(diagram, "__file__", str(tmp_path / "diagram.py"))
    assert all(diagram.pictures()[name] != picture for name, picture in drawn.items())


def test_session_is_what_the_commands_say_today(template, engine, database, tmp_path):
    git = git_configuration(tmp_path / "gitconfig", template)

    def lend_the_engine(folder) -> None:
        put_engine(engine, folder)

    recorded = session.record(tmp_path, git | database | {"DB_HOST": "localhost"}, before_unseen=lend_the_engine)
    shown = session.picture(recorded)
    for secret in (database["DB_PASSWORD"], str(tmp_path)):
        assert secret not in shown
    assert (FOLDER / session.NAME).read_text() == shown, "run `make pictures`"
