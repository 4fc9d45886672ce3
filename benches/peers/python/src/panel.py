"""The status panel, and the rules that decide which actions are allowed.

They support only patients who were saved, invited and mailed. For a record in another state (opted out, bounced,
revoked, registered) the invocation fails.
"""

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from edge import PROBLEMS

MINUTE, DAY = 60_000, 86_400_000  # milliseconds


def require_supported(record, now):
    """Raises an error if the rules here do not support the record."""
    state = record.get("invitation_state")
    supported = state in (None, "queued", "sent") and not record.keys() & {"account_state", "inactive", "opted_out_at"}
    if supported and state is not None:
        supported = record["invitation_email"] == record.get("email")
    if supported and state == "sent":
        works = record.get("guesses", 5) < 5 and now < record["expires_at"]
        supported = works and record["delivery"] in ("accepted", "delivered")
    if not supported:
        raise NotImplementedError("the record has a state that is not supported")


def may_invite(record, practice):
    """The code of the refusal to invite the patient, if any."""
    if "activated_at" not in practice:
        return "portal_not_activated"
    if "born" not in record:
        return "date_of_birth_missing"
    if "invitation_id" in record:
        return "already_invited"
    return None if "email" in record else "email_required"


def may_reinvite(record, practice, now):
    """The code of the refusal to invite the patient again, if any, and the seconds until it ends, if it does."""
    refusal = may_invite(record, practice)
    if refusal != "already_invited":
        return "not_invited" if refusal in (None, "email_required") else refusal, None
    if record["invitation_state"] == "queued":
        return "send_in_progress", None
    mails = record.get("staff_mails", [])
    free_at = max(mails[-1] + MINUTE if mails else 0, mails[-5] + DAY if len(mails) >= 5 else 0)
    return ("too_soon", int(free_at - now + 999) // 1000) if free_at > now else (None, None)


def not_invited(has_birth_date, has_email):
    """The sentence before any invitation."""
    if has_birth_date and has_email:
        return "Not invited yet: invite the patient to open a portal account."
    if has_birth_date:
        return "Not invited yet: add the email address on the Profile tab, or invite to a given one."
    missing = "the date of birth" if has_email else "the date of birth and the email address"
    return f"Not invited yet: add {missing} on the Profile tab first."


def action(refusal, retry_after=None):
    if refusal is None:
        return {"allowed": True}
    refused = {"allowed": False, "code": refusal, "sentence": PROBLEMS[refusal][1]}
    if refusal == "email_required":
        refused["emailAccepted"] = True
    return refused if retry_after is None else refused | {"retryAfter": retry_after}


def panel(record, practice, now):
    """The status panel of the patient. `now` is in milliseconds, like all times in the items."""
    require_supported(record, now)
    zone = ZoneInfo(practice.get("time_zone", "UTC"))

    def at(millis, zone=timezone.utc):
        return datetime.fromtimestamp(int(millis) / 1000, zone)

    def instant(millis):
        return at(millis).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"

    def shown(attribute, otherwise):
        millis = record.get(attribute)
        if millis is None:
            return {"status": otherwise}
        return {"status": "date", "at": instant(millis), "date": at(millis, zone).date().isoformat()}

    state = record.get("invitation_state")
    if state is None:
        invitation = {"state": "none"}
        sentence = not_invited("born" in record, "email" in record)
    elif state == "queued":
        invitation = {"state": state, "email": record["invitation_email"]}
        sentence = "The invitation is on its way to the mail service."
    else:
        invitation = {
            "state": state,
            "email": record["invitation_email"],
            "delivery": record["delivery"],
            "expiresAt": instant(record["expires_at"]),
        }
        sentence = f"Invitation sent on {at(record['sent_at'], zone):%B %-d, %Y}. Not registered yet."
    return {
        "patientId": record["PK"].rpartition("#")[2],
        "panel": {
            "optedOut": False,
            "activatedOn": shown("first_sent_at", "none" if state is None else "pending"),
            "registeredOn": {"status": "pending"},
            "lastLoginOn": {"status": "never"},
            "lastReinvitedOn": shown("reinvited_at", "never"),
        },
        "sentence": sentence,
        "invitation": invitation,
        "account": {"state": "none"},
        "actions": {
            "invite": action(may_invite(record, practice)),
            "reinvite": action(*may_reinvite(record, practice, now)),
            "revoke": action("not_invited" if state is None else None),
            "optOut": action(None),
            "optIn": action("not_opted_out"),
            "changeEmail": action("not_registered"),
            "close": action("not_registered"),
            "reopen": action("not_registered"),
        },
        "version": int(record["version"]),
    }
