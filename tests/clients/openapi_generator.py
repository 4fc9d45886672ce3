"""The journey with the client that openapi-generator generates for Python."""

from collections.abc import Callable

import portal_openapi_generator
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
from portal_openapi_generator import (
    ApiClient,
    ApiException,
    BulkApi,
    BulkRequest,
    Configuration,
    PatientsApi,
    PortalApi,
    ProblemDetails,
    ProfileToSave,
)


def refusal(request: Callable[[], object]) -> ProblemDetails:
    """The problem of a request that must be refused."""
    try:
        answer = request()
    except ApiException as refused:
        assert isinstance(refused.data, ProblemDetails), refused
        return refused.data
    raise AssertionError(f"not refused: {answer}")


import_all(portal_openapi_generator)
client = ApiClient(Configuration(host=API_URL, access_token=TOKEN))
client.rest_client.pool_manager.connection_pool_kw["timeout"] = REQUEST_SECONDS
patients, portal, bulk = PatientsApi(client), PortalApi(client), BulkApi(client)

# The gateway's own answer is not a problem document. The client reads it too.
unauthorized = PortalApi(ApiClient(Configuration(host=API_URL, access_token="no-token")))
unknown = refusal(lambda: unauthorized.read_status(INVITED))
assert (unknown.code, unknown.message) == (None, "Unauthorized"), unknown

for patient_id in (INVITED, NOT_INVITED):
    profile = ProfileToSave(
        given_name="Canary", family_name=FAMILY_NAME, date_of_birth=BORN, email=address(patient_id)
    )
    saved = patients.save_patient(patient_id, profile)
    assert (saved.patient_id, saved.date_of_birth) == (patient_id, BORN), saved

invited = portal.invite_patient(INVITED)
assert invited.panel.activated_on.status in ("pending", "date"), invited
sent = until(
    "the mail is sent",
    lambda: portal.read_status(INVITED),
    lambda status: status.panel.activated_on.status == "date" and status.invitation.state == "sent",
)
assert sent.panel.activated_on.var_date is not None, sent

problem = refusal(lambda: portal.reinvite_patient(INVITED))
assert (problem.status, problem.code) == (429, "too_soon"), problem
assert problem.retry_after is not None and 1 <= problem.retry_after <= 60, problem

found = patients.search_patients(FAMILY_NAME)
assert {patient.patient_id for patient in found.patients} == {INVITED, NOT_INVITED}, found

timeline = portal.read_timeline(INVITED)
kinds = [event.kind for event in timeline.events]
assert kinds[0] != "invited" and kinds[-2:] == ["invited", "profile-saved"], kinds

begun = bulk.begin_bulk_job(BulkRequest(patient_ids=[INVITED, NOT_INVITED], dry_run=True))
assert begun.dry_run is True, begun
job = until("the dry run is done", lambda: bulk.read_bulk_job(begun.job_id), lambda job: job.state == "done")
assert (job.dry_run, job.processed) == (True, 2), job
results = bulk.read_bulk_results(job.job_id).results
outcomes = {result.patient_id: result.outcome for result in results}
assert outcomes == {INVITED: "already_invited", NOT_INVITED: "invitable"}, outcomes
dry = portal.read_status(NOT_INVITED)
assert (dry.invitation.state, dry.panel.activated_on.status) == ("none", "none"), dry
