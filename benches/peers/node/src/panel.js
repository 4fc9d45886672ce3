// The status panel, and the rules that decide what it offers.
//
// They know a patient on the way from being saved to being invited. About a record that has gone another way (opted
// out, bounced, revoked, registered) they say nothing rather than something wrong: the invocation fails.

import problems from "../../problems.json";

const MINUTE = 60_000; // milliseconds
const DAY = 86_400_000;

// Lets nothing pass that the rules here do not know.
export function requireKnown(record, now) {
  const { invitation_state: state } = record;
  let known = !record.account_state && !record.inactive && !record.opted_out_at;
  if (state) known &&= record.invitation_email === record.email;
  if (state === "sent") {
    const works = (record.guesses ?? 5) < 5 && now < record.expires_at;
    known &&= works && ["accepted", "delivered"].includes(record.delivery);
  }
  if (!known || !["queued", "sent", undefined].includes(state)) {
    throw new Error("the record has gone a way that is not known here");
  }
}

// Why the patient may not be invited, if so.
export function mayInvite(record, settings) {
  if (!settings.activated_at) return "portal_not_activated";
  if (!record.born) return "date_of_birth_missing";
  if (record.invitation_id) return "already_invited";
  return record.email ? undefined : "email_required";
}

// Why the patient may not be invited again, if so, and for how many seconds if that passes.
function mayReinvite(record, settings, now) {
  const refusal = mayInvite(record, settings);
  if (refusal !== "already_invited") return [!refusal || refusal === "email_required" ? "not_invited" : refusal];
  if (record.invitation_state === "queued") return ["send_in_progress"];
  const fifth = record.reinvites?.at(-5);
  const freeAt = Math.max(record.queued_at + MINUTE, fifth ? fifth + DAY : 0);
  return freeAt > now ? ["too_soon", Math.ceil((freeAt - now) / 1000)] : [];
}

function action(refusal, retryAfter) {
  if (!refusal) return { allowed: true };
  return { allowed: false, code: refusal, sentence: problems[refusal][1], retryAfter };
}

// Where the patient stands. `now` is in milliseconds, as all times in the items are.
export function panel(record, settings, now) {
  requireKnown(record, now);
  const timeZone = settings.time_zone ?? "UTC";
  const instant = (millis) => new Date(millis).toISOString();
  // The Swedish way to write a date is ISO 8601's.
  const date = (millis) => new Intl.DateTimeFormat("sv", { timeZone }).format(millis);
  const longDate = (millis) => new Intl.DateTimeFormat("en-US", { timeZone, dateStyle: "long" }).format(millis);
  const shown = (millis, otherwise) =>
    millis ? { status: "date", at: instant(millis), date: date(millis) } : { status: otherwise };

  const { invitation_state: state = "none" } = record;
  const invitation = { state, email: record.invitation_email, delivery: record.delivery };
  if (record.expires_at) invitation.expiresAt = instant(record.expires_at);
  const sentence = {
    none: () => "Not invited yet: invite the patient to open a portal account.",
    queued: () => "The invitation is on its way to the mail service.",
    sent: () => `Invitation sent on ${longDate(record.sent_at)}. Not registered yet.`,
  }[state]();
  return {
    patientId: record.PK.split("#").at(-1),
    panel: {
      optedOut: false,
      activatedOn: shown(record.first_sent_at, state === "none" ? "none" : "pending"),
      registeredOn: { status: "pending" },
      lastLoginOn: { status: "never" },
      lastReinvitedOn: shown(record.reinvited_at, "never"),
    },
    sentence,
    invitation,
    account: { state: "none" },
    actions: {
      invite: action(mayInvite(record, settings)),
      reinvite: action(...mayReinvite(record, settings, now)),
      revoke: action(state === "none" ? "not_invited" : undefined),
      optOut: action(),
      optIn: action("not_opted_out"),
      changeEmail: action("not_registered"),
    },
    version: record.version,
  };
}
