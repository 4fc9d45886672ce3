"""Reads an event of the gateway, loads the items, and makes the answer or the refusal."""

import json
import os
import re
from pathlib import Path

import boto3

TABLE = os.environ["TABLE_NAME"]
PRACTICE_CLAIM = os.environ.get("PRACTICE_CLAIM") or "practice_id"
SCOPE_CLAIM = os.environ.get("SCOPE_CLAIM") or "scope"
ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
PROBLEMS = json.loads(Path(__file__).with_name("problems.json").read_text())

dynamodb = boto3.resource("dynamodb")


class Problem(Exception):
    """A refusal, by its code. `members` are further members of the answer."""

    def __init__(self, code, **members):
        super().__init__(code)
        self.code, self.members = code, members


def caller(event, scope):
    """The practice and the subject of the verified token."""
    claims = event["requestContext"].get("authorizer", {}).get("jwt", {}).get("claims")
    if claims is None:
        raise Problem("unauthenticated")
    practice, scopes = claims.get(PRACTICE_CLAIM, ""), claims.get(SCOPE_CLAIM, "").strip("[]").split(" ")
    if "sub" not in claims or scope not in scopes or not ID.fullmatch(practice):
        raise Problem("forbidden")
    return practice, claims["sub"]


def load(practice, patient, consistent):
    """The patient's record and the practice's settings, read in one call."""
    if not ID.fullmatch(patient):
        raise Problem("patient_not_found")
    keys = [
        {"PK": f"PRACTICE#{practice}#PATIENT#{patient}", "SK": "PORTAL"},
        {"PK": f"PRACTICE#{practice}", "SK": "SETTINGS"},
    ]
    answer = dynamodb.batch_get_item(RequestItems={TABLE: {"Keys": keys, "ConsistentRead": consistent}})
    if answer["UnprocessedKeys"]:
        raise Problem("unavailable", retryAfter=1)
    items = {item["SK"]: item for item in answer["Responses"][TABLE]}
    if "PORTAL" not in items:
        raise Problem("patient_not_found")
    return items["PORTAL"], items.get("SETTINGS", {})


def answering(work):
    """A handler that answers with the status and the panel that `work` returns, or with its refusal."""

    def handler(event, _context):
        try:
            status, panel = work(event)
            return answer(status, panel, {"content-type": "application/json", "etag": f'"{panel["version"]}"'})
        except Problem as problem:
            status, sentence = PROBLEMS[problem.code]
            document = {
                "type": f"/problems/{problem.code}",
                "title": problem.code.replace("_", " ").capitalize(),
                "status": status,
                "detail": sentence,
                "instance": event["requestContext"]["requestId"],
                "code": problem.code,
                **problem.members,
            }
            headers = {"content-type": "application/problem+json"}
            if status == 401:
                headers["www-authenticate"] = "Bearer"
            if "retryAfter" in problem.members:
                headers["retry-after"] = str(problem.members["retryAfter"])
            return answer(status, document, headers)

    return handler


def answer(status, document, headers):
    headers |= {
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "referrer-policy": "no-referrer",
        "strict-transport-security": "max-age=63072000",
        "x-content-type-options": "nosniff",
    }
    return {"statusCode": status, "headers": headers, "body": json.dumps(document, ensure_ascii=False)}
