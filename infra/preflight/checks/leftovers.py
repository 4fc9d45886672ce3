"""What an earlier stack left behind, or somebody else made, under the names that the stack needs."""

import itertools

from ..findings import ok, problem


def check(context):
    """Resources with a fixed name first, then those that outlive a stack."""
    clear = True
    for finding in itertools.chain(_taken(context), _left(context)):
        clear = False
        yield finding
    if clear:
        yield ok("Nothing is in the way: no name is taken, and no earlier stack left data behind.")


def _taken(context):
    for kind, (name_property, existing, delete) in NAMED.items():
        wanted = {properties[name_property] for _id, properties in context.planned.resources(kind)}
        taken = sorted(name for name in wanted & existing(context, wanted) if not context.deployed.has(name))
        if taken:
            exist = "exists already and does" if len(taken) == 1 else "exist already and do"
            yield problem(
                f"{_listed(taken)} {exist} not belong to the stack: CloudFormation cannot create a second one of that name.",
                "Delete it, if nobody needs it.",
                f"{delete} {taken[0]}",
            )


def _left(context):
    # Of a stack that exists, the data in use is its own, and older data is in nobody's way.
    if not context.deployed.is_new:
        return
    for logical_id, kind in context.planned.retained():
        left, consequence = RETAINED[kind](context, logical_id) if kind in RETAINED else ([], "")
        if left:
            parameters = " and ".join(context.planned.deciders(logical_id))
            are = "is" if len(left) == 1 else "are"
            yield problem(
                f"{_listed(left)} {are} left over from an earlier stack of this name. {consequence}",
                f"Adopt it: {parameters} in samconfig.toml (docs/DEPLOYING.md). Or delete it, if nobody needs its data.",
            )


def _listed(names):
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def _log_groups(context, wanted):
    stack = context.deployment.stack_name
    # One call for all that begin alike: `/aws/lambda/<stack>`.
    prefixes = {name[: name.find(stack) + len(stack)] for name in wanted}
    found = set()
    for prefix in sorted(prefixes):
        groups = context.aws.list("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=prefix)
        found |= {group["logGroupName"] for group in groups}
    return found


def _functions(context, _wanted):
    return {it["FunctionName"] for it in context.aws.list("lambda", "list_functions", "Functions")}


def _configuration_sets(context, wanted):
    absent = ("NotFoundException",)
    ask = context.aws.ask
    return {it for it in wanted if ask("sesv2", "get_configuration_set", absent=absent, ConfigurationSetName=it)}


# By type: the property with the name, what exists, and how to delete it.
NAMED = {
    "AWS::Logs::LogGroup": ("LogGroupName", _log_groups, "aws logs delete-log-group --log-group-name"),
    "AWS::Serverless::Function": ("FunctionName", _functions, "aws lambda delete-function --function-name"),
    "AWS::SES::ConfigurationSet": (
        "Name",
        _configuration_sets,
        "aws sesv2 delete-configuration-set --configuration-set-name",
    ),
}


def _tables(context, logical_id):
    # CloudFormation's names are <stack>-<logical id>-<random>.
    prefix = f"{context.deployment.stack_name}-{logical_id}-"
    names = context.aws.list("dynamodb", "list_tables", "TableNames")
    return [name for name in names if name.startswith(prefix)], "The new stack would begin with an empty table."


def _secrets(context, logical_id):
    # CloudFormation's names are <logical id>-<random>, and its tags stay when the stack is gone.
    named = context.aws.list(
        "secretsmanager", "list_secrets", "SecretList", Filters=[{"Key": "name", "Values": [f"{logical_id}-"]}]
    )
    tag = {"Key": "aws:cloudformation:stack-name", "Value": context.deployment.stack_name}
    left = [secret["Name"] for secret in named if tag in secret.get("Tags", [])]
    return left, "Only with it are the addresses in an earlier table found again."


# By type: what an earlier stack of the same name left, and what that means. A key has neither a name nor data of its own: an
# adopted table names its key.
RETAINED = {"AWS::DynamoDB::Table": _tables, "AWS::SecretsManager::Secret": _secrets}
