"""What protects the data in prod: off for the first deployment, so that CloudFormation can take it back, and on afterwards."""

from ..findings import ok, problem


def check(context):
    """The table's protection against deletion, and the stack's."""
    if context.deployment.stage != "prod":
        yield ok("Only prod is protected against deletion.")
        return
    protected = context.planned.value("TableDeletionProtection") == "on"
    stack = context.deployed
    if stack.is_new:
        if protected:
            yield problem(
                "TableDeletionProtection is on. If the first deployment fails, CloudFormation cannot delete the table, and the "
                "next one finds it in the way.",
                "Set TableDeletionProtection=off for the first deployment.",
            )
        else:
            yield ok("The first deployment can be taken back. Protect the table and the stack after it.")
        return
    fine = True
    if not protected:
        fine = False
        yield problem(
            "The first deployment is over, and TableDeletionProtection is still off.",
            "Remove TableDeletionProtection=off from samconfig.toml.",
        )
    if not stack.is_protected:
        fine = False
        yield problem(
            f"The stack {stack.name} is not protected against deletion.",
            "Protect it.",
            f"aws cloudformation update-termination-protection --enable-termination-protection --stack-name {stack.name}",
        )
    if fine:
        yield ok("The table and the stack are protected against deletion.")
