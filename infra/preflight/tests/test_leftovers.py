"""What is in the way of a stack."""

import unittest

from ..checks import leftovers
from .world import ACCOUNT, REGION, STACK, TEMPLATE, CheckTest

GROUP = f"/aws/lambda/{STACK}-invite"
TAG = {"Key": "aws:cloudformation:stack-name", "Value": STACK}


class Leftovers(CheckTest):
    def test_nothing_is_in_the_way(self):
        self.assert_ok(leftovers.check, "Nothing is in the way")

    def test_names_of_others_are_not_in_the_way(self):
        self.world.answers["logs:DescribeLogGroups"] = {"logGroups": [{"logGroupName": f"{GROUP}-2"}]}
        self.world.answers["lambda:ListFunctions"] = {"Functions": [{"FunctionName": f"{STACK}-other"}]}
        self.world.answers["dynamodb:ListTables"] = {"TableNames": ["Table-1", f"{STACK}-dev-Table-1", f"{STACK}-TableX"]}
        secrets = [
            {"Name": "FingerprintPepper-1", "Tags": [{**TAG, "Value": "other"}]},
            {"Name": "FingerprintPepper-2"},
        ]
        self.world.answers["secretsmanager:ListSecrets"] = {"SecretList": secrets}
        self.assert_ok(leftovers.check)

    def test_a_log_group(self):
        self.world.answers["logs:DescribeLogGroups"] = lambda logGroupNamePrefix: {
            "logGroups": [{"logGroupName": it} for it in (GROUP, f"{GROUP}-x") if it.startswith(logGroupNamePrefix)]
        }
        self.assert_problem(leftovers.check, f"{GROUP} exists already", f"delete-log-group --log-group-name {GROUP}")
        # One call for each beginning of the names, not one for each name.
        calls = [it for it in self.world.aws.calls if it[0] == "logs:DescribeLogGroups"]
        prefixes = [parameters["logGroupNamePrefix"] for _name, parameters in calls]
        self.assertEqual(prefixes, [f"/aws/lambda/{STACK}", f"/aws/vendedlogs/{STACK}"])

    def test_a_function_and_a_configuration_set(self):
        self.world.answers["lambda:ListFunctions"] = {"Functions": [{"FunctionName": f"{STACK}-sender"}]}
        self.assert_problem(leftovers.check, f"{STACK}-sender exists already", "delete-function")
        self.world.answers["lambda:ListFunctions"] = {"Functions": []}
        self.world.answers["sesv2:GetConfigurationSet"] = {"ConfigurationSetName": f"{STACK}-invitations"}
        self.assert_problem(leftovers.check, f"{STACK}-invitations exists already", "delete-configuration-set")

    def test_many_are_shortened(self):
        names = sorted(f"/aws/lambda/{STACK}-{name}" for name in ("bulk", "invite", "sender", "status", "sweep"))
        for count, rest in ((3, ""), (4, " and 1 more"), (5, " and 2 more")):
            groups = [{"logGroupName": it} for it in names[:count]]
            self.world.answers["logs:DescribeLogGroups"] = {"logGroups": groups}
            self.assert_problem(leftovers.check, f"{', '.join(names[:3])}{rest} exist already")

    def test_what_the_stack_has_is_its_own(self):
        self.world.deployed("UPDATE_COMPLETE", InviteLogs=GROUP)
        self.world.answers["logs:DescribeLogGroups"] = {"logGroups": [{"logGroupName": GROUP}]}
        # Of a stack that has its table, an older one is in nobody's way.
        self.world.answers["dynamodb:ListTables"] = {"TableNames": [f"{STACK}-Table-OLD"]}
        self.assert_ok(leftovers.check)

    def test_what_the_stack_no_longer_has_is_not_its_own(self):
        self.world.answers["logs:DescribeLogGroups"] = {"logGroups": [{"logGroupName": GROUP}]}
        for status in ("DELETE_COMPLETE", "DELETE_SKIPPED"):
            self.world.deployed("UPDATE_COMPLETE", status, InviteLogs=GROUP)
            self.assert_problem(leftovers.check, GROUP)

    def test_a_failed_creation_has_nothing_of_its_own(self):
        self.world.deployed("ROLLBACK_COMPLETE", InviteLogs=GROUP)
        self.world.answers["logs:DescribeLogGroups"] = {"logGroups": [{"logGroupName": GROUP}]}
        self.assert_problem(leftovers.check, GROUP)

    def test_a_table_of_an_earlier_stack(self):
        self.world.answers["dynamodb:ListTables"] = {"TableNames": [f"{STACK}-Table-1X2Y3Z", "other"]}
        adopt = "Adopt it: ExistingTableName in samconfig.toml"
        self.assert_problem(leftovers.check, f"{STACK}-Table-1X2Y3Z is left over", adopt)

    def test_a_pepper_of_an_earlier_stack(self):
        self.world.answers["secretsmanager:ListSecrets"] = {"SecretList": [{"Name": "FingerprintPepper-1", "Tags": [TAG]}]}
        self.assert_problem(leftovers.check, "FingerprintPepper-1 is left over", "ExistingPepperArn in samconfig.toml")
        # An adopted one is not created.
        self.world.parameters["ExistingPepperArn"] = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:FingerprintPepper-1"
        self.assert_ok(leftovers.check)

    def test_an_answer_has_several_pages(self):
        self.world.answers["dynamodb:ListTables"] = lambda **parameters: (
            {"TableNames": [f"{STACK}-Table-1"]}
            if "ExclusiveStartTableName" in parameters
            else {"TableNames": ["other"], "LastEvaluatedTableName": "other"}
        )
        self.assert_problem(leftovers.check, f"{STACK}-Table-1 is left over")


class Template(unittest.TestCase):
    """What has a fixed name can be taken, and what is retained can be left over. So a check knows each."""

    # Their names are not unique, or are unique only within another resource of the stack.
    FREE_NAMES = {"AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Authorizer", "AWS::ApiGatewayV2::Stage"}
    # A key has no name that could be taken: each new stack makes its own. `mail.identity` looks for the SES identity.
    FREE_RETAINED = {"AWS::KMS::Key", "AWS::SES::EmailIdentity"}

    def test_every_fixed_name_is_looked_for(self):
        named = set()
        for resource in TEMPLATE["Resources"].values():
            kind, properties = resource["Type"], resource.get("Properties", {})
            # Such as TableName of a table, and Name.
            own = {"Name", f"{kind.rpartition(':')[2]}Name"}
            if own & properties.keys():
                named.add(kind)
        self.assertEqual(named - self.FREE_NAMES, set(leftovers.NAMED))

    def test_everything_that_is_retained_is_looked_for(self):
        retained = {it["Type"] for it in TEMPLATE["Resources"].values() if it.get("DeletionPolicy", "Delete") != "Delete"}
        self.assertEqual(retained - self.FREE_RETAINED, set(leftovers.RETAINED))

    def test_everything_that_is_retained_can_be_adopted(self):
        for name, resource in TEMPLATE["Resources"].items():
            if resource.get("DeletionPolicy", "Delete") != "Delete":
                self.assertIn("Condition", resource, name)
