"""Deploys the SAM template to the local AWS stack, and prints the result as one line of JSON.

`sam deploy` deploys to AWS. Locally it would take half a minute, so this script does its three steps itself:
package each function's binary, upload it, create or update the stack. `template_patches.py` lists what it changes in the
template.
"""

import argparse
import hashlib
import io
import json
import pathlib
import sys
import time
import zipfile

import boto3
import botocore.config
import botocore.exceptions

import template_file
import template_patches

ARTIFACTS_BUCKET = "artifacts"
TEMPLATE_KEY = "template.json"
STACK_DEADLINE_SECS = 120


class DeployError(Exception):
    """The deployment failed; the message says why."""


class Aws:
    """Clients of the local stack. Region and credentials come from the environment, as in the AWS tools."""

    def __init__(self, endpoint):
        self._endpoint = endpoint

    def client(self, service):
        # Path style, because a bucket's own host name does not resolve on loopback.
        config = botocore.config.Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
        return boto3.client(service, endpoint_url=self._endpoint, config=config)


def publish_issuer(aws, bucket, documents):
    """Serves the identity provider's public documents from a bucket, where the API's authorizer fetches them."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=bucket)
    # As on AWS, a bucket refuses a public policy while this block exists.
    s3.delete_public_access_block(Bucket=bucket)
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/.well-known/*",
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    for document in sorted(documents.iterdir()):
        s3.put_object(
            Bucket=bucket,
            Key=f".well-known/{document.name}",
            Body=document.read_bytes(),
            ContentType="application/json",
        )


def package(binary):
    """A Lambda package: the binary as `bootstrap`. It is not compressed, because it stays on this machine."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, binary)
    return buffer.getvalue()


def upload_packages(aws, template, binaries):
    """Uploads each function's package. Returns the location of each binary's package."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=ARTIFACTS_BUCKET)
    locations = {}
    for _logical_id, name in template_patches.functions(template):
        path = binaries / name
        if not path.is_file():
            raise DeployError(f"the template's function {name} has no binary at {path}")
        binary = path.read_bytes()
        # Named by content, so that an update replaces exactly the functions that changed.
        key = f"{name}-{hashlib.sha256(binary).hexdigest()[:32]}.zip"
        s3.put_object(Bucket=ARTIFACTS_BUCKET, Key=key, Body=package(binary))
        locations[name] = {"Bucket": ARTIFACTS_BUCKET, "Key": key}
    return locations


def upload_template(aws, template):
    """Uploads the template beside the packages, and returns its URL. It is too long for a request."""
    s3 = aws.client("s3")
    s3.put_object(Bucket=ARTIFACTS_BUCKET, Key=TEMPLATE_KEY, Body=json.dumps(template, default=str).encode())
    return f"{s3.meta.endpoint_url}/{ARTIFACTS_BUCKET}/{TEMPLATE_KEY}"


def create_or_update(cloudformation, stack_name, template_url, parameters):
    """Creates the stack from the template, or updates it, and returns its description."""
    request = {
        "StackName": stack_name,
        "TemplateURL": template_url,
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    try:
        cloudformation.create_stack(**request)
    except cloudformation.exceptions.AlreadyExistsException:
        try:
            cloudformation.update_stack(**request)
        except botocore.exceptions.ClientError as error:
            if "No updates" not in str(error):
                raise
    deadline = time.monotonic() + STACK_DEADLINE_SECS
    while True:
        stack = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
        if not stack["StackStatus"].endswith("IN_PROGRESS"):
            return stack
        if time.monotonic() > deadline:
            raise DeployError(f"the stack is still {stack['StackStatus']} after {STACK_DEADLINE_SECS} s")
        time.sleep(0.1)


def failures(cloudformation, stack_name):
    """Why the stack failed, resource by resource, the first failure first."""
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_name)
    events = [event for page in pages for event in page["StackEvents"]]
    return [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', event['ResourceStatus'])}"
        for event in reversed(events)
        if event["ResourceStatus"].endswith("FAILED")
    ]


def physical_id(cloudformation, stack_name, logical_id):
    """The name in the stack of a resource of the template."""
    detail = cloudformation.describe_stack_resource(StackName=stack_name, LogicalResourceId=logical_id)
    return detail["StackResourceDetail"]["PhysicalResourceId"]


def deploy(options):
    """Deploys, and returns the stack's outputs, the name of each function and what was changed in the template."""
    aws = Aws(options.endpoint)
    parameters = dict(parameter.split("=", 1) for parameter in options.parameter)
    publish_issuer(aws, options.issuer_bucket, options.issuer_documents)
    template = template_file.read(options.template)
    locations = upload_packages(aws, template, options.binaries)
    patched = template_patches.apply(template, locations.__getitem__)
    cloudformation = aws.client("cloudformation")
    template_url = upload_template(aws, template)
    stack = create_or_update(cloudformation, options.stack_name, template_url, parameters)
    if not stack["StackStatus"].endswith("_COMPLETE") or "ROLLBACK" in stack["StackStatus"]:
        reasons = failures(cloudformation, options.stack_name) or [stack.get("StackStatusReason") or "no reason given"]
        raise DeployError("\n  ".join([f"the stack is {stack['StackStatus']}", *reasons]))
    return {
        "outputs": {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])},
        "functions": {
            name: physical_id(cloudformation, options.stack_name, logical_id)
            for logical_id, name in template_patches.functions(template)
        },
        "patches": template_patches.describe(patched),
    }


def main():
    """Reads the command line and deploys."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint", required=True, help="URL of the local AWS stack")
    parser.add_argument("--template", required=True, type=pathlib.Path, help="the SAM template")
    parser.add_argument("--binaries", required=True, type=pathlib.Path, help="folder of the functions' binaries")
    parser.add_argument("--stack-name", required=True, help="name of the CloudFormation stack")
    parser.add_argument("--issuer-bucket", required=True, help="bucket that serves the identity provider's documents")
    parser.add_argument("--issuer-documents", required=True, type=pathlib.Path, help="folder of those documents")
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", help="a stack parameter")
    try:
        result = deploy(parser.parse_args())
    except (DeployError, botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        sys.exit(f"The template could not be deployed: {error}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
