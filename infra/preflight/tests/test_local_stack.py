"""Against the local AWS, with our own template deployed to it. `cargo xtask test` starts it."""

import contextlib
import io
import json
import os
import pathlib
import unittest

import boto3
import botocore.exceptions

from .. import __main__ as program
from .rule_cases import CASES
from .world import INFRA, TEMPLATE, CheckTest

STACK_FILE = os.environ.get("PORTAL_STACK_FILE")
# The name under which `cargo xtask test` deploys.
STACK = "portal"
DOMAIN = "example.com"


@unittest.skipUnless(STACK_FILE, "PORTAL_STACK_FILE is not set (`cargo xtask test` sets it)")
class LocalStack(CheckTest):
    @classmethod
    def setUpClass(cls):
        cls.stack = json.loads(pathlib.Path(STACK_FILE).read_text(encoding="utf-8"))

    def client(self, service, region):
        """A client of the local AWS."""
        return boto3.client(service, endpoint_url=self.stack["awsEndpoint"], region_name=region)


class Rules(LocalStack):
    def test_cloudformation_refuses_what_our_own_evaluation_refuses(self):
        nothing = {"Nothing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}
        body = json.dumps({"Parameters": TEMPLATE["Parameters"], "Rules": TEMPLATE["Rules"], "Resources": nothing})
        for number, case in enumerate(CASES):
            with self.subTest(case.name):
                cloudformation = self.client("cloudformation", case.region)
                parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in case.parameters.items()]
                name = f"rules-{number}"
                self.addCleanup(cloudformation.delete_stack, StackName=name)
                try:
                    cloudformation.create_stack(StackName=name, TemplateBody=body, Parameters=parameters)
                    refused = None
                except botocore.exceptions.ClientError as error:
                    refused = str(error)
                self.assertEqual(refused is not None, case.refused is not None, refused)
                self.assertIn(case.refused or "", refused or "")


class Preflight(LocalStack):
    def report(self, stack_name):
        """The findings about our template, deployed under a name, by check."""
        config = self.folder() / "samconfig.toml"
        parameters = {
            "Stage": "dev",
            "Issuer": "https://login.example.com",
            "Audiences": "portal",
            "MailDomain": DOMAIN,
            "MailFrom": f"no-reply@{DOMAIN}",
            "PortalBaseUrl": "https://portal.example.com",
        }
        overrides = json.dumps([f"{name}={value}" for name, value in parameters.items()])
        config.write_text(
            f'[dev.deploy.parameters]\nstack_name = "{stack_name}"\nregion = "{self.stack["region"]}"\n'
            f"parameter_overrides = {overrides}\n",
            encoding="utf-8",
        )
        files = ["--config-file", config, "--template", INFRA / "template.yaml", "--build-folder", "/nowhere"]
        words = ["--stage", "dev", *files, "--endpoint-url", self.stack["awsEndpoint"], "--json"]
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            program.main([str(word) for word in words], fetch=self.world.fetch)
        findings = {}
        for finding in json.loads(output.getvalue())["findings"]:
            findings.setdefault(finding["check"], []).append((finding["status"], finding["sentence"]))
        return findings

    def assert_finding(self, findings, check, status, fragment):
        self.assertEqual([it[0] for it in findings[check]], [status], findings[check])
        self.assertIn(fragment, findings[check][0][1])

    def test_a_deployed_stack_can_be_updated(self):
        findings = self.report(STACK)
        self.assert_finding(findings, "stack", "ok", "can be updated")
        self.assert_finding(findings, "leftovers", "ok", "Nothing is in the way")
        self.assert_finding(findings, "mail identity", "ok", f"The stack has the identity of {DOMAIN}")
        self.assert_finding(findings, "credentials", "ok", "Account 000000000000")
        self.assert_finding(findings, "SES", "ok", "has production access")
        self.assert_finding(findings, "concurrency", "ok", "leaves")

    def test_a_second_stack_cannot_have_the_same_domain(self):
        findings = self.report("portal-second")
        self.assert_finding(findings, "stack", "ok", "does not exist yet")
        self.assert_finding(findings, "leftovers", "ok", "Nothing is in the way")
        # The local AWS does not say whose it is.
        self.assert_finding(findings, "mail identity", "problem", f"SES has an identity of {DOMAIN} already")

    def test_a_log_group_of_others_is_in_the_way(self):
        logs = self.client("logs", self.stack["region"])
        name = "/aws/lambda/portal-third-sender"
        logs.create_log_group(logGroupName=name)
        self.addCleanup(logs.delete_log_group, logGroupName=name)
        self.assert_finding(self.report("portal-third"), "leftovers", "problem", f"{name} exists already")
