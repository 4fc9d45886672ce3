"""Reads a CloudFormation template: YAML with short forms such as `!Ref`. `infra/preflight` uses it, too."""

import yaml


# The parser in C takes a tenth of the time. It is missing where PyYAML was built without libyaml.
class TemplateLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML with CloudFormation's short forms, such as `!Ref`."""


def construct_intrinsic(loader, suffix, node):
    """Turns a short form into its long form, which JSON can represent."""
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


TemplateLoader.add_multi_constructor("!", construct_intrinsic)


def read(path):
    """The template in the file, its short forms written out."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=TemplateLoader)
