"""Lambda's concurrency: what the stack reserves must leave the account the minimum that Lambda demands."""

from ..findings import ok, problem
from ..template import number

# Lambda refuses a reservation that leaves less than this unreserved.
LEAST_UNRESERVED = 100
# The limit of an account that has been in use for a while.
USUAL_LIMIT = 1000


def check(context):
    """The account's limit against the reservations of the template."""
    limits = context.aws.ask("lambda", "get_account_settings")["AccountLimit"]
    reserved = {
        properties["FunctionName"]: number(properties["ReservedConcurrentExecutions"])
        for _id, properties in context.planned.resources("AWS::Serverless::Function")
        if "ReservedConcurrentExecutions" in properties
    }
    needed = sum(reserved.values())
    # What the deployed stack has reserved already is free for its update.
    unreserved = limits["UnreservedConcurrentExecutions"] + sum(_reserved_now(context, name) for name in reserved)
    if unreserved - needed >= LEAST_UNRESERVED:
        yield ok(f"The stack reserves {needed} of Lambda's concurrency, and leaves {unreserved - needed} to everything else.")
        return
    limit = limits["ConcurrentExecutions"]
    least = limit - unreserved + needed + LEAST_UNRESERVED
    wanted = max(least, USUAL_LIMIT)
    better = f", better {wanted:,}" if wanted > least else ""
    new = ", as in a new account" if limit <= 10 else ""
    yield problem(
        f"The account's limit of concurrent executions is {limit}{new}, of which {unreserved} are free. The stack reserves "
        f"{needed}, and Lambda demands that {LEAST_UNRESERVED} stay free.",
        f"Ask AWS for a limit of at least {least}{better}.",
        "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 "
        f"--desired-value {wanted}",
    )


def _reserved_now(context, function):
    absent = ("ResourceNotFoundException",)
    answer = context.aws.ask("lambda", "get_function_concurrency", absent=absent, FunctionName=function)
    return (answer or {}).get("ReservedConcurrentExecutions", 0)
