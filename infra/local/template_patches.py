"""What the local deployment changes in the template, as a list of patches.

A difference between the local AWS and AWS is repaired in the local AWS where that is short (`emulator_repairs.py`), so that
what is deployed here is what AWS gets. `cargo xtask up --explain` prints both lists, and `tests/process/template.rs` compares
the deployed template with the file.
"""

import dataclasses
import typing

FUNCTION_TYPE = "AWS::Serverless::Function"


@dataclasses.dataclass(frozen=True)
class Change:
    """A new value for one member of the template, named by the keys that lead to it."""

    path: tuple[str, ...]
    value: typing.Any

    def apply(self, template):
        """Makes the change in the template."""
        *parents, name = self.path
        for parent in parents:
            template = template[parent]
        template[name] = self.value


@dataclasses.dataclass(frozen=True)
class Patch:
    """One patch: its name, why it is needed, and the function that lists its changes.

    The function gets the template, and another one that says where the package of a binary is."""

    name: str
    why: str
    changes: typing.Callable[[dict, typing.Callable[[str], typing.Any]], typing.Iterable[Change]]


def functions(template):
    """The logical id and the binary of each function."""
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] == FUNCTION_TYPE:
            yield logical_id, resource["Metadata"]["BuildProperties"]["Binary"]


def package_locations(template, locate):
    """Points each function at its package."""
    for logical_id, binary in functions(template):
        yield Change(("Resources", logical_id, "Properties", "CodeUri"), locate(binary))


PATCHES = (
    Patch(
        "packages",
        "Each function's package is where it was uploaded to, as after `sam deploy`.",
        package_locations,
    ),
)


def apply(template, locate):
    """Applies all patches to the template. Returns what each has changed."""
    changed = [(patch, list(patch.changes(template, locate))) for patch in PATCHES]
    for _patch, changes in changed:
        for change in changes:
            change.apply(template)
    return changed


def describe(changed):
    """The patches and their changes, as JSON has it. The place of a change is a JSON pointer."""
    return [
        {"name": patch.name, "why": patch.why, "changes": ["/" + "/".join(change.path) for change in changes]}
        for patch, changes in changed
    ]
