"""SES: the mail domain's identity, and what the account may send."""

import math

from ..findings import ok, problem

# A sender has ten mails in flight, and a mail takes about 0.2 s (`SenderConcurrency` in the template).
MAILS_PER_SECOND_OF_A_SENDER = 50


def account(context):
    """Whether the account may send to anybody, and how much."""
    answer = context.aws.ask("sesv2", "get_account")
    region = context.deployment.region
    fine = True
    if not answer.get("SendingEnabled", True) or answer.get("EnforcementStatus", "HEALTHY") == "SHUTDOWN":
        fine = False
        yield problem(f"SES has paused sending for this account in {region}.", "See the reputation page of the SES console.")
    elif answer.get("EnforcementStatus", "HEALTHY") != "HEALTHY":
        fine = False
        yield problem(
            f"SES has the account under review in {region} ({answer['EnforcementStatus']}): it may pause sending soon.",
            "See the reputation page of the SES console.",
        )
    in_sandbox = not answer.get("ProductionAccessEnabled", False)
    if in_sandbox and context.deployment.stage == "prod":
        fine = False
        yield problem(
            f"The account is in SES's sandbox in {region}: no patient would get a mail.",
            "Ask AWS for production access (SES console, account dashboard). It takes a day or more. The stack can be "
            "deployed meanwhile.",
        )
    quota = answer.get("SendQuota", {})
    rate, daily = quota.get("MaxSendRate", 0), quota.get("Max24HourSend", 0)
    senders = int(context.planned.value("SenderConcurrency"))
    enough = max(context.planned.declared["SenderConcurrency"]["MinValue"], math.ceil(rate / MAILS_PER_SECOND_OF_A_SENDER))
    if senders > enough:
        fine = False
        yield problem(
            f"SenderConcurrency={senders} sends up to {senders * MAILS_PER_SECOND_OF_A_SENDER} mails a second, and SES accepts "
            f"{rate:g}. The others would be refused and sent again.",
            f"Set SenderConcurrency={enough}, or ask AWS for a higher sending rate.",
        )
    if not in_sandbox and context.planned.value("SandboxRecipient"):
        fine = False
        yield problem(
            "SandboxRecipient is set, and the account is not in SES's sandbox.",
            "Make it empty: nobody needs that permission now.",
        )
    if fine:
        access = "is in the sandbox (only verified addresses get mail)" if in_sandbox else "has production access"
        limit = "without a daily limit" if daily < 0 else f"{daily:,.0f} a day"
        yield ok(f"The account {access}. SES accepts {rate:g} mails a second, {limit}.")


def identity(context):
    """Whether the domain's identity is there already, and whose it is."""
    domain, sender = context.planned.value("MailDomain"), context.planned.value("MailFrom")
    if _identity(context, sender):
        yield problem(
            f"SES has an identity for the address {sender} too. Its settings (DKIM, feedback) override those of the domain.",
            "Delete it, if nothing else sends from it.",
            f"aws sesv2 delete-email-identity --email-identity {sender}",
        )
    adopted = context.planned.value("ExistingMailIdentity")
    if adopted:
        yield from _adopted(context, adopted, domain)
        return
    answer = _identity(context, domain)
    if not answer:
        yield ok(f"The stack creates the identity of {domain}. Its DNS records will be in the stack's outputs.")
    elif context.deployed.has(domain):
        verified = "verified" if answer.get("VerifiedForSendingStatus") else "not verified yet: its records are not in the DNS"
        yield ok(f"The stack has the identity of {domain}, which is {verified}.")
    else:
        owner = _owner(context, domain)
        whose = f"the stack {owner} has it" if owner else "no stack has it"
        yield problem(
            f"SES has an identity of {domain} already ({whose}), and CloudFormation cannot create it again.",
            f"Adopt it: ExistingMailIdentity={domain} in samconfig.toml.",
        )


def _adopted(context, name, domain):
    """An identity that the stack uses as it is."""
    fine = True
    if domain != name and not domain.endswith(f".{name}"):
        fine = False
        yield problem(
            f"ExistingMailIdentity {name} is neither MailDomain nor above it: SES would refuse every mail.",
            f"Set it to {domain}, or to a domain above it.",
        )
    answer = _identity(context, name)
    if not answer:
        yield problem(
            f"SES has no identity of {name} here, and ExistingMailIdentity adopts it.",
            "Make ExistingMailIdentity empty, so that the stack creates one.",
        )
        return
    if not answer.get("VerifiedForSendingStatus"):
        fine = False
        yield problem(f"The adopted identity of {name} is not verified.", "Put its DKIM records into the domain's DNS.")
    if answer.get("FeedbackForwardingStatus"):
        fine = False
        yield problem(
            f"SES mails bounces of the adopted identity of {name} to MailFrom, with the patients' addresses.",
            "Turn this off: the stack gets the same information as mail events.",
            f"aws sesv2 put-email-identity-feedback-attributes --email-identity {name} --no-email-forwarding-enabled",
        )
    if fine:
        yield ok(f"The stack adopts the identity of {name}, which is verified.")


def _identity(context, name):
    return context.aws.ask("sesv2", "get_email_identity", absent=("NotFoundException",), EmailIdentity=name)


def _owner(context, physical_id):
    """The stack that a resource belongs to; None if it belongs to none."""
    answer = context.aws.ask(
        "cloudformation", "describe_stack_resources", absent=("ValidationError",), PhysicalResourceId=physical_id
    )
    return answer["StackResources"][0]["StackName"] if answer and answer["StackResources"] else None
