"""Invites a patient, to the address of the profile: two reads, one transaction, one message."""

import base64
import hashlib
import hmac
import json
import logging
import os
import time
import uuid

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from edge import TABLE, Problem, answering, caller, dynamodb, load
from panel import may_invite, panel, require_supported

PEPPER = os.environ["FINGERPRINT_PEPPER"].encode()
QUEUE_URL = os.environ["QUEUE_URL"]
FIRST_RESCHEDULE = 120_000  # milliseconds
ADDRESS_LEASE = 60 * 86_400_000
MAX_ROUNDS = 8

sqs = boto3.client("sqs")


@answering
def handler(event):
    practice, subject = caller(event, "portal/invite")
    if event["headers"].keys() & {"if-match", "idempotency-key"} or json.loads(event.get("body") or "{}"):
        raise NotImplementedError("an address, If-Match and Idempotency-Key are not supported")
    patient, invitation = event["pathParameters"]["patientId"], str(uuid.uuid4())
    for _ in range(MAX_ROUNDS):
        record, settings = load(practice, patient, consistent=False)
        now = time.time_ns() // 1_000_000
        require_supported(record, now)
        if refusal := may_invite(record, settings):
            raise Problem(refusal)
        invited = record | {
            "version": record["version"] + 1,
            "invitation_id": invitation, "invitation_email": record["email"], "invitation_state": "queued",
            "queued_at": now, "attempt": 0, "tries_left": 5, "reschedules": 0, "reminders_sent": 0,
            "claimed_at": now, "staff_mails": [now],
            "next_action": "deliver", "due_shard": shard(record["PK"]), "due_at": now + FIRST_RESCHEDULE,
        }
        shown = panel(invited, settings, now)
        if commit(record, invited, f"{practice}#{patient}", subject, event["requestContext"]["requestId"]):
            hint = {"schema": 1, "practice": practice, "patient": patient, "invitationId": invitation}
            try:
                sqs.send_message(QueueUrl=QUEUE_URL, MessageBody=json.dumps(hint))
            except (BotoCoreError, ClientError):
                logging.warning("accepted but not queued: the sweep will queue it", exc_info=True)
            return 202, shown
    raise Problem("unavailable", retryAfter=1)


def commit(record, invited, me, subject, request):
    """Writes the record, its event and the claim of the address in one transaction. False if it lost a race."""
    claim = require_free(invited, me)
    event = {
        "PK": record["PK"], "SK": f"EVENT#{int(invited['version']):010}", "schema": 1, "version": invited["version"],
        "kind": "invited", "at": invited["queued_at"], "role": "staff", "by": subject, "request": request,
        "before": ["in", "none", "none"], "after": ["in", "queued", "none"], "invitation": invited["invitation_id"],
    }
    put_record = {
        "TableName": TABLE,
        "Item": invited,
        "ConditionExpression": "version = :version AND fence = :fence",
        "ExpressionAttributeValues": {":version": record["version"], ":fence": record["fence"]},
    }
    put_event = {"TableName": TABLE, "Item": event, "ConditionExpression": "attribute_not_exists(PK)"}
    put_claim = {"TableName": TABLE, "Item": claim, "ConditionExpression": "attribute_not_exists(PK)"}
    client = dynamodb.meta.client
    try:
        client.transact_write_items(TransactItems=[{"Put": put_record}, {"Put": put_event}, {"Put": put_claim}])
        return True
    except client.exceptions.TransactionCanceledException:
        return False


def require_free(invited, me):
    """The claim of the address, if no other patient has it. Only patients of the same practice are supported."""
    practice, patient = me.split("#")
    print_ = fingerprint(invited["invitation_email"])
    claim_key = {"PK": f"EMAIL#{print_}", "SK": "EMAIL"}
    profiles_key = {"PK": f"PRACTICE#{practice}#EMAIL#{print_}", "SK": "PROFILES"}
    refusals_key = {"PK": f"PRACTICE#{practice}#REFUSALS", "SK": "REFUSALS"}
    keys = [claim_key, profiles_key, refusals_key]
    found = dynamodb.batch_get_item(RequestItems={TABLE: {"Keys": keys}})["Responses"][TABLE]
    claim = next((item for item in found if item["SK"] == "EMAIL"), {})
    profiles = next((item for item in found if item["SK"] == "PROFILES"), {})
    owner = claim.get("owner", f"{practice}#").split("#")
    if owner[0] != practice or "unlisted" in profiles or any(item["SK"] == "REFUSALS" for item in found):
        raise NotImplementedError("the address has a state that is not supported")
    others = [other for other in [*profiles.get("listed", []), *owner[1:]] if other not in ("", patient)]
    if others:
        raise Problem("email_in_use", patientId=others[0])
    until = invited["queued_at"] + ADDRESS_LEASE
    return claim_key | {
        "schema": 1, "stamp": str(uuid.uuid4()), "owner": me, "until": until, "terms": {practice: until},
        "mails": {practice: [invited["queued_at"]]},
    }


def shard(partition):
    """The shard of the calendar for the record."""
    return f"DUE#{hashlib.sha256(partition.encode()).digest()[0] % 16:02}"


def fingerprint(address):
    """The fingerprint of an address. Letter case does not matter."""
    if not address.isascii():
        raise NotImplementedError("the address has letters that are not supported")
    digest = hmac.digest(PEPPER, address.lower().encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
