"""The checks, in the order of the report."""

from ..findings import CouldNotBeChecked, unknown
from . import account, adoption, alarms, build, concurrency, edge, issuer, leftovers, logins, mail, parameters, protection

# Each is a generator of findings. The first ones ask nobody; after `credentials` all ask AWS.
CHECKS = {
    "parameters": parameters.constraints,
    "sample values": parameters.samples,
    "consistency": parameters.consistency,
    "build": build.check,
    "identity provider": issuer.check,
    "region": account.region,
    "credentials": account.credentials,
    "stack": account.stack,
    "leftovers": leftovers.check,
    "adoption": adoption.check,
    "protection": protection.check,
    "mail identity": mail.identity,
    "SES": mail.account,
    "concurrency": concurrency.check,
    "alarms": alarms.check,
    "logins": logins.check,
    "edge": edge.check,
}


def run(context):
    """Makes every check. One that cannot be made does not keep the others from being made."""
    for name, check in CHECKS.items():
        try:
            for finding in check(context):
                yield name, finding
        except CouldNotBeChecked as reason:
            yield name, unknown(reason)
