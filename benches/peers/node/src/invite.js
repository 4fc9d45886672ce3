// Invites a patient, to the address of the profile: two reads, one transaction, one message.

import { createHash, createHmac, randomUUID } from "node:crypto";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { BatchGetCommand, TransactWriteCommand } from "@aws-sdk/lib-dynamodb";
import { answering, caller, dynamodb, load, Problem, TABLE } from "./edge.js";
import { mayInvite, panel, requireSupported } from "./panel.js";

const FIRST_RESCHEDULE = 120_000; // milliseconds
const ADDRESS_LEASE = 60 * 86_400_000;
const MAX_ROUNDS = 8;

const sqs = new SQSClient();

export const handler = answering(async (event) => {
  const { practice, subject } = caller(event, "portal/invite");
  const conditions = event.headers["if-match"] ?? event.headers["idempotency-key"];
  if (conditions || Object.keys(JSON.parse(event.body || "{}")).length > 0) {
    throw new Error("an address, If-Match and Idempotency-Key are not supported");
  }
  const { patientId: patient } = event.pathParameters;
  const invitation = randomUUID();
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { record, settings } = await load(practice, patient, false);
    const now = Date.now();
    requireSupported(record, now);
    const refusal = mayInvite(record, settings);
    if (refusal) throw new Problem(refusal);
    const invited = {
      ...record,
      version: record.version + 1,
      ...{ invitation_id: invitation, invitation_email: record.email, invitation_state: "queued" },
      ...{ queued_at: now, attempt: 0, tries_left: 5, reschedules: 0, reminders_sent: 0 },
      ...{ claimed_at: now, staff_mails: [now] },
      ...{ next_action: "deliver", due_shard: shard(record.PK), due_at: now + FIRST_RESCHEDULE },
    };
    const shown = panel(invited, settings, now);
    if (await commit(record, invited, `${practice}#${patient}`, subject, event.requestContext.requestId)) {
      const hint = { schema: 1, practice, patient, invitationId: invitation };
      const message = { QueueUrl: process.env.QUEUE_URL, MessageBody: JSON.stringify(hint) };
      await sqs.send(new SendMessageCommand(message)).catch((error) => {
        console.warn("accepted but not queued: the sweep will queue it", error.name);
      });
      return [202, shown];
    }
  }
  throw new Problem("unavailable", { retryAfter: 1 });
});

// Writes the record, its event and the claim of the address in one transaction. False if it lost a race.
async function commit(record, invited, me, subject, request) {
  const claim = await requireFree(invited, me);
  const event = {
    ...{ PK: record.PK, SK: `EVENT#${String(invited.version).padStart(10, "0")}`, schema: 1 },
    ...{ version: invited.version, kind: "invited", at: invited.queued_at, role: "staff", by: subject, request },
    ...{ before: ["in", "none", "none"], after: ["in", "queued", "none"], invitation: invited.invitation_id },
  };
  const putRecord = {
    TableName: TABLE,
    Item: invited,
    ConditionExpression: "version = :version AND fence = :fence",
    ExpressionAttributeValues: { ":version": record.version, ":fence": record.fence },
  };
  const putEvent = { TableName: TABLE, Item: event, ConditionExpression: "attribute_not_exists(PK)" };
  const putClaim = { TableName: TABLE, Item: claim, ConditionExpression: "attribute_not_exists(PK)" };
  const TransactItems = [{ Put: putRecord }, { Put: putEvent }, { Put: putClaim }];
  try {
    await dynamodb.send(new TransactWriteCommand({ TransactItems }));
    return true;
  } catch (error) {
    if (error.name !== "TransactionCanceledException") throw error;
    return false;
  }
}

// The claim of the address, if no other patient has it. Only patients of the same practice are supported.
async function requireFree(invited, me) {
  const [practice, patient] = me.split("#");
  const print = fingerprint(invited.invitation_email);
  const claimKey = { PK: `EMAIL#${print}`, SK: "EMAIL" };
  const profilesKey = { PK: `PRACTICE#${practice}#EMAIL#${print}`, SK: "PROFILES" };
  const refusalsKey = { PK: `PRACTICE#${practice}#REFUSALS`, SK: "REFUSALS" };
  const RequestItems = { [TABLE]: { Keys: [claimKey, profilesKey, refusalsKey] } };
  const { Responses } = await dynamodb.send(new BatchGetCommand({ RequestItems }));
  const found = Object.fromEntries(Responses[TABLE].map((item) => [item.SK, item]));
  const [ownerPractice, owner] = (found.EMAIL?.owner ?? `${practice}#${patient}`).split("#");
  if (ownerPractice !== practice || found.PROFILES?.unlisted || found.REFUSALS) {
    throw new Error("the address has a state that is not supported");
  }
  const other = [...(found.PROFILES?.listed ?? []), owner].find((holder) => holder !== patient);
  if (other) throw new Problem("email_in_use", { patientId: other });
  const until = invited.queued_at + ADDRESS_LEASE;
  const held = { owner: me, until, terms: { [practice]: until }, mails: { [practice]: [invited.queued_at] } };
  return { ...claimKey, schema: 1, stamp: randomUUID(), ...held };
}

// The shard of the calendar for the record.
function shard(partition) {
  const [first] = createHash("sha256").update(partition).digest();
  return `DUE#${String(first % 16).padStart(2, "0")}`;
}

// The fingerprint of an address. Letter case does not matter.
function fingerprint(address) {
  if (!/^[\x21-\x7e]+$/.test(address)) throw new Error("the address has letters that are not supported");
  return createHmac("sha256", process.env.FINGERPRINT_PEPPER).update(address.toLowerCase()).digest("base64url");
}
