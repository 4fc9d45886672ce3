"""The status panel, and the rules that decide what it offers.

They know a patient on the way from being saved to being invited. About a record that has gone another way (opted out,
bounced, revoked, registered) they say nothing rather than something wrong: the invocation fails.
"""

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from edge import PROBLEMS

MINUTE, DAY = 60_000, 86_400_000  # milliseconds


def require_known(record, now):
    """Lets nothing pass that the rules here do not know."""
    state = record.get("invitation_state")
    known = state in (None, "queued", "sent") and not record.keys() & {"account_state", "inactive", "opted_out_at"}
    if known and state is not None:
        known = record["invitation_email"] == record.get("email")
    if known and state == "sent":
        works = record.get("guesses", 5) < 5 and now < record["expires_at"]
        known = works and record["delivery"] in ("accepted", "delivered")
    if not known:
        raise NotImplementedError("the record has gone a way that is not known here")


def may_invite(record, practice):
    """Why the patient may not be invited, if so."""
    if "activated_at" not in practice:
        return "portal_not_activated"
    if "born" not in record:
        return "date_of_birth_missing"
    if "invitation_id" in record:
        return "already_invited"
    return None if "email" in record else "email_required"


def may_reinvite(record, practice, now):
    """Why the patient may not be invited again, if so, and for how many seconds if that passes."""
    refusal = may_invite(record, practice)
    if refusal != "already_invited":
        return "not_invited" if refusal in (None, "email_required") else refusal, None
    if record["invitation_state"] == "queued":
        return "send_in_progress", None
    by_hand = record.get("reinvites", [])
    free_at = max(record["queued_at"] + MINUTE, by_hand[-5] + DAY if len(by_hand) >= 5 else 0)
    return ("too_soon", int(free_at - now + 999) // 1000) if free_at > now else (None, None)


def action(refusal, retry_after=None):
    if refusal is None:
        return {"allowed": True}
    refused = {"allowed": False, "code": refusal, "sentence": PROBLEMS[refusal][1]}
    return refused if retry_after is None else refused | {"retryAfter": retry_after}


def panel(record, practice, now):
    """Where the patient stands. `now` is in milliseconds, as all times in the items are."""
    require_known(record, now)
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
        sentence = "Not invited yet: invite the patient to open a portal account."
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
        },
        "version": int(record["version"]),
    }
