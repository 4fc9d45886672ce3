"""Shared by the Python journeys: the API's address, new patients for each run, and polling with a deadline."""

import datetime
import faulthandler
import importlib
import os
import pkgutil
import secrets
import string
import time
from collections.abc import Callable
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")

API_URL = os.environ["PORTAL_API_URL"]
TOKEN = os.environ["PORTAL_TOKEN"]

# Letters only, because the journey searches by name. Random, because a repeated journey needs new patients.
RUN = "".join(secrets.choice(string.ascii_lowercase) for _ in range(12))
INVITED = f"client-{RUN}-1"
NOT_INVITED = f"client-{RUN}-2"
FAMILY_NAME = f"Canary{RUN}"
BORN = datetime.date(1980, 2, 29)

# Time limits of a request, of a poll for a state, and of the journey. Each is far longer than needed.
REQUEST_SECONDS = 30.0
STATE_SECONDS = 60.0
JOURNEY_SECONDS = 180

# A journey that hangs prints its stack and fails.
faulthandler.dump_traceback_later(JOURNEY_SECONDS, exit=True)


def address(patient_id: str) -> str:
    """An email address that no other patient has."""
    return f"{patient_id}@canary.example.com"


def until(what: str, read: Callable[[], T], holds: Callable[[T], bool]) -> T:
    """Reads until the condition holds, and returns the last value."""
    deadline = time.monotonic() + STATE_SECONDS
    while not holds(value := read()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {STATE_SECONDS} s. Last read: {value}")
        time.sleep(0.1)
    return value


def import_all(package: ModuleType) -> None:
    """Imports every module of a package, because the journey does not use all of them."""
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
