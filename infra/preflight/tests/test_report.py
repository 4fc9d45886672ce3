"""The whole program: its report and its exit codes."""

import contextlib
import io
import json
import re
import unittest.mock

from .. import __main__ as program
from .. import checks
from ..findings import CouldNotBeChecked
from .world import ADOPTED, DISCOVERY, INFRA, PARAMETERS, STACK, CheckTest, Refusal, StubbedAws

DOCUMENT = INFRA.parent / "docs" / "DEPLOYING.md"


class Report(CheckTest):
    def run_program(self, *arguments, stage="prod", region="us-east-1"):
        """Runs it for the world. Returns the exit code, and what it wrote to standard output and to standard error."""
        config = self.folder() / "samconfig.toml"
        overrides = json.dumps([f"{name}={value}" for name, value in self.world.parameters.items()])
        lines = [f"[{stage}.deploy.parameters]", f'stack_name = "{STACK}"', f"parameter_overrides = {overrides}"]
        config.write_text("\n".join([*lines, f'region = "{region}"' if region else ""]), encoding="utf-8")
        files = ["--config-file", config, "--template", INFRA / "template.yaml", "--build-folder", "/nowhere"]

        def stubbed(region, _profile, _endpoint):
            self.world.aws = StubbedAws(region, self.world.answers)
            return self.world.aws

        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            words = [str(word) for word in ["--stage", stage, *files, *arguments]]
            code = program.main(words, aws=stubbed, fetch=self.world.fetch)
        return code, output.getvalue(), errors.getvalue()

    def spoil(self):
        """Makes the mistakes of a first deployment to a new account."""
        self.world.parameters.update(
            Issuer=PARAMETERS["Issuer"] + "/", AlarmTopicArn="", EdgeCertificateArn="", SenderConcurrency="5"
        )
        self.world.answers["lambda:GetAccountSettings"] = {
            "AccountLimit": {"ConcurrentExecutions": 10, "UnreservedConcurrentExecutions": 10}
        }
        self.world.answers["sesv2:GetAccount"] = {
            "SendingEnabled": True,
            "ProductionAccessEnabled": False,
            "SendQuota": {"MaxSendRate": 1.0, "Max24HourSend": 200.0},
        }
        self.world.answers["sesv2:GetEmailIdentity"] = lambda EmailIdentity: (
            {"VerifiedForSendingStatus": True} if "@" not in EmailIdentity else Refusal("NotFoundException")
        )
        self.world.answers["dynamodb:ListTables"] = {"TableNames": [f"{STACK}-Table-1KX0Q2ZL9T8V"]}
        self.world.answers["secretsmanager:ListSecrets"] = Refusal("AccessDeniedException")

    def assert_documented(self, output):
        self.assertIn(f"```console\n$ cargo xtask preflight --stage prod\n{output}```", DOCUMENT.read_text(encoding="utf-8"))

    def test_a_good_stage(self):
        code, output, errors = self.run_program()
        self.assertEqual((code, errors), (0, ""))
        self.assert_documented(output)

    def test_a_bad_stage(self):
        self.spoil()
        code, output, errors = self.run_program()
        self.assertEqual((code, errors), (1, ""))
        self.assert_documented(output)

    def test_every_permission_is_documented(self):
        identity = {"VerifiedForSendingStatus": True}
        self.world.answers["sesv2:GetEmailIdentity"] = lambda EmailIdentity: identity
        self.run_program()
        called = {name for name, _parameters in self.world.aws.calls}
        self.world.deployed("UPDATE_COMPLETE")
        self.world.parameters.update(ADOPTED)
        self.run_program()
        called |= {name for name, _parameters in self.world.aws.calls}
        # Everybody may make this one.
        called.remove("sts:GetCallerIdentity")
        sentence = DOCUMENT.read_text(encoding="utf-8").partition("its caller needs")[2].partition(". A check")[0]
        documented = set(re.findall(r"`([a-z-]+:[A-Za-z]+)`", sentence))
        self.assertEqual({name.replace("sesv2:", "ses:") for name in called}, documented)

    def test_json_has_the_same_findings(self):
        self.spoil()
        code, output, _errors = self.run_program("--json")
        report = json.loads(output)
        self.assertEqual(code, 1)
        self.assertEqual((report["stage"], report["stackName"], report["region"]), ("prod", STACK, "us-east-1"))
        statuses = {it["status"] for it in report["findings"]}
        self.assertEqual(statuses, {"ok", "problem", "unknown"})
        for finding in report["findings"]:
            self.assertEqual(finding["remedy"] is not None, finding["status"] == "problem", finding)

    def test_what_could_not_be_checked_is_no_success(self):
        self.world.documents[DISCOVERY] = CouldNotBeChecked("no network")
        code, output, _errors = self.run_program()
        self.assertEqual(code, 3)
        self.assertTrue(output.endswith("No problem found; 1 could not be checked.\n"), output)

    def test_usage(self):
        code, output, errors = self.run_program("--stage", "test")
        self.assertEqual((code, output), (2, ""))
        self.assertIn("no section for the stage test", errors)
        with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit) as exit_of_parser:
            program.main(["--nonsense"])
        self.assertEqual(exit_of_parser.exception.code, 2)

    def test_nonsense_in_a_parameter_breaks_no_check(self):
        for name in PARAMETERS:
            for nonsense in ("", "a", "arn:aws", "ö\n@ %"):
                self.world.parameters = {**PARAMETERS, name: nonsense}
                made = [check for check, _finding in checks.run(self.world.context())]
                self.assertEqual(list(dict.fromkeys(made)), list(checks.CHECKS), (name, nonsense))

    def test_nothing_is_given(self):
        self.world.parameters = {}
        code, output, _errors = self.run_program()
        self.assertEqual(code, 1)
        self.assertIn("MailDomain is missing: it has no default.", output)

    def test_no_region(self):
        code, output, _errors = self.run_program(region=None)
        self.assertEqual(code, 1)
        self.assertIn("samconfig.toml names no region, so it depends on who deploys.", output)
        self.assertEqual(self.world.aws.calls, [])

    def test_a_secret_is_never_printed(self):
        secret = "canary-of-a-secret"
        with unittest.mock.patch.dict("os.environ", AWS_SECRET_ACCESS_KEY=secret, AWS_SESSION_TOKEN=secret):
            self.spoil()
            for arguments in ((), ("--json",)):
                code, output, errors = self.run_program(*arguments)
                self.assertEqual(code, 1)
                self.assertNotIn(secret, output + errors)
