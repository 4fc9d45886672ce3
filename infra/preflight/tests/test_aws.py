"""Calls of AWS that fail: the report says why, in plain words, and the other checks are made."""

import unittest

import botocore.exceptions as errors

from .. import aws, checks
from ..findings import CouldNotBeChecked, Status
from .world import REGION, CheckTest, Refusal

FAILURES = (
    (errors.NoCredentialsError(), "there are no AWS credentials here"),
    (errors.PartialCredentialsError(provider="env", cred_var="HUSH"), "incomplete"),
    (errors.ProfileNotFound(profile="HUSH"), "profile does not exist"),
    (errors.CredentialRetrievalError(provider="p", error_msg="HUSH"), "could not be fetched"),
    (errors.UnauthorizedSSOTokenError(), "sign-in to AWS has ended"),
    (errors.TokenRetrievalError(provider="sso", error_msg="HUSH"), "sign-in to AWS has ended"),
    (errors.EndpointConnectionError(endpoint_url="https://HUSH"), "AWS cannot be reached from here"),
    (errors.ConnectTimeoutError(endpoint_url="https://HUSH"), "AWS cannot be reached from here"),
    (errors.ReadTimeoutError(endpoint_url="https://HUSH"), "AWS cannot be reached from here"),
    (errors.ProxyConnectionError(proxy_url="https://me:HUSH@proxy"), "AWS cannot be reached from here"),
    (errors.SSLError(endpoint_url="https://HUSH", error="HUSH"), "TLS connection to AWS failed"),
    (errors.UnknownServiceError(service_name="HUSH", known_service_names="x"), "the AWS client failed (UnknownServiceError)"),
    (EOFError("HUSH"), "a code cannot be typed here"),
    (FileNotFoundError(2, "HUSH"), "could not be fetched"),
)
REFUSALS = (
    ("AccessDeniedException", "these credentials may not call lambda:GetAccountSettings"),
    ("AccessDenied", "may not call"),
    ("ThrottlingException", "AWS throttled lambda:GetAccountSettings; try again"),
    ("TooManyRequestsException", "throttled"),
    ("UnrecognizedClientException", "does not accept the credentials (UnrecognizedClientException)"),
    ("SubscriptionRequiredException", "the account is not activated"),
    ("ServiceException", "AWS answered lambda:GetAccountSettings with ServiceException"),
    ("", "an error without a code"),
)


def report(world):
    """The findings of all checks, by check."""
    return list(checks.run(world.context()))


class OneCallFails(CheckTest):
    def assert_one_unknown(self, fragment):
        """Only the check of concurrency could not be made."""
        lines = report(self.world)
        self.assertEqual(list(dict.fromkeys(check for check, _finding in lines)), list(checks.CHECKS))
        unknown = [(check, finding.sentence) for check, finding in lines if finding.status is Status.UNKNOWN]
        self.assertEqual([check for check, _sentence in unknown], ["concurrency"])
        self.assertTrue(unknown[0][1].startswith("could not be checked: "))
        self.assertIn(fragment, unknown[0][1])
        for _check, finding in lines:
            self.assertNotIn("HUSH", finding.sentence)
            self.assertNotIn("secret message", finding.sentence)
        self.assertEqual({it.status for check, it in lines if check != "concurrency"}, {Status.OK})

    def test_the_client_fails(self):
        for error, fragment in FAILURES:
            with self.subTest(type(error).__name__):
                self.world.answers["lambda:GetAccountSettings"] = error
                self.assert_one_unknown(fragment)

    def test_aws_refuses(self):
        for code, fragment in REFUSALS:
            with self.subTest(code):
                self.world.answers["lambda:GetAccountSettings"] = Refusal(code)
                self.assert_one_unknown(fragment)

    def test_what_was_found_before_the_failure_is_reported(self):
        self.world.answers["logs:DescribeLogGroups"] = {"logGroups": [{"logGroupName": "/aws/lambda/portal-invitations-bulk"}]}
        self.world.answers["lambda:ListFunctions"] = Refusal("AccessDenied")
        statuses = [finding.status for check, finding in report(self.world) if check == "leftovers"]
        self.assertEqual(statuses, [Status.PROBLEM, Status.UNKNOWN])


class NobodyAnswers(CheckTest):
    def assert_offline(self, status, fragment):
        """What can be checked without AWS is checked, and AWS is asked once."""
        lines = dict(report(self.world))
        self.assertIs(lines["credentials"].status, status)
        self.assertIn(fragment, lines["credentials"].sentence)
        for check in ("parameters", "sample values", "consistency", "build", "identity provider", "region"):
            self.assertIs(lines[check].status, Status.OK, check)
        last = list(checks.CHECKS).index("credentials")
        for check in list(checks.CHECKS)[last + 1 :]:
            self.assertIs(lines[check].status, Status.UNKNOWN, check)
            self.assertIn(fragment, lines[check].sentence)
        self.assertEqual([name for name, _parameters in self.world.aws.calls], ["sts:GetCallerIdentity"])

    def test_no_credentials_are_a_problem(self):
        self.world.answers["sts:GetCallerIdentity"] = errors.NoCredentialsError()
        self.assert_offline(Status.PROBLEM, "here are no AWS credentials here")

    def test_no_network_is_none(self):
        self.world.answers["sts:GetCallerIdentity"] = errors.EndpointConnectionError(endpoint_url="https://sts")
        self.assert_offline(Status.UNKNOWN, "AWS cannot be reached from here")


class RealClient(unittest.TestCase):
    def test_a_closed_port_is_no_network(self):
        # Nothing listens on port 1 of loopback.
        unreachable = aws.Aws(REGION, endpoint_url="http://127.0.0.1:1")
        unreachable._session = aws.boto3.Session(aws_access_key_id="stub", aws_secret_access_key="stub")
        with self.assertRaisesRegex(CouldNotBeChecked, "cannot be reached from here"):
            unreachable.identity()

    def test_a_profile_that_does_not_exist(self):
        with self.assertRaisesRegex(aws.NoCredentials, "profile does not exist"):
            aws.Aws(REGION, profile="nobody-has-this-profile").identity()
