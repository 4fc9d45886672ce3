"""What the stack adopts."""

from ..checks import adoption
from .world import ADOPTED, KEY, STACK, TABLE, CheckTest, Refusal

NAME = ADOPTED["ExistingTableName"]


class Adoption(CheckTest):
    def setUp(self):
        super().setUp()
        self.world.parameters.update(ADOPTED)

    def table(self, **changes):
        self.world.answers["dynamodb:DescribeTable"] = {"Table": {**TABLE, **changes}}

    def test_what_an_earlier_stack_left(self):
        self.assert_ok(adoption.check, "is there, and belongs together")

    def test_nothing_is_adopted(self):
        self.world.parameters.update(dict.fromkeys(ADOPTED, ""))
        self.assert_ok(adoption.check, "the stack's own")
        self.world.deployed("UPDATE_COMPLETE", Table=NAME, FingerprintPepper="arn")
        self.assert_ok(adoption.check, "the stack's own")

    def test_a_key_for_the_new_table(self):
        self.world.parameters.update(ExistingTableName="", ExistingPepperArn="")
        self.assert_ok(adoption.check, "is there, and belongs together")

    def test_a_table_that_is_not_there(self):
        self.world.answers["dynamodb:DescribeTable"] = Refusal("ResourceNotFoundException")
        self.assert_problem(adoption.check, f"The table {NAME} does not exist here", "Correct ExistingTableName")

    def test_a_table_that_is_being_restored(self):
        self.table(TableStatus="CREATING")
        self.assert_problem(adoption.check, "is CREATING", "Wait")

    def test_the_key_of_another_table(self):
        other = {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": KEY.replace("6f", "7f")}
        self.table(SSEDescription=other)
        self.assert_problem(adoption.check, f"and ExistingTableKeyArn is {KEY}", other["KMSMasterKeyArn"])
        self.table(SSEDescription={})
        self.assert_problem(adoption.check, "encrypted with no key of its own", "Set ExistingTableKeyArn=")
        self.table()
        self.world.parameters["ExistingTableKeyArn"] = ""
        self.assert_problem(adoption.check, "and ExistingTableKeyArn is empty", KEY)

    def test_a_table_restored_without_its_indexes(self):
        self.table(GlobalSecondaryIndexes=TABLE["GlobalSecondaryIndexes"][:1])
        self.assert_problem(adoption.check, "has no index link.", "Restore it with its indexes")
        self.table(GlobalSecondaryIndexes=[])
        self.assert_problem(adoption.check, "has no index due and no index link.")

    def test_a_key_that_cannot_be_used(self):
        for answer, state in (
            ({"KeyMetadata": {"KeyId": KEY, "KeyState": "PendingDeletion"}}, "PendingDeletion"),
            ({"KeyMetadata": {"KeyId": KEY, "KeyState": "Disabled"}}, "Disabled"),
            (Refusal("NotFoundException"), "missing"),
        ):
            self.world.answers["kms:DescribeKey"] = answer
            self.assert_problem(adoption.check, f"is {state}: the table could not be read", "aws kms enable-key")

    def test_a_pepper_that_cannot_be_used(self):
        self.world.answers["secretsmanager:DescribeSecret"] = Refusal("ResourceNotFoundException")
        self.assert_problem(adoption.check, "does not exist here", "Correct it")
        self.world.answers["secretsmanager:DescribeSecret"] = {"Name": "x", "DeletedDate": "2026-01-01T00:00:00Z"}
        self.assert_problem(adoption.check, "going to be deleted", "restore-secret")

    def test_a_new_pepper_for_an_old_table(self):
        self.world.parameters["ExistingPepperArn"] = ""
        self.assert_problem(adoption.check, "with a new pepper no address in it would be found", "Set ExistingPepperArn")
        # A restored table of a stack that has the pepper.
        self.world.deployed("UPDATE_COMPLETE", Table=f"{STACK}-Table-OLD", FingerprintPepper="arn")
        self.assert_ok(adoption.check)

    def test_a_stack_that_would_lose_what_it_adopted(self):
        self.world.deployed("UPDATE_COMPLETE")
        self.assert_ok(adoption.check)
        self.world.parameters.update(ExistingTableName="", ExistingTableKeyArn="")
        self.assert_problem(adoption.check, "go on with a new, empty table", "the output TableName")
        self.world.parameters.update(ADOPTED, ExistingPepperArn="")
        self.assert_problem(adoption.check, "with a new pepper", "Set ExistingPepperArn")
