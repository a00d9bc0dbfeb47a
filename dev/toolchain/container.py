"""Runs an image as a container runtime does, with the kernel's own parts and without root.

The program is process 1 of its own process, mount and IPC namespaces. Its root file system is read-only, it is the
image's user, and it has no capability and no way to get one. For root that user is the real one; for anybody else it
is oneself under that number, in a user namespace.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

if __name__ != "__main__":  # inside the container there is nothing to import it from
    from dev.toolchain.image import Stage

NEW_MOUNTS, NEW_HOST_NAME, NEW_IPC, NEW_USER, NEW_PROCESSES = 0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000
READ_ONLY, NO_SET_UID, NO_DEVICES, NO_PROGRAMS, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
DIE_WITH_PARENT, DROP_CAPABILITY, NO_NEW_PRIVILEGES = 1, 24, 38


def start(
    image: Stage, *arguments: str, environment: Mapping[str, str], mounts: Mapping[Path, str] | None = None
) -> subprocess.Popen[str]:
    """Starts an image. Mounts are files and folders of this machine, read-only there. SIGTERM stops it as `docker stop` does."""
    pairs = [f"{source}:{target}" for source, target in (mounts or {}).items()]
    program = [*image.entrypoint, *(arguments or image.command)]
    return subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(len(pairs)), *pairs, image.root, image.user, image.folder, *program],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def missing() -> str:
    """Why this machine cannot run containers so; empty where it can."""
    if sys.platform != "linux":
        return "containers need Linux"
    _, wrote = start(Stage(Path("/"), "", {}, user="65532:65532", command=["/bin/true"]), environment={}).communicate()
    return wrote.rpartition("Error: ")[2].strip()


def _main(count: str, *arguments: str) -> None:
    mounts = [pair.split(":") for pair in arguments[: int(count)]]
    root, user, folder, *program = arguments[int(count) :]
    uid, gid = map(int, user.split(":"))
    _isolate(uid, gid)
    child = os.fork()
    if child:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: os.kill(child, number))
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        sys.exit(code if code >= 0 else 128 - code)
    _call("mount", None, b"/", None, RECURSIVE | PRIVATE, None)
    for source, target in [[root, "/"], *mounts]:
        _mount_read_only(source, root + target)
    os.chroot(root)
    os.chdir(folder)
    _become(uid, gid)
    os.execv(program[0], program)


def _isolate(uid: int, gid: int) -> None:
    privileged = os.geteuid() == 0
    maps = {"uid_map": f"{uid} {os.geteuid()} 1", "setgroups": "deny", "gid_map": f"{gid} {os.getegid()} 1"}
    namespaces = NEW_MOUNTS | NEW_HOST_NAME | NEW_IPC | NEW_PROCESSES
    _call("unshare", namespaces if privileged else namespaces | NEW_USER)
    if not privileged:
        for name, content in maps.items():
            Path("/proc/self", name).write_text(content)


def _mount_read_only(source: str, target: str) -> None:
    _call("mount", source.encode(), target.encode(), None, BIND | RECURSIVE, None)
    # What the file system below forbids must stay forbidden.
    kept = os.statvfs(source).f_flag & NO_PROGRAMS
    flags = REMOUNT | BIND | READ_ONLY | NO_SET_UID | NO_DEVICES | kept
    _call("mount", None, target.encode(), None, flags, None)


def _become(uid: int, gid: int) -> None:
    if os.geteuid() == 0:
        os.setgroups([])
    for capability in range(64):
        with contextlib.suppress(OSError):  # the kernel knows fewer
            _call("prctl", DROP_CAPABILITY, capability, 0, 0, 0)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    _call("prctl", NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    _call("prctl", DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)


def _call(name: str, *arguments: object) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    _main(*sys.argv[1:])
