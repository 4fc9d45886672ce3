"""What the template makes of parameters."""

import unittest

from ..findings import CouldNotBeChecked
from ..template import UNRESOLVED, PlannedStack, TemplateError
from .rule_cases import CASES
from .world import PARAMETERS, REGION, STACK, TEMPLATE

# A template with an adopted table, a secret parameter, and every function that is understood.
SMALL = {
    "Parameters": {
        "ExistingTable": {"Type": "String", "Default": ""},
        "Key": {"Type": "String", "Default": "x", "AllowedPattern": "^[a-z]+$", "NoEcho": True},
        "Count": {"Type": "Number", "Default": 2, "MinValue": 2, "MaxValue": 5},
        "Flag": {"Type": "String", "Default": True, "AllowedValues": [True, False]},
        "List": {"Type": "CommaDelimitedList", "Default": "a, b", "AllowedPattern": "^[a-z]*$"},
        "Needed": {"Type": "String", "MinLength": 1, "MaxLength": 3},
    },
    "Conditions": {
        "Creates": {"Fn::Equals": [{"Ref": "ExistingTable"}, ""]},
        "Both": {"Fn::And": [{"Condition": "Creates"}, {"Fn::Equals": [{"Ref": "Flag"}, True]}]},
    },
    "Resources": {
        "Table": {
            "Type": "T",
            "Condition": "Creates",
            "DeletionPolicy": "RetainExceptOnCreate",
            "Properties": {"Name": {"Fn::Sub": "${AWS::StackName}-${Needed}"}, "Key": {"Fn::GetAtt": ["K", "Arn"]}},
        },
        "Queue": {
            "Type": "Q",
            "Properties": {
                "Size": {"Fn::If": ["Both", {"Ref": "Count"}, 7]},
                "All": {"Fn::Join": ["+", {"Ref": "List"}]},
                "Arn": {"Fn::Sub": "x/${Table}"},
                "Dead": {"Fn::Join": ["", ["a", {"Ref": "Table"}]]},
            },
        },
    },
}


def small(**given):
    """The small template with these parameters."""
    return PlannedStack(SMALL, {"Needed": "n", **given}, "stack", REGION)


def ours(parameters, region=REGION):
    """Our own template with these parameters."""
    return PlannedStack(TEMPLATE, parameters, STACK, region)


