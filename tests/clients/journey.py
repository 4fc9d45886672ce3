"""What the Python journeys share: where the API is, patients of their own, and waiting with a deadline."""

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

# Letters only, because the search by name is part of the journey. A repeated journey must not meet its former patients.
RUN = "".join(secrets.choice(string.ascii_lowercase) for _ in range(12))
INVITED = f"client-{RUN}-1"
NOT_INVITED = f"client-{RUN}-2"
FAMILY_NAME = f"Canary{RUN}"
BORN = datetime.date(1980, 2, 29)

# For one request, for a state to come, and for the journey. Each is far more than what is needed.
REQUEST_SECONDS = 30.0
STATE_SECONDS = 60.0
JOURNEY_SECONDS = 180

# A journey that hangs says where, and fails.
faulthandler.dump_traceback_later(JOURNEY_SECONDS, exit=True)


def address(patient_id: str) -> str:
    """An email address that no other patient has."""
    return f"{patient_id}@canary.example.com"


def until(what: str, read: Callable[[], T], holds: Callable[[T], bool]) -> T:
    """Reads until it holds, and returns what was read."""
    deadline = time.monotonic() + STATE_SECONDS
    while not holds(value := read()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {STATE_SECONDS} s. Last read: {value}")
        time.sleep(0.1)
    return value


def import_all(package: ModuleType) -> None:
    """Imports every module of a package: a client may leave some of them alone."""
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
