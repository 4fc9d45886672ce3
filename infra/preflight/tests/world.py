"""A deployment in which nothing is wrong, with stand-ins for AWS and for the identity provider. Tests change it."""

import copy
import pathlib
import tempfile
import unittest

import boto3
import botocore.awsrequest
import botocore.validate
from local import template_file

from ..aws import Aws
from ..context import Context, DeployedStack
from ..findings import Status
from ..samconfig import Deployment
from ..template import PlannedStack
from ..web import NotServed

INFRA = pathlib.Path(__file__).parents[2]
TEMPLATE = template_file.read(INFRA / "template.yaml")
ACCOUNT = "417205518223"
REGION = "us-east-1"
STACK = "portal-invitations"
ISSUER = "https://login.practice-portal.org"
DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:on-duty"
POOL = f"{REGION}_aB3dE5gH7"

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/6f1c2d3e-0000-4444-8888-0123456789ab"
TABLE = {
    "TableStatus": "ACTIVE",
    "SSEDescription": {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": KEY},
    "GlobalSecondaryIndexes": [{"IndexName": "due"}, {"IndexName": "link"}],
}
# What an earlier stack left, and the parameters that adopt it.
ADOPTED = {
    "ExistingTableName": f"{STACK}-Table-1X2Y3Z",
    "ExistingTableKeyArn": KEY,
    "ExistingPepperArn": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:FingerprintPepper-1",
}

# Every optional part is used, and nothing is adopted.
PARAMETERS = {
    "Stage": "prod",
    "Architecture": "arm64",
    "TableDeletionProtection": "off",
    "LogRetentionDays": "365",
    "Issuer": ISSUER,
    "Audiences": "portal-invitations",
    "MailDomain": "practice-portal.org",
    "MailFrom": "no-reply@practice-portal.org",
    "PortalBaseUrl": "https://portal.practice-portal.org",
    "CorsOrigins": "https://staff.practice-portal.org",
    "SenderConcurrency": "2",
    "AlarmTopicArn": TOPIC,
    "LoginUserPoolArn": f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{POOL}",
    "EdgeDomain": "public.practice-portal.org",
    "EdgeCertificateArn": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/1f0c9d2e-aaaa-bbbb-cccc-0123456789ab",
}

DOCUMENTS = {
    DISCOVERY: {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"},
    f"{ISSUER}/keys": {"keys": [{"kty": "EC", "kid": "1"}, {"kty": "RSA", "kid": "2", "alg": "RS256"}]},
}


class Refusal:
    """An error that AWS answers with."""

    def __init__(self, code):
        self.code = code


# What an account answers in which nothing is deployed yet.
ANSWERS = {
    "sts:GetCallerIdentity": {
        "Account": ACCOUNT,
        "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/maria",
        "UserId": "AROAEXAMPLE:maria",
    },
    "cloudformation:DescribeStacks": Refusal("ValidationError"),
    "cloudformation:DescribeStackResources": Refusal("ValidationError"),
    "logs:DescribeLogGroups": {"logGroups": []},
    "lambda:ListFunctions": {"Functions": []},
    "lambda:GetAccountSettings": {"AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000}},
    "lambda:GetFunctionConcurrency": Refusal("ResourceNotFoundException"),
    "sesv2:GetConfigurationSet": Refusal("NotFoundException"),
    "sesv2:GetEmailIdentity": Refusal("NotFoundException"),
    "sesv2:GetAccount": {
        "SendingEnabled": True,
        "EnforcementStatus": "HEALTHY",
        "ProductionAccessEnabled": True,
        "SendQuota": {"MaxSendRate": 14.0, "Max24HourSend": 50000.0, "SentLast24Hours": 0.0},
    },
    "dynamodb:ListTables": {"TableNames": []},
    "secretsmanager:ListSecrets": {"SecretList": []},
    "dynamodb:DescribeTable": {"Table": TABLE},
    "kms:DescribeKey": {"KeyMetadata": {"KeyId": KEY, "KeyState": "Enabled"}},
    "secretsmanager:DescribeSecret": {"Name": "FingerprintPepper-1"},
    "sns:GetTopicAttributes": {"Attributes": {"SubscriptionsConfirmed": "1"}},
    "cognito-idp:DescribeUserPool": {"UserPool": {"Id": POOL, "Name": "patients"}},
    "acm:DescribeCertificate": {"Certificate": {"DomainName": "public.practice-portal.org", "Status": "ISSUED"}},
}


class StubbedAws(Aws):
    """AWS's own client, whose calls are answered from a dictionary instead of the network. Requests and answers are checked
    against AWS's description of the service."""

    # Making a client takes long, so all tests share them. The last one made answers.
    _shared_clients = {}
    _last = None

    def __init__(self, region, answers):
        super().__init__(region)
        self._answers = answers
        self._session = _SESSION
        self.calls = []
        # The region of each call.
        self.regions = []
        StubbedAws._last = self

    def client(self, service, region=None):
        self._clients = self._shared_clients
        self.regions.append(region or self.region)
        return super().client(service, region)

    def note(self, model, parameters):
        """A call begins."""
        self.calls.append((_name(model), dict(parameters)))

    def answer(self, model):
        """The answer of the call that has begun."""
        name, parameters = self.calls[-1]
        answer = self._answers[name]
        if callable(answer):
            answer = answer(**parameters)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Refusal):
            parsed = {"Error": {"Code": answer.code, "Message": "a secret message"}}
            return botocore.awsrequest.AWSResponse("", 400, {}, None), parsed
        botocore.validate.validate_parameters(answer, model.output_shape)
        return botocore.awsrequest.AWSResponse("", 200, {}, None), copy.deepcopy(answer)


# Not of the machine's configuration.
_SESSION = boto3.Session(aws_access_key_id="stub", aws_secret_access_key="stub", region_name=REGION)
_SESSION.events.register("before-parameter-build", lambda params, model, **_: StubbedAws._last.note(model, params))
_SESSION.events.register("before-call", lambda model, **_: StubbedAws._last.answer(model))


def _name(model):
    return f"{model.service_model.service_name}:{model.name}"


class World:
    """The deployment, to be changed before it is checked."""

    def __init__(self):
        self.stage = "prod"
        self.stack = STACK
        self.region = REGION
        self.template = TEMPLATE
        self.parameters = dict(PARAMETERS)
        self.answers = dict(ANSWERS)
        self.documents = copy.deepcopy(DOCUMENTS)
        self.build_folder = pathlib.Path("/nowhere")
        self.aws = None

    def deployed(self, status, resource_status="UPDATE_COMPLETE", protected=False, **resources):
        """Lets the stack exist, with these resources: physical ids by logical ones."""
        stack = {
            "StackName": STACK,
            "StackStatus": status,
            "EnableTerminationProtection": protected,
            "CreationTime": "2026-01-01T00:00:00Z",
        }
        summary = {"ResourceType": "X", "ResourceStatus": resource_status, "LastUpdatedTimestamp": "2026-01-01T00:00:00Z"}
        self.answers["cloudformation:DescribeStacks"] = lambda StackName: (
            {"Stacks": [stack]} if StackName == STACK else Refusal("ValidationError")
        )
        self.answers["cloudformation:ListStackResources"] = {
            "StackResourceSummaries": [
                {**summary, "LogicalResourceId": logical_id, "PhysicalResourceId": physical_id}
                for logical_id, physical_id in resources.items()
            ]
        }

    def context(self):
        """What the checks are given."""
        deployment = Deployment(self.stage, self.stack, self.region, None, self.parameters)
        self.aws = StubbedAws(self.region, self.answers)
        planned = PlannedStack(self.template, self.parameters, self.stack, self.region)
        return Context(deployment, planned, DeployedStack(self.aws, self.stack), self.aws, self.fetch, self.build_folder)

    def fetch(self, url):
        """Stands in for the web."""
        document = self.documents.get(url)
        if isinstance(document, Exception):
            raise document
        if document is None:
            raise NotServed("the status 404")
        return document


class CheckTest(unittest.TestCase):
    """A test of checks. `self.world` is a world in which nothing is wrong."""

    def setUp(self):
        self.world = World()

    def assert_ok(self, check, fragment=""):
        """The check finds nothing wrong."""
        findings = list(check(self.world.context()))
        self.assertEqual({it.status for it in findings}, {Status.OK}, findings)
        self.assertIn(fragment, "\n".join(it.sentence for it in findings))

    def assert_problem(self, check, fragment, remedy=""):
        """The check finds exactly one thing wrong, and nothing else to say."""
        findings = list(check(self.world.context()))
        self.assertEqual([it.status for it in findings], [Status.PROBLEM], findings)
        self.assertIn(fragment, findings[0].sentence)
        self.assertIn(remedy, f"{findings[0].remedy} {findings[0].command}")
        self.assertTrue(findings[0].remedy)

    def folder(self):
        """A folder that is removed after the test."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return pathlib.Path(folder.name)
