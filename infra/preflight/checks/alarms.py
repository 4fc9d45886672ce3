"""The topic that the alarms notify."""

from ..findings import CouldNotBeChecked, ok, problem


def check(context):
    """Whether the topic is there, and whether its messages reach somebody. The template demands one for prod."""
    arn = context.planned.value("AlarmTopicArn")
    if not arn and context.deployment.stage == "prod":
        raise CouldNotBeChecked("AlarmTopicArn is missing")
    if not arn:
        yield ok("No AlarmTopicArn: the alarms are visible in the console only.")
        return
    region = context.region
    if arn.split(":")[3] != region:
        yield problem(f"AlarmTopicArn is in another region than {region}: no alarm can notify it.", f"Use a topic in {region}.")
        return
    topic = context.aws.ask("sns", "get_topic_attributes", absent=("NotFound", "NotFoundException"), TopicArn=arn)
    if not topic:
        yield problem(
            f"The topic {arn} does not exist.", "Create it and subscribe the operator on duty, or correct AlarmTopicArn."
        )
        return
    attributes = topic["Attributes"]
    fine = True
    if attributes.get("KmsMasterKeyId", "").endswith("alias/aws/sns"):
        fine = False
        yield problem(
            "The alarms' topic is encrypted with the key alias/aws/sns, which CloudWatch may not use: no alarm would arrive.",
            "Encrypt it with a key of your own whose policy permits cloudwatch.amazonaws.com, or not at all: the alarms have "
            "no personal data in them.",
        )
    if attributes.get("SubscriptionsConfirmed") == "0":
        fine = False
        yield problem("Nobody has a confirmed subscription of the alarms' topic.", "Subscribe the operator on duty to it.")
    if fine:
        yield ok(f"The alarms notify {arn.rpartition(':')[2]}, which has subscribers.")
