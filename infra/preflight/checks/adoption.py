"""What the stack adopts instead of creating it (`Existing...`): it must be there, complete, and belong together."""

from ..findings import ok, problem


def check(context):
    """The table, its key and the pepper. `mail.identity` looks at the SES identity."""
    names = ("ExistingTableName", "ExistingTableKeyArn", "ExistingPepperArn")
    table, key, pepper = (context.planned.value(name) for name in names)
    problems = list(_lost(context, table, pepper))
    if table:
        problems += _table(context, table, key)
    if key:
        problems += _key(context, key)
    if pepper:
        problems += _pepper(context, pepper)
    if problems:
        yield from problems
    elif table or key or pepper:
        yield ok("What the stack adopts is there, and belongs together.")
    else:
        yield ok("No table, key or pepper is adopted: they are the stack's own.")


def _lost(context, table, pepper):
    """A new table or pepper, where there is data already."""
    deployed = context.deployed
    if not deployed.is_new and not table and "Table" not in deployed.resources:
        yield problem(
            "The deployed stack uses an adopted table, and ExistingTableName is empty: it would go on with a new, empty table.",
            "Set ExistingTableName to the table in use, the output TableName of the stack.",
        )
    has_data = table or not deployed.is_new
    if has_data and not pepper and "FingerprintPepper" not in deployed.resources:
        yield problem(
            "ExistingPepperArn is empty, and there is data already: with a new pepper no address in it would be found again, "
            "and two patients could hold one address.",
            "Set ExistingPepperArn to the secret under which the table was written.",
        )


def _table(context, name, key):
    answer = context.aws.ask("dynamodb", "describe_table", absent=("ResourceNotFoundException",), TableName=name)
    if not answer:
        yield problem(f"The table {name} does not exist here.", "Correct ExistingTableName, or make it empty.")
        return
    table = answer["Table"]
    if table["TableStatus"] != "ACTIVE":
        yield problem(f"The table {name} is {table['TableStatus']}.", "Wait until it is ACTIVE.")
    its_key = table.get("SSEDescription", {}).get("KMSMasterKeyArn", "")
    if its_key != key:
        yield problem(
            f"The table {name} is encrypted with {its_key or 'no key of its own'}, and ExistingTableKeyArn is "
            f"{key or 'empty'}: the functions could not read it.",
            f"Set ExistingTableKeyArn={its_key}",
        )
    wanted = {index["IndexName"] for index in context.planned.described("Table")["GlobalSecondaryIndexes"]}
    missing = sorted(wanted - {index["IndexName"] for index in table.get("GlobalSecondaryIndexes", [])})
    if missing:
        yield problem(
            f"The table {name} has no index {' and no index '.join(missing)}.",
            "Restore it with its indexes, or add them as infra/template.yaml describes them.",
        )


def _key(context, arn):
    answer = context.aws.ask("kms", "describe_key", absent=("NotFoundException",), KeyId=arn)
    state = answer["KeyMetadata"]["KeyState"] if answer else "missing"
    if state != "Enabled":
        yield problem(
            f"The key {arn} is {state}: the table could not be read.",
            "Correct ExistingTableKeyArn, or enable the key (`aws kms cancel-key-deletion`, `aws kms enable-key`).",
        )


def _pepper(context, arn):
    # Its description only. Nobody but the functions needs the pepper itself.
    answer = context.aws.ask("secretsmanager", "describe_secret", absent=("ResourceNotFoundException",), SecretId=arn)
    if not answer:
        yield problem("The secret ExistingPepperArn does not exist here.", "Correct it.")
    elif "DeletedDate" in answer:
        yield problem(
            "The secret ExistingPepperArn is going to be deleted.",
            "Keep it: without it no address in the table is found.",
            f"aws secretsmanager restore-secret --secret-id {arn}",
        )
