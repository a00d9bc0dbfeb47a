"""The part of Gitea's API that Renovate talks to: one repository, its pull requests and its issues, kept in memory."""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

OWNER = {"id": 1, "login": "avion", "username": "avion", "full_name": "Avion", "email": "bot@example.invalid"}
LABELS = [{"id": number, "name": name} for number, name in enumerate(("dependencies", "migration-template"), 1)]


class Forge:
    """What a bot did there."""

    def __init__(self, repository: Path, name: str) -> None:
        self.name = name
        self.url = ""
        self.pull_requests: list[dict] = []
        self.issues: list[dict] = []
        self.statuses: list[dict] = []
        self._repository = {
            "id": 1,
            "full_name": name,
            "owner": OWNER,
            "ssh_url": repository.as_uri(),
            "clone_url": repository.as_uri(),
            "default_branch": "main",
            "empty": False,
            "archived": False,
            "mirror": False,
            "has_issues": True,
            "has_pull_requests": True,
            "allow_merge_commits": True,
            "default_merge_style": "merge",
            "permissions": {"admin": True, "pull": True, "push": True},
        }

    def answer(self, method: str, path: str, body: dict) -> object:
        """What the API returns; nothing for what it does not know."""
        about = path.removeprefix(f"/repos/{self.name}")
        if method == "POST" and about == "/pulls":
            return self._add(self.pull_requests, body | self._sides(body))
        if method == "POST" and about == "/issues":
            return self._add(self.issues, body)
        if method == "POST" and about.startswith("/statuses/"):
            self.statuses.append(body)
            return body
        if re.fullmatch(r"/(pulls|issues)/\d+", about):
            number = int(path.rpartition("/")[2])
            (one,) = [one for one in (*self.pull_requests, *self.issues) if one["number"] == number]
            one |= body
            return one
        known = {
            "/user": OWNER,
            "/version": {"version": "1.25.0"},
            f"/repos/{self.name}": self._repository,
            f"/repos/{self.name}/pulls": self.pull_requests,
            f"/repos/{self.name}/issues": self.issues,
            f"/repos/{self.name}/labels": LABELS,
        }
        return known.get(path, [] if re.search(r"/(comments|labels|statuses)$", path) else None)

    def _add(self, to: list[dict], body: dict) -> dict:
        number = len(self.pull_requests) + len(self.issues) + 1
        times = dict.fromkeys(("created_at", "updated_at"), "2026-01-01T00:00:00Z")
        to.append(body | {"number": number, "state": "open", "user": OWNER, "assignees": [], **times})
        return to[-1]

    def _sides(self, body: dict) -> dict:
        sides = {
            side: {"label": body[side], "ref": body[side], "sha": "0" * 40, "repo": self._repository}
            for side in ("head", "base")
        }
        return {**sides, "mergeable": True, "labels": [one for one in LABELS if one["id"] in body.get("labels", [])]}


@contextlib.contextmanager
def serve(repository: Path, name: str) -> Iterator[Forge]:
    forge = Forge(repository, name)

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            path = self.path.partition("?")[0].removeprefix("/api/v1")
            answer = forge.answer(self.command, path, json.loads(body or "{}"))
            content = json.dumps(answer).encode()
            self.send_response(404 if answer is None else 201 if self.command == "POST" else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        forge.url = f"http://127.0.0.1:{server.server_port}/"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield forge
        finally:
            server.shutdown()
