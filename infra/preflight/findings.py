"""What a check finds."""

import dataclasses
import enum


class Status(enum.Enum):
    """How a finding counts."""

    OK = "ok"
    PROBLEM = "problem"
    UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of the report. Sentences never contain secrets: they quote no error message, only its code."""

    status: Status
    sentence: str
    # What to do about it. Every problem has one.
    remedy: str = ""
    # The command that does it, if there is one.
    command: str = ""


class CouldNotBeChecked(Exception):
    """A check could not be made. The message says why, as the end of a sentence."""


def ok(sentence):
    """Nothing to do."""
    return Finding(Status.OK, sentence)


def problem(sentence, remedy, command=""):
    """The deployment fails, or what it makes does not work."""
    return Finding(Status.PROBLEM, sentence, remedy, command)


def unknown(reason):
    """Nobody knows. `reason` completes the sentence "could not be checked: ..."."""
    return Finding(Status.UNKNOWN, f"could not be checked: {reason}.")
