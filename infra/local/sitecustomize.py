"""Loaded by the interpreter that runs the local AWS stack, before anything else.

The stack's Lambda Runtime API writes an answer's headers and its body in two small packets. With Nagle's algorithm the
second one waits for the function's delayed acknowledgement of the first: 40 ms in every call. AWS has no such wait.
"""

import socketserver

socketserver.StreamRequestHandler.disable_nagle_algorithm = True
