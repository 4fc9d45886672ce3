"""What the checks look at."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable

from .aws import NO_REGION, Aws
from .samconfig import Deployment
from .template import PlannedStack


class DeployedStack:
    """A stack as it is in the account, asked once."""

    def __init__(self, aws, name):
        self._aws = aws
        self.name = name

    @functools.cached_property
    def _description(self):
        answer = self._aws.ask("cloudformation", "describe_stacks", absent=("ValidationError",), StackName=self.name)
        return answer["Stacks"][0] if answer else {}

    @property
    def status(self):
        """CloudFormation's status of the stack; None if there is no such stack."""
        return self._description.get("StackStatus")

    @property
    def is_protected(self):
        """Whether CloudFormation refuses to delete the stack."""
        return self._description.get("EnableTerminationProtection", False)

    @property
    def is_new(self):
        """Whether a deployment will create it: it is not there, or only a change set or a failed creation of it is."""
        return self.status in (None, "REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE")

    @functools.cached_property
    def resources(self):
        """The resources that the stack has, physical ids by logical ones; none if a deployment will create it."""
        if self.is_new:
            return {}
        summaries = self._aws.list(
            "cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=self.name
        )
        return {
            it["LogicalResourceId"]: it["PhysicalResourceId"]
            for it in summaries
            if it.get("PhysicalResourceId") and it["ResourceStatus"] not in ("DELETE_COMPLETE", "DELETE_SKIPPED")
        }

    def has(self, physical_id):
        """Whether a resource is the stack's."""
        return physical_id in self.resources.values()


@dataclasses.dataclass(frozen=True)
class Context:
    """A deployment, and where to ask about it."""

    deployment: Deployment
    planned: PlannedStack
    deployed: DeployedStack
    aws: Aws
    # The JSON object at a URL: `web.fetch`.
    fetch: Callable[[str], dict]
    # Where `sam build` leaves what `sam deploy` uploads.
    build_folder: pathlib.Path

    @property
    def region(self):
        """The region of the deployment."""
        if not self.deployment.region:
            raise NO_REGION
        return self.deployment.region
