// The journey with openapi-fetch and the types that openapi-typescript generates.

import createClient from "openapi-fetch";
import { address, apiUrl, check, familyName, invited, notInvited, runJourney, same, token, until } from "./journey.js";
import type { paths } from "./schema.js";

const clientWith = (token: string) =>
  createClient<paths>({ baseUrl: apiUrl, headers: { Authorization: `Bearer ${token}` } });
const client = clientWith(token);

/** The data of an answer, which must not be an error. */
async function accepted<T>(request: Promise<{ data?: T; error?: unknown }>): Promise<T> {
  const { data, error } = await request;
  if (data === undefined) throw new Error(`refused: ${JSON.stringify(error)}`);
  return data;
}

const status = (patientId: string) =>
  accepted(client.GET("/v1/patients/{patientId}/portal", { params: { path: { patientId } } }));

runJourney(async () => {
  const ofInvited = { path: { patientId: invited } };

  // The gateway's own answer is not a problem document. The client reads it too.
  const unauthorized = clientWith("no-token");
  const { error: unknown } = await unauthorized.GET("/v1/patients/{patientId}/portal", { params: ofInvited });
  check(unknown !== undefined && unknown.code === undefined && unknown.message === "Unauthorized", unknown);

  const dateOfBirth = "1980-02-29";
  for (const patientId of [invited, notInvited]) {
    const body = { givenName: "Canary", familyName, dateOfBirth, email: address(patientId) };
    const saved = await accepted(client.PUT("/v1/patients/{patientId}", { params: { path: { patientId } }, body }));
    check(saved.patientId === patientId && saved.dateOfBirth === dateOfBirth, saved);
  }

  const asked = await accepted(client.POST("/v1/patients/{patientId}/portal/invite", { params: ofInvited }));
  check(["pending", "date"].includes(asked.panel.activatedOn.status), asked);
  const sent = await until(
    "the mail is sent",
    () => status(invited),
    ({ panel, invitation }) => panel.activatedOn.status === "date" && invitation.state === "sent",
  );
  check(sent.panel.activatedOn.date !== undefined, sent);

  const { error: problem } = await client.POST("/v1/patients/{patientId}/portal/reinvite", { params: ofInvited });
  check(problem !== undefined && "code" in problem, problem);
  check(problem.status === 429 && problem.code === "too_soon", problem);
  check(problem.retryAfter !== undefined && problem.retryAfter >= 1 && problem.retryAfter <= 60, problem);

  const found = await accepted(client.GET("/v1/patients", { params: { query: { q: familyName } } }));
  check(same(found.patients.map((patient) => patient.patientId).sort(), [invited, notInvited]), found);

  const timeline = await accepted(client.GET("/v1/patients/{patientId}/portal/timeline", { params: ofInvited }));
  const kinds = timeline.events.map((event) => event.kind);
  check(kinds[0] !== "invited" && same(kinds.slice(-2), ["invited", "profile-saved"]), kinds);

  const body = { patientIds: [invited, notInvited], dryRun: true };
  const begun = await accepted(client.POST("/v1/invitations/bulk", { body }));
  check(begun.dryRun === true, begun);
  const ofJob = { path: { jobId: begun.jobId } };
  const job = await until(
    "the dry run is done",
    () => accepted(client.GET("/v1/invitations/bulk/{jobId}", { params: ofJob })),
    (job) => job.state === "done",
  );
  check(job.dryRun === true && job.processed === 2, job);
  const page = await accepted(client.GET("/v1/invitations/bulk/{jobId}/results", { params: ofJob }));
  // The types also permit the CSV table, which the API sends only on request.
  check(typeof page !== "string", page);
  const { results } = page;
  const outcomes = new Map(results.map((result) => [result.patientId, result.outcome]));
  check(outcomes.size === 2, results);
  check(outcomes.get(invited) === "already_invited" && outcomes.get(notInvited) === "invitable", results);
  const dry = await status(notInvited);
  check(dry.invitation.state === "none" && dry.panel.activatedOn.status === "none", dry);
});
