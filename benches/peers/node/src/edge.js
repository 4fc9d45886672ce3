// Reads an event of the gateway, loads the items, and makes the answer or the refusal.

import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { BatchGetCommand, DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import problems from "../../problems.json";

export const TABLE = process.env.TABLE_NAME;
const PRACTICE_CLAIM = process.env.PRACTICE_CLAIM || "practice_id";
const SCOPE_CLAIM = process.env.SCOPE_CLAIM || "scope";
const ID = /^[A-Za-z0-9._:-]{1,64}$/;

export const dynamodb = DynamoDBDocumentClient.from(new DynamoDBClient());

// A refusal, by its code. `members` are further members of the answer.
export class Problem extends Error {
  constructor(code, members = {}) {
    super(code);
    Object.assign(this, { code, members });
  }
}

// The practice and the subject of the verified token.
export function caller(event, scope) {
  const claims = event.requestContext.authorizer?.jwt?.claims;
  if (!claims) throw new Problem("unauthenticated");
  const practice = claims[PRACTICE_CLAIM] ?? "";
  const scopes = (claims[SCOPE_CLAIM] ?? "").replace(/^\[|\]$/g, "").split(" ");
  if (!claims.sub || !scopes.includes(scope) || !ID.test(practice)) throw new Problem("forbidden");
  return { practice, subject: claims.sub };
}

// The patient's record and the practice's settings, read consistently in one call.
export async function load(practice, patient, ConsistentRead) {
  if (!ID.test(patient)) throw new Problem("patient_not_found");
  const Keys = [
    { PK: `PRACTICE#${practice}#PATIENT#${patient}`, SK: "PORTAL" },
    { PK: `PRACTICE#${practice}`, SK: "SETTINGS" },
  ];
  const both = new BatchGetCommand({ RequestItems: { [TABLE]: { Keys, ConsistentRead } } });
  const { Responses, UnprocessedKeys } = await dynamodb.send(both);
  if (Object.keys(UnprocessedKeys ?? {}).length > 0) throw new Problem("unavailable", { retryAfter: 1 });
  const record = Responses[TABLE].find(({ SK }) => SK === "PORTAL");
  if (!record) throw new Problem("patient_not_found");
  return { record, settings: Responses[TABLE].find(({ SK }) => SK === "SETTINGS") ?? {} };
}

// A handler that answers with the status and the panel that `work` returns, or with its refusal.
export const answering = (work) => async (event) => {
  try {
    const [status, panel] = await work(event);
    return answer(status, panel, { "content-type": "application/json", etag: `"${panel.version}"` });
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    const { code, members } = problem;
    const [status, detail] = problems[code];
    const words = code.replaceAll("_", " ");
    const title = words[0].toUpperCase() + words.slice(1);
    const instance = event.requestContext.requestId;
    const document = { type: `/problems/${code}`, title, status, detail, instance, code, ...members };
    return answer(status, document, {
      "content-type": "application/problem+json",
      ...(status === 401 && { "www-authenticate": "Bearer" }),
      ...(members.retryAfter && { "retry-after": String(members.retryAfter) }),
    });
  }
};

function answer(statusCode, document, headers) {
  const always = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=63072000",
    "x-content-type-options": "nosniff",
  };
  return { statusCode, headers: { ...headers, ...always }, body: JSON.stringify(document) };
}
