"""Credentials, region and stack."""

from ..aws import regions
from ..checks import account
from ..findings import CouldNotBeChecked
from .world import ACCOUNT, STACK, CheckTest, Refusal

# The pinned SDK knows such regions. Which, changes with it.
WITHOUT_SES = min(set(regions("sts", "us-east-1")) - set(regions("sesv2", "us-east-1")))


class Credentials(CheckTest):
    def test_who_deploys(self):
        self.assert_ok(account.credentials, f"Account {ACCOUNT}, as assumed-role/deployer/maria.")

    def test_credentials_that_aws_does_not_accept(self):
        self.world.answers["sts:GetCallerIdentity"] = Refusal("ExpiredToken")
        self.assert_problem(account.credentials, "AWS does not accept the credentials (ExpiredToken).", "aws sso login")


class Region(CheckTest):
    def test_it_is_named_and_has_ses(self):
        for region in ("us-east-1", "eu-central-1", "us-gov-west-1"):
            self.world.region = region
            self.assert_ok(account.region, region)

    def test_it_is_not_usable(self):
        for region, fragment in (
            (None, "names no region"),
            ("", "names no region"),
            ("frankfurt", "does not exist"),
            ("eu-central-9", "does not exist"),
            (WITHOUT_SES, f"SES does not exist in {WITHOUT_SES}"),
        ):
            self.world.region = region
            self.assert_problem(account.region, fragment)


class Stack(CheckTest):
    def test_a_first_deployment(self):
        self.assert_ok(account.stack, f"{STACK} does not exist yet")
        # What is left if nobody executed the change set of a first deployment.
        self.world.deployed("REVIEW_IN_PROGRESS")
        self.assert_ok(account.stack, "does not exist yet")

    def test_an_update(self):
        for status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"):
            self.world.deployed(status)
            self.assert_ok(account.stack, f"is {status} and can be updated")

    def test_a_stack_in_the_way(self):
        for status, remedy in (
            ("ROLLBACK_COMPLETE", f"delete-stack --stack-name {STACK}"),
            ("ROLLBACK_FAILED", "delete-stack"),
            ("CREATE_FAILED", "delete-stack"),
            ("DELETE_FAILED", "delete-stack"),
            ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
            ("UPDATE_IN_PROGRESS", "Wait"),
            ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "Wait"),
        ):
            self.world.deployed(status)
            self.assert_problem(account.stack, status, remedy)

    def test_the_stack_of_sams_bucket(self):
        broken = {"StackName": account.SAM_STACK, "StackStatus": "ROLLBACK_COMPLETE", "CreationTime": "2026-01-01T00:00:00Z"}
        self.world.answers["cloudformation:DescribeStacks"] = lambda StackName: (
            {"Stacks": [broken]} if StackName == account.SAM_STACK else Refusal("ValidationError")
        )
        findings = list(account.stack(self.world.context()))
        self.assertEqual([it.status.value for it in findings], ["problem", "ok"])
        self.assertIn(f"delete-stack --stack-name {account.SAM_STACK}", findings[0].command)

    def test_without_a_region_nobody_is_asked(self):
        self.world.region = None
        with self.assertRaisesRegex(CouldNotBeChecked, "names no region"):
            list(account.stack(self.world.context()))
        self.assertEqual(self.world.aws.calls, [])