class Constraints(unittest.TestCase):
    def assert_complaint(self, planned, complaint):
        self.assertEqual(list(planned.complaints()), [complaint])

    def test_values_are_refused_in_plain_words(self):
        for good in ({}, {"Count": "5"}, {"Needed": "abc"}, {"List": ""}, {"Flag": "false"}):
            self.assertEqual(list(small(**good).complaints()), [], good)
        self.assert_complaint(PlannedStack(SMALL, {}, "s", REGION), "Needed is missing: it has no default.")
        self.assert_complaint(small(Typo="1"), "The template has no parameter Typo.")
        self.assert_complaint(small(Count="1"), "Count must be a number, at least 2 and at most 5; it is `1`.")
        self.assert_complaint(small(Count="6"), "Count must be a number, at least 2 and at most 5; it is `6`.")
        self.assert_complaint(small(Count="x"), "Count must be a number, at least 2 and at most 5; it is `x`.")
        self.assert_complaint(small(Flag="True"), "Flag must be one of true, false; it is `True`.")
        self.assert_complaint(small(List="a,B"), "List does not fit its constraints; it is `a,B`.")
        self.assert_complaint(small(Needed=""), "Needed does not fit its constraints; it is ``.")
        self.assert_complaint(small(Needed="long"), "Needed does not fit its constraints; it is `long`.")

    def test_a_secret_is_not_shown(self):
        self.assert_complaint(small(Key="HUSH"), "Key does not fit its constraints.")

    def test_a_check_gets_valid_values_only(self):
        self.assertEqual(small(Count="3").value("Count"), "3")
        for planned in (small(Count="6"), PlannedStack(SMALL, {}, "s", REGION)):
            with self.assertRaises(CouldNotBeChecked):
                planned.value("Count" if planned.given else "Needed")

    def test_our_template_wants_what_its_code_can_use(self):
        for name, good, bad in (
            # AWS accepts https issuers only; loopback is the local stack's.
            ("Issuer", "https://login.practice.org/realms/x/", "http://login.practice.org/"),
            ("Issuer", "http://127.0.0.1:4580/issuer", "http://127.0.0.1.practice.org/issuer"),
            ("Issuer", "http://localhost/issuer", "https://"),
            # Its discovery document is looked for below it.
            ("Issuer", "https://practice.org/a", "https://practice.org/?a"),
            ("Issuer", "https://login.practice.org:8443/", "https://me:secret@login.practice.org/"),
            # IAM compares the sender's address by case, and the code writes lower case.
            ("MailFrom", "no-reply@practice.org", "No-Reply@practice.org"),
            ("MailFrom", "a.b+c_d@mail.practice.org", "no-reply@Practice.org"),
            ("MailFrom", "x@practice.org", "Practice <x@practice.org>"),
            ("MailFrom", "0@practice.org", "x@practice.org,y@practice.org"),
            ("PortalBaseUrl", "https://portal.practice.org", "http://portal.practice.org"),
            ("PortalBaseUrl", "https://practice.org/portal", "https://practice.org/portal/"),
            ("PortalBaseUrl", "http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("PortalBaseUrl", "http://pages.localhost:4580/a", "http://localhost.practice.org"),
            ("PortalBaseUrl", "https://portal.practice.org:8443", "https://portal.practice.org/#a"),
        ):
            with self.subTest(name, good=good, bad=bad):
                self.assertEqual(list(ours({**PARAMETERS, name: good}).complaints()), [])
                self.assertEqual(len(list(ours({**PARAMETERS, name: bad}).complaints())), 1)


class Rules(unittest.TestCase):
    def test_each_case_breaks_the_assertion_that_it_says(self):
        for case in CASES:
            with self.subTest(case.name):
                complaints = list(ours(case.parameters, case.region).complaints())
                self.assertEqual(complaints, [case.refused] if case.refused else [])

    def test_every_assertion_is_broken_by_a_case(self):
        assertions = [it["AssertDescription"] for rule in TEMPLATE["Rules"].values() for it in rule["Assertions"]]
        self.assertEqual(sorted(assertions), sorted({case.refused for case in CASES} - {None}))

    def test_a_rule_that_nobody_understands_is_not_taken_for_kept(self):
        rule = {"Assertions": [{"Assert": {"Fn::Odd": []}, "AssertDescription": "odd"}]}
        with self.assertRaises(TemplateError):
            list(PlannedStack({**SMALL, "Rules": {"R": rule}}, {"Needed": "n"}, "s", REGION).complaints())
        rule = {"Assertions": [{"Assert": {"Fn::Equals": [{"Ref": "AWS::Region"}, "x"]}, "AssertDescription": "region"}]}
        with self.assertRaises(TemplateError):
            list(PlannedStack({**SMALL, "Rules": {"R": rule}}, {"Needed": "n"}, "s", None).complaints())


class Resources(unittest.TestCase):
    def test_an_expression_has_a_value_or_is_unresolved(self):
        self.assertEqual(list(small().resources("T")), [("Table", {"Name": "stack-n", "Key": UNRESOLVED})])
        properties = {"Size": "2", "All": "a+b", "Arn": UNRESOLVED, "Dead": UNRESOLVED}
        self.assertEqual(list(small().resources("Q")), [("Queue", properties)])
        self.assertEqual(dict(small(Flag="false").resources("Q"))["Queue"]["Size"], 7)

    def test_an_adopted_resource_is_not_created(self):
        self.assertEqual(list(small().retained()), [("Table", "T")])
        adopting = small(ExistingTable="t")
        self.assertEqual((list(adopting.resources("T")), list(adopting.retained())), ([], []))
        self.assertEqual((small().deciders("Table"), small().deciders("Queue")), (["ExistingTable"], []))
