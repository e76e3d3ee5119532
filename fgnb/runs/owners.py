"""Which processes are alive: each holds a lock on one byte of a file, which the system gives back when it ends."""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
from pathlib import Path


class Owners:
    """The processes that send runs, and this one among them.

    Args:
        path: the file of the locks; byte n belongs to process n.
    """

    def __init__(self, path: Path) -> None:
        # One descriptor for the life of the process: closing any of a file gives back all of its locks (POSIX).
        # And no flock, which a forked child would go on holding.
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._host = socket.gethostname()
        self.own: int | None = None

    def enter(self, database: sqlite3.Connection) -> int:
        """Return this process's number; within a transaction of `database`."""
        if self.own is None:
            values = (self._host, os.getpid())
            self.own = database.execute("INSERT INTO owners (host, pid) VALUES (?, ?)", values).lastrowid
            assert self.own is not None  # noqa: S101
            _lock(self._file, self.own)
        return self.own

    def told(self, database: sqlite3.Connection, owner: int) -> tuple[bool, str]:
        """Return whether a process may be alive, and which it is in words."""
        host, pid = database.execute("SELECT host, pid FROM owners WHERE id = ?", (owner,)).fetchone()
        if host != self._host:
            return True, f"process {pid} on {host}"  # its locks can't be seen from here
        if owner == self.own:
            return True, "this process"
        alive = not _lock(self._file, owner)
        if not alive:
            _unlock(self._file, owner)
        return alive, f"process {pid}"


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int, byte: int) -> bool:
        os.lseek(file, byte, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(file: int, byte: int) -> None:
        os.lseek(file, byte, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(file: int, byte: int) -> bool:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except OSError:
            return False
        return True

    def _unlock(file: int, byte: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_UN, 1, byte)
