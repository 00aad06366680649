"""What errors mean to whoever typed the command."""

from __future__ import annotations

import errno
import traceback

_BAD_NAMES = (errno.ENAMETOOLONG, errno.EISDIR, errno.ELOOP, errno.EINVAL)


def message_of(error: Exception) -> str:
    """What is printed of an error."""
    if isinstance(error, OSError) and error.errno in _BAD_NAMES:
        return f"Expected the name of a file, came '{error.filename}': {error.strerror.lower()}. Choose another."
    return str(error)


def exit_code(error: Exception) -> int | None:
    """2 for bad input, 1 for what failed on the way; None for a mistake of ours."""
    if isinstance(error, FileNotFoundError | NotADirectoryError | ValueError | TypeError):
        return 2
    if isinstance(error, ImportError) and not isinstance(error, ModuleNotFoundError):
        return 2  # an optional package that the data need; the message says which
    if isinstance(error, OSError) and error.errno in _BAD_NAMES:
        return 2
    return 1 if isinstance(error, OSError | FloatingPointError) else None


def is_unexpected(error: Exception) -> bool:
    """Whether an error that counts as bad input may be a mistake of ours: its message was not written for users."""
    if isinstance(error, TypeError):
        return True
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    raised_here = frame.f_globals.get("__name__", "").partition(".")[0] == __package__.partition(".")[0]
    return isinstance(error, ValueError) and not raised_here
