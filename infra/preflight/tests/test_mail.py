"""SES."""

import copy

from ..checks import mail
from .world import CheckTest, Refusal

DOMAIN = "practice-portal.org"


class Account(CheckTest):
    def setUp(self):
        super().setUp()
        self.answer = copy.deepcopy(self.world.answers["sesv2:GetAccount"])
        self.world.answers["sesv2:GetAccount"] = self.answer

    def test_production_access(self):
        self.assert_ok(mail.account, "has production access. SES accepts 14 mails a second, 50,000 a day.")
        self.answer["SendQuota"] = {"MaxSendRate": 0.5, "Max24HourSend": -1.0}
        self.assert_ok(mail.account, "0.5 mails a second, without a daily limit")

    def test_the_sandbox_is_a_problem_in_prod_only(self):
        self.answer["ProductionAccessEnabled"] = False
        self.assert_problem(mail.account, "in SES's sandbox in us-east-1: no patient would get a mail", "production access")
        self.world.stage = "dev"
        self.world.parameters["SandboxRecipient"] = "tester@practice-portal.org"
        self.assert_ok(mail.account, "is in the sandbox (only verified addresses get mail)")

    def test_a_permission_of_the_sandbox_outside_of_it(self):
        self.world.parameters["SandboxRecipient"] = "tester@practice-portal.org"
        self.assert_problem(mail.account, "SandboxRecipient is set", "Make it empty")

    def test_sending_is_paused_or_about_to_be(self):
        for change, fragment in (
            ({"SendingEnabled": False}, "has paused sending"),
            ({"EnforcementStatus": "SHUTDOWN"}, "has paused sending"),
            ({"EnforcementStatus": "PROBATION"}, "under review in us-east-1 (PROBATION)"),
        ):
            self.world.answers["sesv2:GetAccount"] = {**self.answer, **change}
            self.assert_problem(mail.account, fragment, "reputation page")

    def test_more_senders_than_ses_can_use(self):
        for rate, most in ((1, 2), (14, 2), (100, 2), (101, 3), (500, 10)):
            self.answer["SendQuota"]["MaxSendRate"] = float(rate)
            self.world.parameters["SenderConcurrency"] = str(most)
            self.assert_ok(mail.account)
            self.world.parameters["SenderConcurrency"] = str(most + 1)
            fragment = f"sends up to {50 * (most + 1)} mails a second, and SES accepts {rate}."
            self.assert_problem(mail.account, fragment, f"Set SenderConcurrency={most},")


class Identity(CheckTest):
    def have(self, *names, verified=True, forwarding=False, owner=None):
        """Lets SES have these identities, and a stack own them."""
        answer = {"VerifiedForSendingStatus": verified, "FeedbackForwardingStatus": forwarding}
        self.world.answers["sesv2:GetEmailIdentity"] = lambda EmailIdentity: (
            answer if EmailIdentity in names else Refusal("NotFoundException")
        )
        if owner:
            resource = {
                "StackName": owner,
                "LogicalResourceId": "MailIdentity",
                "ResourceType": "AWS::SES::EmailIdentity",
                "Timestamp": "2026-01-01T00:00:00Z",
                "ResourceStatus": "CREATE_COMPLETE",
            }
            self.world.answers["cloudformation:DescribeStackResources"] = {"StackResources": [resource]}

    def test_the_stack_creates_it(self):
        self.assert_ok(mail.identity, f"The stack creates the identity of {DOMAIN}")

    def test_the_stack_has_it(self):
        self.have(DOMAIN, verified=False)
        self.world.deployed("UPDATE_COMPLETE", MailIdentity=DOMAIN)
        self.assert_ok(mail.identity, f"The stack has the identity of {DOMAIN}, which is not verified yet")

    def test_somebody_else_has_it(self):
        self.have(DOMAIN, owner="other")
        self.assert_problem(mail.identity, "already (the stack other has it)", f"ExistingMailIdentity={DOMAIN}")
        self.world.answers["cloudformation:DescribeStackResources"] = Refusal("ValidationError")
        self.assert_problem(mail.identity, "already (no stack has it)", f"ExistingMailIdentity={DOMAIN}")

    def test_an_adopted_identity(self):
        self.world.parameters["ExistingMailIdentity"] = DOMAIN
        self.have(DOMAIN)
        self.assert_ok(mail.identity, f"The stack adopts the identity of {DOMAIN}, which is verified.")
        self.have(DOMAIN, forwarding=True)
        self.assert_problem(mail.identity, "mails bounces", "--no-email-forwarding-enabled")
        self.have(DOMAIN, verified=False)
        self.assert_problem(mail.identity, "is not verified", "DKIM records")
        self.have()
        self.assert_problem(mail.identity, f"SES has no identity of {DOMAIN} here", "Make ExistingMailIdentity empty")

    def test_an_adopted_identity_is_the_mail_domain_or_above_it(self):
        self.world.parameters.update(MailDomain=f"mail.{DOMAIN}", ExistingMailIdentity=DOMAIN)
        self.have(DOMAIN)
        self.assert_ok(mail.identity, f"adopts the identity of {DOMAIN}")
        for name in (f"a.mail.{DOMAIN}", f"il.{DOMAIN}", "other.org"):
            self.world.parameters["ExistingMailIdentity"] = name
            self.have(name)
            self.assert_problem(mail.identity, "neither MailDomain nor above it", f"Set it to mail.{DOMAIN}")

    def test_an_identity_of_the_address_overrides_the_domains(self):
        address = f"no-reply@{DOMAIN}"
        self.have(address)
        findings = list(mail.identity(self.world.context()))
        self.assertEqual([it.status.value for it in findings], ["problem", "ok"])
        self.assertIn(address, findings[0].command)
