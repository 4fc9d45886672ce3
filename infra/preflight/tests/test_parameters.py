"""The values of `samconfig.toml`."""

from ..checks import parameters
from .world import CheckTest


class Parameters(CheckTest):
    def test_constraints(self):
        self.assert_ok(parameters.constraints, "15 parameters are as the template demands")
        self.world.parameters["AlarmTopicArn"] = ""
        self.assert_problem(parameters.constraints, "The stage prod needs AlarmTopicArn")
        del self.world.parameters["Issuer"]
        self.assert_problem(parameters.constraints, "Issuer is missing", "samconfig.toml")

    def test_sample_values(self):
        self.assert_ok(parameters.samples)
        for sample in ("https://staff.example.com", "https://staff.dev.example.org", "arn:aws:sns:x:123456789012:alarms"):
            self.world.parameters["CorsOrigins"] = sample
            self.assert_problem(parameters.samples, "left in CorsOrigins:", "your own values")

    def test_the_sender_is_at_the_mail_domain(self):
        self.assert_ok(parameters.consistency)
        for sender in ("no-reply@other.org", "no-reply@mail.practice-portal.org", "no-reply@xpractice-portal.org"):
            self.world.parameters["MailFrom"] = sender
            self.assert_problem(parameters.consistency, sender, "@practice-portal.org")

    def test_the_section_deploys_its_own_stage(self):
        self.world.parameters["Stage"] = "dev"
        self.assert_problem(parameters.consistency, "The section prod deploys Stage=dev")

    def test_the_stacks_name_leaves_room_for_the_functions(self):
        functions = (it for it in self.world.template["Resources"].values() if it["Type"] == "AWS::Serverless::Function")
        longest = max(len("-" + it["Metadata"]["BuildProperties"]["Binary"]) for it in functions)
        self.world.stack = "s" * (64 - longest)
        self.assert_ok(parameters.consistency)
        self.world.stack += "s"
        self.assert_problem(parameters.consistency, "is too long", f"a name of {64 - longest} characters or less")

    def test_loopback_is_for_the_local_stack(self):
        self.world.parameters["PortalBaseUrl"] = "http://localhost:8080"
        self.assert_problem(parameters.consistency, "PortalBaseUrl is not an https URL")
