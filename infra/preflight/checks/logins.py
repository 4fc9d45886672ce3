"""The user pool that reports logins."""

from ..findings import ok, problem


def check(context):
    """Whether the pool is there, in the region of the function that it calls."""
    arn = context.planned.value("LoginUserPoolArn")
    if not arn:
        yield ok("No LoginUserPoolArn: logins are reported to POST /v1/logins.")
        return
    region, pool = arn.split(":")[3], arn.rpartition("/")[2]
    if region != context.region:
        yield problem(
            f"LoginUserPoolArn is in {region}: a user pool can call functions of its own region only.",
            "Deploy to the user pool's region, or report logins to POST /v1/logins.",
        )
        return
    answer = context.aws.ask("cognito-idp", "describe_user_pool", absent=("ResourceNotFoundException",), UserPoolId=pool)
    if answer:
        yield ok(f"The user pool {pool} exists.")
    else:
        yield problem(f"The user pool {pool} does not exist in {region}.", "Correct LoginUserPoolArn.")
