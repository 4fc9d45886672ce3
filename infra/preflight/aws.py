"""Calls of AWS. They only read, and a failed one says in plain words why the check could not be made."""

import functools

import boto3
import botocore.config
import botocore.exceptions

from .findings import CouldNotBeChecked

DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException", "UnauthorizedOperation"}
THROTTLED = {
    "RequestLimitExceeded",
    "RequestThrottled",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
REJECTED_CREDENTIALS = {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
NOT_ACTIVATED = {"OptInRequired", "SubscriptionRequired", "SubscriptionRequiredException"}

# Where IAM knows a service by another name than the SDK.
IAM_PREFIXES = {"sesv2": "ses"}


NO_REGION = CouldNotBeChecked("samconfig.toml names no region")


class NoCredentials(CouldNotBeChecked):
    """There are no credentials, or AWS does not accept them."""


class Aws:
    """The account and region of a deployment."""

    def __init__(self, region, profile=None, endpoint_url=None):
        self.region = region
        self._profile = profile
        self._endpoint_url = endpoint_url
        self._clients = {}
        self._unusable = None

    def identity(self):
        """Who calls, according to AWS. If that cannot be found out, every later call fails at once for the same reason."""
        try:
            return self.ask("sts", "get_caller_identity")
        except CouldNotBeChecked as reason:
            self._unusable = reason
            raise

    def ask(self, service, operation, *, absent=(), region=None, **parameters):
        """The answer of one call. None if AWS answers with one of the error codes `absent`."""
        return self._call(
            service, operation, absent, lambda: getattr(self.client(service, region), operation)(**parameters)
        )

    def list(self, service, operation, member, *, absent=(), **parameters):
        """The members of all pages of an answer. Empty if AWS answers with one of the error codes `absent`."""

        def pages():
            answers = self.client(service).get_paginator(operation).paginate(**parameters)
            return [item for answer in answers for item in answer.get(member, [])]

        return self._call(service, operation, absent, pages) or []

    def client(self, service, region=None):
        """A client of a service, in the deployment's region unless another is given."""
        key = (service, region or self.region)
        if key not in self._clients:
            self._clients[key] = self._session.client(
                service, region_name=key[1], endpoint_url=self._endpoint_url, config=_CONFIG
            )
        return self._clients[key]

    @functools.cached_property
    def _session(self):
        return boto3.Session(profile_name=self._profile)

    def _call(self, service, operation, absent, work):
        if self._unusable:
            raise self._unusable
        if not self.region:
            raise NO_REGION
        try:
            return work()
        except botocore.exceptions.ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in absent:
                return None
            raise _refused(_iam_action(service, operation), code) from error
        except botocore.exceptions.BotoCoreError as error:
            raise _failed(error) from error
        except (EOFError, OSError) as error:
            # Their configuration names a program that does not exist, or asks for a code (MFA), which nobody can type here.
            raise NoCredentials("the AWS credentials could not be fetched (a code cannot be typed here)") from error


# Short, because a person waits.
_CONFIG = botocore.config.Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})


@functools.cache
def regions(service, region):
    """The regions of a service in the partition of a region, as far as the SDK knows. Empty if the region has no partition."""
    session = _regions_session()
    try:
        partition = session.get_partition_for_region(region)
    except botocore.exceptions.UnknownRegionError:
        return []
    return session.get_available_regions(service, partition)


@functools.cache
def _regions_session():
    # The SDK wants some region, and does not use it for this.
    return boto3.Session(region_name="us-east-1")


def _iam_action(service, operation):
    return f"{IAM_PREFIXES.get(service, service)}:{operation.title().replace('_', '')}"


def _refused(action, code):
    if code in DENIED:
        return CouldNotBeChecked(f"these credentials may not call {action}")
    if code in THROTTLED:
        return CouldNotBeChecked(f"AWS throttled {action}; try again in a minute")
    if code in REJECTED_CREDENTIALS:
        return NoCredentials(f"AWS does not accept the credentials ({code})")
    if code in NOT_ACTIVATED:
        return CouldNotBeChecked(f"the account is not activated for {action} yet; complete its registration")
    # Not the message: it may quote what was sent.
    return CouldNotBeChecked(f"AWS answered {action} with {code or 'an error without a code'}")


def _failed(error):
    # By the type, not by the message: that one may quote the output of a credential process, for example.
    for kinds, reason in _FAILURES:
        if isinstance(error, kinds):
            return reason
    return CouldNotBeChecked(f"the AWS client failed ({type(error).__name__})")


_FAILURES = (
    (botocore.exceptions.NoCredentialsError, NoCredentials("there are no AWS credentials here")),
    (botocore.exceptions.PartialCredentialsError, NoCredentials("the AWS credentials here are incomplete")),
    (botocore.exceptions.ProfileNotFound, NoCredentials("the AWS profile does not exist here")),
    (botocore.exceptions.CredentialRetrievalError, NoCredentials("the AWS credentials could not be fetched")),
    (
        (botocore.exceptions.SSOError, botocore.exceptions.TokenRetrievalError, botocore.exceptions.LoginError),
        NoCredentials("the sign-in to AWS has ended or was never made"),
    ),
    (botocore.exceptions.SSLError, CouldNotBeChecked("the TLS connection to AWS failed")),
    (
        (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError),
        CouldNotBeChecked("AWS cannot be reached from here"),
    ),
)
