"""Parameters that the template accepts, and parameters that each assertion of its rules refuses. `test_template.py` shows both
to our own evaluation of the rules, and `test_local_stack.py` to CloudFormation."""

import dataclasses

from .world import PARAMETERS, REGION

ELSEWHERE = "eu-central-1"
WITHOUT_EDGE = {**PARAMETERS, "EdgeDomain": "", "EdgeCertificateArn": ""}


@dataclasses.dataclass(frozen=True)
class Case:
    """Parameters, and the description of the one assertion that they break."""

    name: str
    parameters: dict[str, str]
    refused: str | None = None
    region: str = REGION


CASES = (
    Case("everything is given", PARAMETERS),
    Case("no firewall", WITHOUT_EDGE),
    Case("no firewall, elsewhere", WITHOUT_EDGE, region=ELSEWHERE),
    Case("dev without a topic", {**WITHOUT_EDGE, "Stage": "dev", "AlarmTopicArn": ""}),
    Case("local without a topic", {**WITHOUT_EDGE, "Stage": "local", "AlarmTopicArn": ""}),
    Case(
        "prod without a topic",
        {**PARAMETERS, "AlarmTopicArn": ""},
        "The stage prod needs AlarmTopicArn, so that its alarms reach somebody.",
    ),
    Case(
        "a domain without a certificate",
        {**PARAMETERS, "EdgeCertificateArn": ""},
        "EdgeDomain needs EdgeCertificateArn, its certificate.",
    ),
    Case(
        "a certificate without a domain",
        {**PARAMETERS, "EdgeDomain": ""},
        "EdgeCertificateArn needs EdgeDomain, the name that it certifies.",
    ),
    Case(
        "a firewall elsewhere",
        PARAMETERS,
        "EdgeDomain needs a stack in us-east-1, because CloudFront takes firewalls from there only.",
        region=ELSEWHERE,
    ),
)
