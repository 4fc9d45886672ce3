// The status panel, and the rules that decide which actions are allowed.
//
// They support only patients who were saved, invited and mailed. For a record in another state (opted out, bounced,
// revoked, registered) the invocation fails.

import problems from "../../problems.json";

const MINUTE = 60_000; // milliseconds
const DAY = 86_400_000;

// Throws an error if the rules here do not support the record.
export function requireSupported(record, now) {
  const { invitation_state: state } = record;
  let supported = !record.account_state && !record.inactive && !record.opted_out_at;
  if (state) supported &&= record.invitation_email === record.email;
  if (state === "sent") {
    const works = (record.guesses ?? 5) < 5 && now < record.expires_at;
    supported &&= works && ["accepted", "delivered"].includes(record.delivery);
  }
  if (!supported || !["queued", "sent", undefined].includes(state)) {
    throw new Error("the record has a state that is not supported");
  }
}

// The code of the refusal to invite the patient, if any.
export function mayInvite(record, settings) {
  if (!settings.activated_at) return "portal_not_activated";
  if (!record.born) return "date_of_birth_missing";
  if (record.invitation_id) return "already_invited";
  return record.email ? undefined : "email_required";
}

// The code of the refusal to invite the patient again, if any, and the seconds until it ends, if it does.
function mayReinvite(record, settings, now) {
  const refusal = mayInvite(record, settings);
  if (refusal !== "already_invited") return [!refusal || refusal === "email_required" ? "not_invited" : refusal];
  if (record.invitation_state === "queued") return ["send_in_progress"];
  const [latest, fifth] = [record.staff_mails?.at(-1), record.staff_mails?.at(-5)];
  const freeAt = Math.max(latest ? latest + MINUTE : 0, fifth ? fifth + DAY : 0);
  return freeAt > now ? ["too_soon", Math.ceil((freeAt - now) / 1000)] : [];
}

// The sentence before any invitation.
function notInvited({ born, email }) {
  if (born && email) return "Not invited yet: invite the patient to open a portal account.";
  if (born) return "Not invited yet: add the email address on the Profile tab, or invite to a given one.";
  const missing = email ? "the date of birth" : "the date of birth and the email address";
  return `Not invited yet: add ${missing} on the Profile tab first.`;
}

function action(refusal, retryAfter) {
  if (!refusal) return { allowed: true };
  const emailAccepted = refusal === "email_required" || undefined;
  return { allowed: false, code: refusal, sentence: problems[refusal][1], retryAfter, emailAccepted };
}

// The status panel of the patient. `now` is in milliseconds, like all times in the items.
export function panel(record, settings, now) {
  requireSupported(record, now);
  const timeZone = settings.time_zone ?? "UTC";
  const instant = (millis) => new Date(millis).toISOString();
  // The Swedish date format is the one of ISO 8601.
  const date = (millis) => new Intl.DateTimeFormat("sv", { timeZone }).format(millis);
  const longDate = (millis) => new Intl.DateTimeFormat("en-US", { timeZone, dateStyle: "long" }).format(millis);
  const shown = (millis, otherwise) =>
    millis ? { status: "date", at: instant(millis), date: date(millis) } : { status: otherwise };

  const { invitation_state: state = "none" } = record;
  const invitation = { state, email: record.invitation_email, delivery: record.delivery };
  if (record.expires_at) invitation.expiresAt = instant(record.expires_at);
  const sentence = {
    none: () => notInvited(record),
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
      close: action("not_registered"),
      reopen: action("not_registered"),
    },
    version: record.version,
  };
}
