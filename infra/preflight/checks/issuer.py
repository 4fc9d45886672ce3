"""The identity provider.

API Gateway reads its discovery document when the authorizer is created, and refuses without it.
"""

from ..findings import CouldNotBeChecked, ok, problem
from ..web import NotServed

DISCOVERY = "/.well-known/openid-configuration"


def check(context):
    """The discovery document, and the keys that it points at."""
    issuer = context.planned.value("Issuer")
    if not issuer.startswith("https://"):
        raise CouldNotBeChecked("Issuer is not an https URL")
    url = issuer.rstrip("/") + DISCOVERY
    try:
        document = context.fetch(url)
    except NotServed as reason:
        yield problem(
            f"{url} answers with {reason}: API Gateway could not create the authorizer.",
            "Correct Issuer, or let the identity provider publish its discovery document there.",
        )
        return
    named, keys_url = document.get("issuer"), document.get("jwks_uri")
    if named != issuer:
        yield problem(
            f"The discovery document names the issuer `{named}` and Issuer is `{issuer}`: every token would be refused.",
            "Set Issuer to exactly what the document says, down to a final slash.",
        )
    if not isinstance(keys_url, str) or not keys_url.startswith("https://"):
        yield problem(
            f"The discovery document's jwks_uri is `{keys_url}`, not an https URL.",
            "Let the identity provider publish its keys over https.",
        )
        return
    try:
        keys = context.fetch(keys_url).get("keys")
    except NotServed as reason:
        yield problem(f"{keys_url}, the provider's keys, answers with {reason}.", "Let the identity provider publish its keys.")
        return
    usable = [key for key in keys or [] if isinstance(key, dict) and key.get("kty") == "RSA"]
    if not usable:
        yield problem(
            f"{keys_url} has no RSA key, and an HTTP API verifies only signatures of RSA keys.",
            "Let the identity provider sign access tokens with RS256.",
        )
    elif named == issuer:
        yield ok(f"{issuer} serves its discovery document and its keys, as seen from here.")
