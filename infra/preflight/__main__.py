"""The command line: `cargo xtask preflight` calls it."""

import argparse
import json
import pathlib
import signal
import sys
import textwrap

from local import template_file

from . import checks, samconfig, web
from .aws import Aws
from .context import Context, DeployedStack
from .findings import Status
from .template import PlannedStack

# The exit codes.
FINE, PROBLEM, USAGE, INCOMPLETE = 0, 1, 2, 3

WIDTH = 110


def main(arguments=None, *, aws=Aws, fetch=web.fetch):
    """Checks a stage, prints the report, and returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        deployment = samconfig.read(options.config_file, options.stage)
    except samconfig.SamconfigError as error:
        print(f"Error: {error}", file=sys.stderr)
        return USAGE
    account = aws(deployment.region, deployment.profile, options.endpoint_url)
    template = template_file.read(options.template)
    planned = PlannedStack(template, deployment.parameters, deployment.stack_name, deployment.region)
    deployed = DeployedStack(account, deployment.stack_name)
    lines = list(checks.run(Context(deployment, planned, deployed, account, fetch, options.build_folder)))
    print(_json(deployment, lines) if options.json else _text(deployment, lines))
    statuses = {finding.status for _check, finding in lines}
    if Status.PROBLEM in statuses:
        return PROBLEM
    return INCOMPLETE if Status.UNKNOWN in statuses else FINE


def _parser():
    parser = argparse.ArgumentParser(prog="preflight", description="Says before a deployment whether it can succeed.")
    parser.add_argument("--stage", required=True, help="section of the configuration file")
    parser.add_argument("--config-file", required=True, type=pathlib.Path, help="samconfig.toml")
    parser.add_argument("--template", required=True, type=pathlib.Path, help="the SAM template")
    parser.add_argument("--build-folder", required=True, type=pathlib.Path, help="where `sam build` writes to")
    parser.add_argument("--endpoint-url", help="URL of the AWS APIs, instead of AWS's own")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def _text(deployment, lines):
    region = deployment.region or "no region"
    paragraphs = [f"Preflight of the stage {deployment.stage}: stack {deployment.stack_name}, {region}", ""]
    for check, finding in lines:
        paragraphs.append(_wrapped(f"{finding.status.name:<8} ", f"{check}: {finding.sentence}"))
        if finding.remedy:
            paragraphs.append(_wrapped(f"{'':<9}-> ", finding.remedy))
        if finding.command:
            # On one line, to be copied.
            paragraphs.append(f"{'':<12}$ {finding.command}")
    return "\n".join([*paragraphs, "", _summary(lines)])


def _wrapped(start, text):
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _summary(lines):
    def count(status):
        return sum(finding.status is status for _check, finding in lines)

    problems, unknowns = count(Status.PROBLEM), count(Status.UNKNOWN)
    found = {0: "No problem", 1: "1 problem"}.get(problems, f"{problems} problems")
    return f"{found} found." if not unknowns else f"{found} found; {unknowns} could not be checked."


def _json(deployment, lines):
    findings = [
        {
            "check": check,
            "status": finding.status.value,
            "sentence": finding.sentence,
            "remedy": finding.remedy or None,
            "command": finding.command or None,
        }
        for check, finding in lines
    ]
    report = {
        "stage": deployment.stage,
        "stackName": deployment.stack_name,
        "region": deployment.region,
        "findings": findings,
    }
    return json.dumps(report, indent=2)


if __name__ == "__main__":
    # Credentials with MFA would ask the terminal for a code, and stop a background process for ever. So the question fails.
    for stopped_by_terminal in (signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(stopped_by_terminal, signal.SIG_IGN)
    sys.exit(main())
