"""The journey with the client that openapi-python-client generates."""

from typing import TypeVar

import httpx
import portal_openapi_python_client
from journey import (
    API_URL,
    BORN,
    FAMILY_NAME,
    INVITED,
    NOT_INVITED,
    REQUEST_SECONDS,
    TOKEN,
    address,
    import_all,
    until,
)
from portal_openapi_python_client import AuthenticatedClient
from portal_openapi_python_client.api.bulk import begin_bulk_job, read_bulk_job, read_bulk_results
from portal_openapi_python_client.api.patients import save_patient, search_patients
from portal_openapi_python_client.api.portal import invite_patient, read_status, read_timeline, reinvite_patient
from portal_openapi_python_client.models import (
    BulkJob,
    BulkRequest,
    BulkResultsPage,
    PatientPage,
    PatientProfile,
    PatientStatus,
    ProblemDetails,
    ProfileToSave,
    TimelinePage,
)
from portal_openapi_python_client.types import UNSET

T = TypeVar("T")


def expect(kind: type[T], answer: object) -> T:
    """Checks an answer's type and returns the answer."""
    assert isinstance(answer, kind), answer
    return answer


def client_with(token: str) -> AuthenticatedClient:
    """A client with a timeout for requests."""
    timeout = httpx.Timeout(REQUEST_SECONDS)
    return AuthenticatedClient(base_url=API_URL, token=token, timeout=timeout, raise_on_unexpected_status=True)


import_all(portal_openapi_python_client)
client = client_with(TOKEN)

# The gateway's own answer is not a problem document. The client reads it too.
unknown = expect(ProblemDetails, read_status.sync(INVITED, client=client_with("no-token")))
assert (unknown.code, unknown.message) == (UNSET, "Unauthorized"), unknown

for patient_id in (INVITED, NOT_INVITED):
    profile = ProfileToSave(
        given_name="Canary", family_name=FAMILY_NAME, date_of_birth=BORN, email=address(patient_id)
    )
    saved = expect(PatientProfile, save_patient.sync(patient_id, client=client, body=profile))
    assert (saved.patient_id, saved.date_of_birth) == (patient_id, BORN), saved

invited = expect(PatientStatus, invite_patient.sync(INVITED, client=client))
assert invited.panel.activated_on.status in ("pending", "date"), invited
sent = until(
    "the mail is sent",
    lambda: expect(PatientStatus, read_status.sync(INVITED, client=client)),
    lambda status: status.panel.activated_on.status == "date" and status.invitation.state == "sent",
)
assert sent.panel.activated_on.date, sent

problem = expect(ProblemDetails, reinvite_patient.sync(INVITED, client=client))
assert (problem.status, problem.code) == (429, "too_soon"), problem
assert isinstance(problem.retry_after, int) and 1 <= problem.retry_after <= 60, problem

found = expect(PatientPage, search_patients.sync(client=client, q=FAMILY_NAME))
assert {patient.patient_id for patient in found.patients} == {INVITED, NOT_INVITED}, found

timeline = expect(TimelinePage, read_timeline.sync(INVITED, client=client))
kinds = [event.kind for event in timeline.events]
assert kinds[0] != "invited" and kinds[-2:] == ["invited", "profile-saved"], kinds

request = BulkRequest(patient_ids=[INVITED, NOT_INVITED], dry_run=True)
begun = expect(BulkJob, begin_bulk_job.sync(client=client, body=request))
assert begun.dry_run is True, begun
job = until(
    "the dry run is done",
    lambda: expect(BulkJob, read_bulk_job.sync(begun.job_id, client=client)),
    lambda job: job.state == "done",
)
assert (job.dry_run, job.processed) == (True, 2), job
results = expect(BulkResultsPage, read_bulk_results.sync(job.job_id, client=client)).results
outcomes = {result.patient_id: result.outcome for result in results}
assert outcomes == {INVITED: "already_invited", NOT_INVITED: "invitable"}, outcomes
dry = expect(PatientStatus, read_status.sync(NOT_INVITED, client=client))
assert (dry.invitation.state, dry.panel.activated_on.status) == ("none", "none"), dry
