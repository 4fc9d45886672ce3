"""Documents from a real server."""

import http.server
import threading
import unittest

from .. import web
from ..findings import CouldNotBeChecked

BODIES = {"/object": b'{"a": 1}', "/list": b"[1]", "/page": b"<html>", "/bytes": b"\xff\xfe"}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = BODIES.get(self.path, b"")
        self.send_response(200 if body else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        """Says nothing."""


class Web(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        cls.addClassCleanup(cls.server.server_close)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.addClassCleanup(cls.server.shutdown)
        cls.url = f"http://127.0.0.1:{cls.server.server_port}"

    def test_an_object(self):
        self.assertEqual(web.fetch(f"{self.url}/object"), {"a": 1})

    def test_anything_else_is_not_served(self):
        for path, reason in (("/list", "no object"), ("/page", "not JSON"), ("/bytes", "not JSON"), ("/none", "status 503")):
            with self.subTest(path), self.assertRaisesRegex(web.NotServed, reason):
                web.fetch(f"{self.url}{path}")

    def test_what_cannot_be_reached(self):
        for url, reason in (
            ("http://127.0.0.1:1/", "cannot be reached from here"),
            # TLS with a server that does not speak it.
            (f"https://127.0.0.1:{self.server.server_port}/", "TLS"),
            # A name that never exists (RFC 6761).
            ("http://nowhere.invalid/", "not known here"),
        ):
            with self.subTest(url), self.assertRaisesRegex(CouldNotBeChecked, reason):
                web.fetch(url)
