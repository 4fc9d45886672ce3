"""The values in `samconfig.toml`, before anybody is asked."""

from ..findings import ok, problem

CHANGE = "Change it in samconfig.toml; infra/template.yaml describes each parameter."
# The longest name of a function.
MAX_NAME_LENGTH = 64
# Names that belong to nobody (RFC 2606), and the account of AWS's documentation.
SAMPLES = ("example.com", "example.net", "example.org", "123456789012")


def constraints(context):
    """The template's own constraints and rules: what CloudFormation would refuse at once."""
    complaints = list(context.planned.complaints())
    for complaint in complaints:
        yield problem(complaint, CHANGE)
    if not complaints:
        yield ok(f"{len(context.planned.given)} parameters are as the template demands, and its rules hold.")


def samples(context):
    """Values that were never replaced."""
    left = [name for name, value in context.planned.given.items() if any(sample in value for sample in SAMPLES)]
    if left:
        yield problem(
            f"Sample values are left in {', '.join(left)}: they name example.com or the account 123456789012.",
            "Write your own values into samconfig.toml.",
        )
    else:
        yield ok("No sample value is left in samconfig.toml.")


def consistency(context):
    """What no rule of the template can express."""
    planned, deployment = context.planned, context.deployment
    fine = True
    if planned.value("Stage") != deployment.stage:
        fine = False
        yield problem(f"The section {deployment.stage} deploys Stage={planned.value('Stage')}.", CHANGE)
    names = [properties["FunctionName"] for _id, properties in planned.resources("AWS::Serverless::Function")]
    excess = max(len(name) for name in names) - MAX_NAME_LENGTH
    if excess > 0:
        fine = False
        yield problem(
            f"The stack's name {deployment.stack_name} is too long: names of functions begin with it, and Lambda takes "
            f"{MAX_NAME_LENGTH} characters.",
            f"Set stack_name to a name of {len(deployment.stack_name) - excess} characters or less.",
        )
    for name in ("Issuer", "PortalBaseUrl"):
        if not planned.value(name).startswith("https://"):
            fine = False
            yield problem(f"{name} is not an https URL. Loopback is for the local stack.", CHANGE)
    sender, domain = planned.value("MailFrom"), planned.value("MailDomain")
    if sender.rpartition("@")[2] != domain:
        fine = False
        yield problem(
            f"MailFrom `{sender}` is not an address at MailDomain `{domain}`: SES would refuse every mail.",
            f"Set MailFrom to an address that ends with @{domain}.",
        )
    if fine:
        yield ok("The values fit each other: MailFrom is at MailDomain; Issuer and PortalBaseUrl are https.")
