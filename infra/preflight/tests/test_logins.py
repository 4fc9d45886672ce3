"""The user pool."""

from ..checks import logins
from .world import POOL, CheckTest, Refusal


class Logins(CheckTest):
    def test_the_pool_is_there_or_not_used(self):
        self.assert_ok(logins.check, f"The user pool {POOL} exists.")
        self.world.parameters["LoginUserPoolArn"] = ""
        self.assert_ok(logins.check, "POST /v1/logins")

    def test_the_pool_is_not_there(self):
        self.world.answers["cognito-idp:DescribeUserPool"] = Refusal("ResourceNotFoundException")
        self.assert_problem(logins.check, f"{POOL} does not exist", "Correct LoginUserPoolArn")

    def test_the_pool_is_elsewhere(self):
        self.world.region = "eu-central-1"
        self.assert_problem(logins.check, "is in us-east-1", "POST /v1/logins")
