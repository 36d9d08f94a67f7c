"""The errors a user can mend, and the exit code each one ends the command with.

Everything else is a defect and keeps its traceback.
"""

from __future__ import annotations

EXIT_RUN = 1
"""Something failed while working: a target, a measurement, a file system."""
EXIT_USE = 2
"""What was asked for cannot be done as it was asked: inventory, workload, option, size."""
EXIT_BUSY = 4
"""The machine was so busy with other work that most headline figures have no interval."""
EXIT_INTERRUPTED = 130
"""The user, or a polite kill, ended it."""


class HarnessError(Exception):
    """An error with its cure.

    `message` says what is wrong and where, `hint` what to type or change. Both are sentences
    for the user; neither carries a traceback.
    """

    exit_code = EXIT_RUN

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UseError(HarnessError):
    """The request itself is wrong; nothing was touched."""

    exit_code = EXIT_USE


class Interrupted(HarnessError):
    """Ended by Ctrl-C or a polite kill."""

    exit_code = EXIT_INTERRUPTED


class ReadError(HarnessError):
    """A program's output from which no number may be taken."""


def refusal(check: str, subject: str, unlike: str, cure: str, accept: str = "") -> HarnessError:
    """The error of a check that refuses `subject`; `unlike` states the two values that differ.

    `accept` tells how the check is overruled, where that is honest; without it the hint says that
    it cannot be.
    """
    overrule = accept or f"what the check {check} finds cannot be accepted"
    return HarnessError(f"{subject} (check: {check}): {unlike}", f"{cure}; {overrule}")
