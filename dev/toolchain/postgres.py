"""PostgreSQL servers of any major version, without a system installation, Docker or root."""

import dataclasses
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from dev.toolchain import install
from dev.toolchain.command import environment
from dev.toolchain.port import free_port

# The server lives as long as the pipe to this script is open, so it ends with us however we end. After a restart it is
# another process.
_LIVES_AS_LONG_AS_WE_DO = """
home=$1
pg_ctl=$2
shift 2
"$@" &
read -r _
"$pg_ctl" stop --silent --mode=fast --pgdata="$home/data" 2>/dev/null
rm -rf "$home"
"""

_HOST_BASED_AUTHENTICATION = """
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
host all all ::1/128 scram-sha-256
"""


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What a server shows to clients that ask for TLS, in PEM."""

    chain: bytes
    key: bytes


class Server:
    """A running server that listens on 127.0.0.1 and on a socket in `socket_directory`. Only a durable one waits for its
    disk, as it does by default: for a measurement that counts, for a test it does not. The port is the one asked for, unless
    somebody else has it.
    """

    host = "127.0.0.1"
    superuser = "postgres"

    def __init__(
        self,
        major: str,
        certificate: Certificate | None = None,
        *,
        durable: bool = False,
        port: int = 0,
        password: str = "",
    ) -> None:
        self.major = major
        self.password = password or secrets.token_urlsafe(16)
        self.port = free_port(self.host, port)
        self._home = Path(tempfile.mkdtemp(prefix=f"postgres-{major}-"))
        self.socket_directory = self._home
        self._account = unprivileged_account()
        self._programs = self._usable_programs(install.postgres(major)) / "bin"
        self._data = self._home / "data"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115, it is open as long as the server runs
        self._prepare(certificate)
        self._supervisor = self._start(certificate is not None, durable)
        self._await_ready()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._log.close()

    def stop(self) -> None:
        if self._supervisor.poll() is None and self._supervisor.stdin:
            self._supervisor.stdin.close()
            self._supervisor.wait(timeout=60)

    def restart_immediately(self) -> None:
        """Ends every session without a word, and lets the server recover."""
        subprocess.run(
            [self._programs / "pg_ctl", "restart", "--silent", "--mode=immediate", f"--pgdata={self._data}"],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            **self._as_server(),
        )
        self._await_ready()

    def log(self) -> str:
        return os.pread(self._log.fileno(), os.fstat(self._log.fileno()).st_size, 0).decode()

    def connection(self, database: str = "postgres") -> dict[str, str]:
        """The superuser's way in, as libpq reads it."""
        return {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.superuser,
            "PGPASSWORD": self.password,
            "PGDATABASE": database,
        }

    def execute(self, sql: str, database: str = "postgres", **variables: str) -> str:
        """Runs SQL as the superuser; psql quotes each variable where it stands as :'name' or :"name"."""
        assignments = [f"--set={name}={value}" for name, value in variables.items()]
        return subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "--set=ON_ERROR_STOP=1", *assignments],
            env=environment(self.connection(database)),
            input=sql,
            text=True,
            check=True,
            stdout=subprocess.PIPE,
        ).stdout

    def create_database(self, name: str, owner: str, password: str) -> None:
        self.execute(
            """
            CREATE ROLE :"owner" LOGIN CREATEDB PASSWORD :'password';
            CREATE DATABASE :"name" OWNER :"owner" STRATEGY file_copy;
            """,
            name=name,
            owner=owner,
            password=password,
        )

    def drop_database(self, name: str, owner: str) -> None:
        """Drops it, and what its owner has made beside it."""
        self.execute(
            r"""
            DROP DATABASE IF EXISTS :"name" WITH (FORCE);
            SELECT format('DROP DATABASE IF EXISTS %I WITH (FORCE)', datname)
            FROM pg_database JOIN pg_roles ON pg_roles.oid = datdba WHERE rolname = :'owner' \gexec
            DROP ROLE IF EXISTS :"owner";
            """,
            name=name,
            owner=owner,
        )

    def _prepare(self, certificate: Certificate | None) -> None:
        password_file = self._home / "password"
        password_file.write_text(self.password)
        self._give_away(self._home, password_file)
        try:
            subprocess.run(
                [
                    self._programs / "initdb",
                    *("--username", self.superuser, "--pwfile", password_file),
                    *("--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync", self._data),
                ],
                check=True,
                stdout=subprocess.DEVNULL,
                **self._as_server(),
            )
        except (OSError, subprocess.CalledProcessError) as failed:
            self._log.close()
            shutil.rmtree(self._home)
            # An OSError where there is no loader for it: on Alpine, say, whose C library is musl.
            reason = failed.strerror if isinstance(failed, OSError) else f"exit status {failed.returncode}"
            raise SystemExit(
                f"PostgreSQL {self.major} of .tools/npm does not run on this machine (initdb: {reason}): it is built for "
                "macOS, and for Linux with glibc and /proc. Where that is so, the lines above say what to mend."
            ) from None
        files = {"pg_hba.conf": _HOST_BASED_AUTHENTICATION.encode()}
        if certificate:
            files |= {"server.crt": certificate.chain, "server.key": certificate.key}
        for name, content in files.items():
            file = self._data / name
            file.touch(mode=0o600)
            file.write_bytes(content)
            self._give_away(file)

    def _start(self, tls: bool, durable: bool) -> subprocess.Popen[bytes]:
        settings = {
            "listen_addresses": self.host,
            "port": self.port,
            "unix_socket_directories": self.socket_directory,
            "ssl": "on" if tls else "off",
        }
        if not durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [f"--{name}={value}" for name, value in settings.items()]
        command: list[str | Path] = ["sh", "-c", _LIVES_AS_LONG_AS_WE_DO, "sh", self._home, self._programs / "pg_ctl"]
        command += [self._programs / "postgres", "-D", self._data, *options]
        started: subprocess.Popen[bytes] = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            **self._as_server(),
        )
        return started

    def _await_ready(self) -> None:
        patience = time.monotonic() + 60
        while subprocess.run(["pg_isready", "--quiet"], env=environment(self.connection()), check=False).returncode:
            if self._supervisor.poll() is not None or time.monotonic() > patience:
                self.stop()
                raise RuntimeError(f"PostgreSQL {self.major} did not start: {self.log()}")
            time.sleep(0.05)

    def _usable_programs(self, installed: Path) -> Path:
        """Where the server's account can read the programs: it may not enter root's folders."""
        if self._account is None:
            return installed
        folder = self._home / "programs"
        shutil.copytree(installed, folder, symlinks=True, copy_function=_link_or_copy)
        self._give_away(folder, *(path for path in folder.rglob("*") if path.is_dir()))
        return folder

    def _give_away(self, *paths: Path) -> None:
        if self._account:
            for path in paths:
                os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def _as_server(self) -> dict[str, Any]:
        options = {"cwd": self._home, "env": {"PATH": os.defpath, "LC_ALL": "C"}}
        if self._account:
            options |= {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        return options


def unprivileged_account() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root, so that there it runs as nobody."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
