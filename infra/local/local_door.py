"""The door of the local AWS: programs are let in, pages of other origins are not.

The local AWS verifies no signature, its credentials are known, and its functions are native programs: a request to it can run
code as the developer. It listens on 127.0.0.1, but a page that the developer opens in a browser can send requests there too,
directly (cross-site) or under a host name of its own that leads to 127.0.0.1 (DNS rebinding). A page chooses neither the Host
nor the Origin nor the Sec-Fetch headers of its requests. This module decides by them.

A request without any sign of a browser is a program's. Programs on this machine are not kept out.
"""

import functools
import http.server
import re

# A browser fills in the host of the page's address. A name below `localhost` leads to this machine only.
HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\]|[a-z0-9._-]+\.localhost)\.?(:[0-9]+)?", re.IGNORECASE)
# What a link or a redirect of another origin may open, beside the APIs: the sign-in pages of user pools, and the mailbox.
PAGES = ("/login", "/logout", "/oauth2/authorize", "/_ministack/ses/messages")

FOREIGN_HOST = "The local AWS answers under 127.0.0.1, localhost and names that end in .localhost only."
FOREIGN_PAGE = "The local AWS answers programs on this machine and its own pages only. A page of another origin sent this request."
NOT_FOR_PAGES = "The Runtime API answers functions only. A browser sent this request."


def refusal(method, path, headers, port, api_origins):
    """The sentence with which a request to the local AWS is refused, or None if the request is let in.

    `headers` has lower-case names. `port` is the one that the local AWS listens on. `api_origins` is called with host and path.
    It returns the other origins that may call the API there (its CORS rules), or None if no API is there."""
    if not HOST.fullmatch(headers.get("host", "")):
        return FOREIGN_HOST
    if not from_browser(headers) or from_own_page(headers, port):
        return None
    origins = api_origins(headers["host"], path)
    if opens_page(method, headers) and (path in PAGES or origins is not None):
        return None
    if headers.get("origin", "").lower() in (origins or []):
        return None
    return FOREIGN_PAGE


def from_browser(headers):
    """Whether a browser sent the request. All send `User-Agent: Mozilla/...`, and some send nothing else with an image.

    `Sec-Fetch-Mode` alone is no sign of one: Node sends it too."""
    named = "origin" in headers or "sec-fetch-site" in headers
    return named or headers.get("user-agent", "").startswith("Mozilla/")


def from_own_page(headers, port):
    """Whether the page that sent the request is of the same origin, or of one of the APIs."""
    origin = headers.get("origin", "null")
    if origin == "null":
        # The origin of a GET is not sent. That of a form is hidden if its page sends no referrer.
        return headers.get("sec-fetch-site") == "same-origin"
    own_api = rf"http://[a-z0-9-]+\.execute-api\.localhost:{port}"
    return origin == f"http://{headers['host'].lower()}" or re.fullmatch(own_api, origin) is not None


def opens_page(method, headers):
    """Whether the request opens a page in a tab. A browser that sends no `Sec-Fetch` header does not say what else it may be."""
    purpose = headers.get("sec-fetch-mode", "navigate"), headers.get("sec-fetch-dest", "document")
    return method == "GET" and "origin" not in headers and purpose == ("navigate", "document")


def guard_app(app, api_origins):
    """The ASGI application `app` behind the door."""

    async def guarded(scope, receive, send):
        if scope["type"] in ("http", "websocket"):
            headers = joined((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
            reason = refusal(scope.get("method"), scope["path"], headers, scope["server"][1], api_origins)
            if reason:
                await send_refusal(send, "http" if scope["type"] == "http" else "websocket.http", reason)
                return
        await app(scope, receive, send)

    return guarded


async def send_refusal(send, kind, reason):
    """Answers 403 to a request, or to the handshake of a WebSocket."""
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(reason) + 1).encode())]
    await send({"type": f"{kind}.response.start", "status": 403, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": f"{reason}\n".encode()})


def guard_http_server(handler=http.server.BaseHTTPRequestHandler):
    """Guards the Runtime API of each function, which the local AWS serves by Python's own HTTP server. No page is there."""
    parse_request = handler.parse_request

    @functools.wraps(parse_request)
    def guarded(self):
        if not parse_request(self):
            return False
        headers = joined(self.headers.items())
        if not HOST.fullmatch(headers.get("host", "")):
            reason = FOREIGN_HOST
        elif from_browser(headers):
            reason = NOT_FOR_PAGES
        else:
            return True
        self.close_connection = True
        self.send_response(403)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(reason) + 1))
        self.end_headers()
        self.wfile.write(f"{reason}\n".encode())
        return False

    handler.parse_request = guarded


def joined(headers):
    """Headers by lower-case name. A repeated header becomes a list, which equals no value that is let in."""
    result = {}
    for name, value in headers:
        key = name.lower()
        result[key] = f"{result[key]}, {value}" if key in result else value
    return result
