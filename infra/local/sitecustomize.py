"""Loaded by the interpreter that runs the local AWS stack, before anything else.

The stack's Lambda Runtime API writes an answer's headers and its body in two small packets. With Nagle's algorithm the
second one waits for the function's delayed acknowledgement of the first: 40 ms in every call. AWS has no such wait.

The stack does not know the condition keys by which the roles are narrowed.
"""

import socketserver

import dynamodb_conditions

socketserver.StreamRequestHandler.disable_nagle_algorithm = True
dynamodb_conditions.apply()
