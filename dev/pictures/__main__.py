"""`make pictures`: draws the diagram in both languages, and records the session on a real server."""

import tempfile
from pathlib import Path

from dev.pictures import diagram, session
from dev.toolchain.install import ROOT
from dev.toolchain.postgres import Server
from dev.toolchain.published import git_configuration, publish

FOLDER = ROOT / "docs/pictures"
PASSWORD = "changeme"


def main() -> None:
    for name, picture in diagram.pictures().items():
        (FOLDER / name).write_text(picture)
    with tempfile.TemporaryDirectory() as folder, Server("15") as server:
        server.create_database("avion_auth_db", "avion_auth", PASSWORD)
        git = git_configuration(Path(folder) / "gitconfig", publish(Path(folder) / "published"))
        database = {"DB_PORT": str(server.port), "DB_PASSWORD": PASSWORD}
        (FOLDER / session.NAME).write_text(session.picture(session.record(Path(folder), git | database)))


if __name__ == "__main__":
    main()
