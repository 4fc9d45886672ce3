"""The repairs of the local AWS, `ministack`: where it differs from AWS in what the template says.

A repair replaces a function inside ministack, whose version is pinned. It keeps the template whole: what is deployed here is
what AWS gets. A repair whose function is gone fails at the start.
"""

import dataclasses
import email.utils
import socketserver
import sys
import typing

from ministack import app
from ministack.core import iam_actions, responses, router
from ministack.services import apigateway
from ministack.services.cloudformation import engine, provisioners

import dynamodb_conditions
import local_door


@dataclasses.dataclass(frozen=True)
class Repair:
    """One repair: its name, why it is needed, and the function that does it."""

    name: str
    why: str
    apply: typing.Callable[[], None]


def replace(owner, name, make):
    """Replaces a function of ministack by what `make` makes of it, also where another module has imported it by name."""
    original = getattr(owner, name)
    replacement = make(original)
    for module in [module for key, module in sys.modules.items() if key.startswith("ministack.")]:
        if getattr(module, name, None) is original:
            setattr(module, name, replacement)


def close_to_pages():
    """Puts the door in front of the AWS APIs and of the functions' Runtime API."""
    app.app = local_door.guard_app(app.app, api_origins)
    local_door.guard_http_server()


def api_origins(host, path):
    """The origins that an API's CORS rules name; None if no API is at this host and path."""
    api = app._parse_execute_api_url(host, path)
    if api is None:
        return None
    # At its own host, an API shares names and paths with the emulator's own services.
    if not path.startswith("/_aws/execute-api/"):
        return []
    rules = [stored.get("corsConfiguration", {}) for key, stored in apigateway._apis.all_items() if key[-1] == api[0]]
    return [origin.lower() for rule in rules for origin in rule.get("allowOrigins", [])]


def answer_without_delay():
    """Sends small packets at once."""
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True


def pass_numbers():
    """Makes a reference to a parameter of type `Number` a number."""

    def make(resolve):
        def resolve_refs(value, resources, params, *rest):
            resolved = resolve(value, resources, params, *rest)
            name = value.get("Ref") if isinstance(value, dict) else None
            if isinstance(name, str) and params.get(name, {}).get("Type") == "Number":
                return int(resolved) if resolved.isdecimal() else float(resolved)
            return resolved

        return resolve_refs

    replace(engine, "_resolve_refs", make)


def read_cors_rules():
    """Stores CORS rules under the names that the API's data plane reads."""

    def with_api_names(handler, position):
        def handle(*arguments):
            arguments = list(arguments)
            rules = arguments[position].get("CorsConfiguration")
            if rules:
                names = {name[0].lower() + name[1:]: value for name, value in rules.items()}
                arguments[position] = {**arguments[position], "CorsConfiguration": names}
            return handler(*arguments)

        return handle

    handlers = provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]
    handlers["create"] = with_api_names(handlers["create"], 1)
    handlers["update"] = with_api_names(handlers["update"], 2)


def treat_loopback_as_secure():
    """Evaluates `aws:SecureTransport` as true."""
    replace(app, "pin_request_origin", lambda pin: lambda source_ip, _secure: pin(source_ip, True))


def authorize_batches_as_messages():
    """Authorizes a call for a batch of messages as the call for one."""

    def make(extract):
        def extract_iam_action(service, *arguments):
            action = extract(service, *arguments)
            return action.removesuffix("Batch") if service == "sqs" and action else action

        return extract_iam_action

    replace(iam_actions, "extract_iam_action", make)


def authorize_mails_by_sender():
    """Authorizes a mail on its identity and its configuration set, with the condition key `ses:FromAddress`."""

    def make(enforce):
        def enforce_ses_v2(method, path, headers, body, query_params, request_id):
            if (method, path) != ("POST", "/v2/email/outbound-emails"):
                return enforce(method, path, headers, body, query_params, request_id)
            sender = email.utils.parseaddr(iam_actions._safe_json_field(body, "FromEmailAddress"))[1]
            resources = [f"identity/{sender.rpartition('@')[2]}"]
            configuration_set = iam_actions._safe_json_field(body, "ConfigurationSetName")
            if configuration_set:
                resources.append(f"configuration-set/{configuration_set}")
            for resource in resources:
                arn = f"arn:aws:ses:{router.extract_region(headers, query_params)}:{responses.get_account_id()}:{resource}"
                denied = app._enforce_data_plane(
                    "sesv2", "ses:SendEmail", headers, query_params, request_id, arn, {"ses:FromAddress": sender}
                )
                if denied:
                    return denied
            return None

        return enforce_ses_v2

    replace(app, "_enforce_ses_v2", make)


def name_dkim_records():
    """Gives the resource type of an identity the attributes of its three DKIM records. No such record exists."""

    def with_records(handler):
        def handle(*arguments):
            identity, attributes = handler(*arguments)
            for number in (1, 2, 3):
                attributes[f"DkimDNSTokenName{number}"] = f"token{number}._domainkey.{identity}"
                attributes[f"DkimDNSTokenValue{number}"] = f"token{number}.dkim.amazonses.com"
            return identity, attributes

        return handle

    handlers = provisioners._RESOURCE_HANDLERS["AWS::SES::EmailIdentity"]
    for operation in ("create", "update"):
        handlers[operation] = with_records(handlers[operation])


REPAIRS = (
    Repair(
        "door",
        "It answers every page that a browser shows, and its functions are programs of this machine.",
        close_to_pages,
    ),
    Repair(
        "no delay",
        "Its Runtime API writes the headers and the body of an answer in two small packets. With Nagle's algorithm the second "
        "one waits for the function's delayed acknowledgement of the first: 40 ms in every call.",
        answer_without_delay,
    ),
    Repair(
        "numbers",
        "It passes parameters of type Number on as strings, and then cannot compare them.",
        pass_numbers,
    ),
    Repair(
        "CORS rules",
        "It stores the template's CORS rules under names that its gateway does not read.",
        read_cors_rules,
    ),
    Repair(
        "secure transport",
        "It has no TLS, so the queues' policies, which demand TLS, would refuse every call.",
        treat_loopback_as_secure,
    ),
    Repair(
        "batches",
        "It requires permissions such as sqs:SendMessageBatch, which do not exist. On AWS, sqs:SendMessage is for batches too.",
        authorize_batches_as_messages,
    ),
    Repair(
        "senders of mail",
        "It authorizes a mail without its identity, its configuration set and ses:FromAddress, and would refuse a role that is "
        "narrowed to them.",
        authorize_mails_by_sender,
    ),
    Repair(
        "conditions of the table",
        "It knows none of the condition keys by which the roles are narrowed to partitions and attributes, and would refuse them "
        "every request.",
        dynamodb_conditions.apply,
    ),
    Repair(
        "DKIM records",
        "It does not know the attributes of an identity that the template's outputs name.",
        name_dkim_records,
    ),
)
