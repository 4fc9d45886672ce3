"""Reads JSON documents from the web."""

import http.client
import json
import socket
import ssl
import urllib.error
import urllib.request

from .findings import CouldNotBeChecked

TIMEOUT_SECS = 10
# A discovery document or a key set has a few thousand bytes.
MAX_BYTES = 1_000_000


class NotServed(Exception):
    """The server answered, and not with a JSON object. The message says with what, as the end of a sentence."""


def fetch(url):
    """The JSON object at a URL."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECS) as response:
            body = response.read(MAX_BYTES)
    except urllib.error.HTTPError as error:
        raise NotServed(f"the status {error.code}") from error
    except (OSError, http.client.HTTPException) as error:
        raise CouldNotBeChecked(f"{url} {_reason(getattr(error, 'reason', error))}") from error
    try:
        document = json.loads(body)
    except ValueError as error:
        raise NotServed("what is not JSON") from error
    if not isinstance(document, dict):
        raise NotServed("JSON that is no object")
    return document


def _reason(error):
    # By the type, not by the message: that one may quote the settings of a proxy.
    if isinstance(error, socket.gaierror):
        return "has a host name that is not known here (is it spelt right?)"
    if isinstance(error, ssl.SSLError):
        return "has a TLS certificate that is not accepted here"
    if isinstance(error, TimeoutError):
        return f"did not answer within {TIMEOUT_SECS} s"
    return "cannot be reached from here"
