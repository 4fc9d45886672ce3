"""Answers with the status panel of a patient."""

import time

from edge import answering, caller, load
from panel import panel


@answering
def handler(event):
    practice, _subject = caller(event, "portal/read")
    record, settings = load(practice, event["pathParameters"]["patientId"], consistent=True)
    return 200, panel(record, settings, time.time_ns() // 1_000_000)
