// The journey with the client that openapi-generator generates for TypeScript and fetch.

import { address, apiUrl, check, familyName, invited, notInvited, runJourney, same, token, until } from "./journey.js";
import {
  BulkApi,
  Configuration,
  PatientsApi,
  PortalApi,
  type ProblemDetails,
  ProblemDetailsFromJSON,
  ResponseError,
} from "./typescript-fetch/index.js";

const configuration = new Configuration({ basePath: apiUrl, accessToken: token });
const patients = new PatientsApi(configuration);
const portal = new PortalApi(configuration);
const bulk = new BulkApi(configuration);

/** The problem document of a request that must be refused. */
async function refusal(request: Promise<unknown>): Promise<ProblemDetails> {
  const outcome = await request.then(
    (answer) => answer,
    (error: unknown) => error,
  );
  if (!(outcome instanceof ResponseError)) throw new Error(`not refused: ${JSON.stringify(outcome)}`);
  return ProblemDetailsFromJSON(await outcome.response.json());
}

runJourney(async () => {
  // The gateway's own answer is not a problem document. The client reads it too.
  const unauthorized = new PortalApi(new Configuration({ basePath: apiUrl, accessToken: "no-token" }));
  const unknown = await refusal(unauthorized.readStatus({ patientId: invited }));
  check(unknown.code === undefined && unknown.message === "Unauthorized", unknown);

  const dateOfBirth = new Date(1980, 1, 29);
  for (const patientId of [invited, notInvited]) {
    const profileToSave = { givenName: "Canary", familyName, dateOfBirth, email: address(patientId) };
    const saved = await patients.savePatient({ patientId, profileToSave });
    check(saved.patientId === patientId && saved.dateOfBirth?.getTime() === dateOfBirth.getTime(), saved);
  }

  const asked = await portal.invitePatient({ patientId: invited });
  check(["pending", "date"].includes(asked.panel.activatedOn.status), asked);
  const sent = await until(
    "the mail is sent",
    () => portal.readStatus({ patientId: invited }),
    (status) => status.panel.activatedOn.status === "date" && status.invitation.state === "sent",
  );
  check(sent.panel.activatedOn.date instanceof Date, sent);

  const problem = await refusal(portal.reinvitePatient({ patientId: invited }));
  check(problem.status === 429 && problem.code === "too_soon", problem);
  check(problem.retryAfter !== undefined && problem.retryAfter >= 1 && problem.retryAfter <= 60, problem);

  const found = await patients.searchPatients({ q: familyName });
  check(same(found.patients.map((patient) => patient.patientId).sort(), [invited, notInvited]), found);

  const timeline = await portal.readTimeline({ patientId: invited });
  const kinds = timeline.events.map((event) => event.kind);
  check(kinds[0] !== "invited" && same(kinds.slice(-2), ["invited", "profile-saved"]), kinds);

  const bulkRequest = { patientIds: [invited, notInvited], dryRun: true };
  const begun = await bulk.beginBulkJob({ bulkRequest });
  check(begun.dryRun === true, begun);
  const job = await until(
    "the dry run is done",
    () => bulk.readBulkJob({ jobId: begun.jobId }),
    (job) => job.state === "done",
  );
  check(job.dryRun === true && job.processed === 2, job);
  const { results } = await bulk.readBulkResults({ jobId: job.jobId });
  const outcomes = new Map(results.map((result) => [result.patientId, result.outcome]));
  check(outcomes.size === 2, results);
  check(outcomes.get(invited) === "already_invited" && outcomes.get(notInvited) === "invitable", results);
  const dry = await portal.readStatus({ patientId: notInvited });
  check(dry.invitation.state === "none" && dry.panel.activatedOn.status === "none", dry);
});
