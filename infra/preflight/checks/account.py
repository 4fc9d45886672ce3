"""The account, the region, and the stack as it is now."""

from ..aws import NoCredentials, regions
from ..context import DeployedStack
from ..findings import ok, problem

# The stack in which SAM keeps the bucket for uploads (`resolve_s3`).
SAM_STACK = "aws-sam-cli-managed-default"


def credentials(context):
    """Who would deploy."""
    try:
        identity = context.aws.identity()
    except NoCredentials as reason:
        sentence = str(reason)
        yield problem(
            f"{sentence[0].upper()}{sentence[1:]}.",
            "Sign in to the account to deploy to (`aws configure`, `aws sso login`, or the variables AWS_...). If you have: "
            "is the machine's clock right, and the region enabled for the account?",
        )
        return
    yield ok(f"Account {identity['Account']}, as {identity['Arn'].rpartition(':')[2]}.")


def region(context):
    """The region of the deployment. All services that the stack uses are everywhere, except SES."""
    name = context.deployment.region
    if not name:
        yield problem(
            "samconfig.toml names no region, so it depends on who deploys.",
            f'Write `region = "..."` under [{context.deployment.stage}.global.parameters].',
        )
    # STS is in every region.
    elif name not in regions("sts", name):
        yield problem(f"The region {name} does not exist, as far as the AWS SDK knows.", "Correct it in samconfig.toml.")
    elif name not in regions("sesv2", name):
        yield problem(f"SES does not exist in {name}, as far as the AWS SDK knows.", "Choose a region with SES.")
    else:
        yield ok(f"{name} has every service that the stack uses.")


def stack(context):
    """Whether CloudFormation can create or update the stack, and SAM's own one."""
    deployed = context.deployed
    trouble = [_trouble(it) for it in (deployed, DeployedStack(context.aws, SAM_STACK))]
    yield from (it for it in trouble if it)
    if not trouble[0]:
        if deployed.status in (None, "REVIEW_IN_PROGRESS"):
            yield ok(f"{deployed.name} does not exist yet: this is its first deployment.")
        else:
            yield ok(f"{deployed.name} is {deployed.status} and can be updated.")


def _trouble(stack):
    status = stack.status
    if status in (None, "REVIEW_IN_PROGRESS"):
        return None
    if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"):
        return problem(
            f"The stack {stack.name} is {status}: nothing can be deployed to it.",
            "Its events say what failed. Then delete it.",
            f"aws cloudformation delete-stack --stack-name {stack.name}",
        )
    if status == "UPDATE_ROLLBACK_FAILED":
        return problem(
            f"The stack {stack.name} is {status}: nothing can be deployed to it.",
            "Finish its rollback.",
            f"aws cloudformation continue-update-rollback --stack-name {stack.name}",
        )
    if status.endswith("_IN_PROGRESS"):
        return problem(f"The stack {stack.name} is {status}.", "Wait until this has ended.")
    return None
