"""Files that only their owner may read, opened without following a link: it could lead to another file."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from onramp.ops.common.errors import UsageError


def open_private(path: Path, flags: int) -> int:
    """A descriptor; a new file has mode 0600. Raises UsageError where it cannot be opened, or is no regular file."""
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except FileExistsError:
        raise UsageError(f"{path} exists: name a new file.") from None
    except OSError as error:
        why = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise UsageError(f"{path} cannot be written: {why}.") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # a device or a pipe
        os.close(descriptor)
        raise UsageError(f"{path} cannot be written: it is not a regular file.")
    return descriptor


@contextmanager
def private_file(path: Path) -> Iterator[TextIO]:
    """A new file, removed where the block raises. Raises UsageError where it exists or cannot be made."""
    descriptor = open_private(path, os.O_WRONLY | os.O_EXCL)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise
