"""The alarms' topic."""

from ..checks import alarms
from ..findings import CouldNotBeChecked
from .world import CheckTest, Refusal


class Alarms(CheckTest):
    def attributes(self, **attributes):
        self.world.answers["sns:GetTopicAttributes"] = {"Attributes": attributes}

    def test_a_topic_with_subscribers(self):
        self.assert_ok(alarms.check, "on-duty, which has subscribers")
        # Of another account's topic not every attribute can be read.
        self.attributes()
        self.assert_ok(alarms.check)
        self.attributes(SubscriptionsConfirmed="1", KmsMasterKeyId="alias/our-own")
        self.assert_ok(alarms.check)

    def test_no_topic(self):
        self.world.parameters["AlarmTopicArn"] = ""
        with self.assertRaisesRegex(CouldNotBeChecked, "AlarmTopicArn is missing"):
            list(alarms.check(self.world.context()))
        self.world.stage = "dev"
        self.assert_ok(alarms.check, "in the console only")

    def test_a_topic_that_is_not_there(self):
        self.world.answers["sns:GetTopicAttributes"] = Refusal("NotFound")
        self.assert_problem(alarms.check, "does not exist", "Create it")

    def test_a_topic_that_reaches_nobody(self):
        self.attributes(SubscriptionsConfirmed="0")
        self.assert_problem(alarms.check, "Nobody has a confirmed subscription", "Subscribe")
        self.attributes(SubscriptionsConfirmed="1", KmsMasterKeyId="alias/aws/sns")
        self.assert_problem(alarms.check, "CloudWatch may not use", "cloudwatch.amazonaws.com")

    def test_a_topic_elsewhere(self):
        self.world.region = "eu-central-1"
        self.assert_problem(alarms.check, "in another region than eu-central-1", "Use a topic in eu-central-1")
