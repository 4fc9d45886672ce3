"""DynamoDB's condition keys for the local AWS, which knows only two of them.

AWS evaluates a policy's conditions on the partitions (`dynamodb:LeadingKeys`), the attributes (`dynamodb:Attributes`) and the
returned values (`dynamodb:ReturnValues`) of a request. Without them the local AWS would refuse every request under a role that
is narrowed to them.
"""

import json
import re

from ministack.core import iam_actions, iam_evaluator
from ministack.services import dynamodb

EXPRESSIONS = (
    "ConditionExpression",
    "FilterExpression",
    "KeyConditionExpression",
    "ProjectionExpression",
    "UpdateExpression",
)
# The words of expressions that are no names. Functions are recognised by their parenthesis.
KEYWORDS = {"ADD", "AND", "BETWEEN", "DELETE", "IN", "NOT", "OR", "REMOVE", "SET"}
# A name or a placeholder of one, at the beginning of a path.
PATH_START = re.compile(r"(?<![\w.:#])(#?[A-Za-z_]\w*)(?!\w*\s*\()")
EQUALITY = re.compile(r"(#?\w+)\s*=\s*(:\w+)")


def partition_key(part):
    """The name of the partition key of the table or the index that a request or a part of it is for."""
    table = dynamodb._tables.get(part.get("TableName", "").rpartition("/")[2]) or {}
    indexes = {index["IndexName"]: index for index in table.get("GlobalSecondaryIndexes") or []}
    schema = indexes.get(part.get("IndexName"), table).get("KeySchema", [])
    return next((key["AttributeName"] for key in schema if key["KeyType"] == "HASH"), None)


def named(part, name):
    """The attribute that a name of an expression stands for."""
    return part.get("ExpressionAttributeNames", {}).get(name, name)


def leading_keys(part):
    """The partitions that a request or a part of it names."""
    partition = partition_key(part)
    keys = [key for key in (part.get("Key"), part.get("Item"), *part.get("Keys", [])) if key]
    values = [key[partition] for key in keys if partition in key]
    for name, placeholder in EQUALITY.findall(part.get("KeyConditionExpression", "")):
        if named(part, name) == partition:
            values.append(part["ExpressionAttributeValues"][placeholder])
    return [text for value in values for text in value.values()]


def attributes(part):
    """The attributes that a request or a part of it names: in its key, in its item and in its expressions."""
    names = {*part.get("Key", {}), *part.get("Item", {})}
    for expression in EXPRESSIONS:
        words = PATH_START.findall(part.get(expression, ""))
        names.update(named(part, word) for word in words if word.upper() not in KEYWORDS)
    return sorted(names)


def parts(request):
    """What a request does, each part with the action that has to be allowed; None is the request's own."""
    for item in request.get("TransactItems", []):
        for kind, part in item.items():
            yield iam_actions._DYNAMODB_TRANSACT_ITEM_ACTIONS[kind], part
    for table, part in request.get("RequestItems", {}).items():
        yield None, {"TableName": table, **part}
    if "TableName" in request:
        yield None, request


def service_context(body):
    """The condition keys of a request. Those of a transaction are by action: AWS may judge all its puts at once."""
    request = json.loads(body or b"{}")
    context = {"dynamodb:ReturnValues": request.get("ReturnValues", "NONE")}
    for action, part in parts(request):
        for key, values in (("dynamodb:LeadingKeys", leading_keys(part)), ("dynamodb:Attributes", attributes(part))):
            if values:
                context.setdefault(key, {}).setdefault(action, []).extend(values)
    return context


def apply():
    """Replaces the functions that make and read the condition keys."""
    resolve = iam_evaluator._resolve_condition_key

    def resolve_by_action(key, context):
        value = resolve(key, context)
        return value.get(context.action, value.get(None)) if isinstance(value, dict) else value

    iam_evaluator._resolve_condition_key = resolve_by_action
    iam_actions.dynamodb_service_context = service_context
