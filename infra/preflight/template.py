"""What the template makes of given parameters: the broken constraints and rules, and the resources."""

import re

from .findings import CouldNotBeChecked


class TemplateError(CouldNotBeChecked):
    """The template has something that is not understood here."""


class Unresolved:
    """The value of an expression that only a deployment knows, such as the ARN of a resource."""


UNRESOLVED = Unresolved()


def number(value):
    """The value of an expression that must be a whole number."""
    if isinstance(value, Unresolved) or not re.fullmatch("[0-9]+", _text(value)):
        raise TemplateError("the template wants a number where the parameters give none")
    return int(value)


class PlannedStack:
    """The stack that a deployment would make."""

    def __init__(self, template, given, stack_name, region):
        self._template = template
        self.declared = template["Parameters"]
        self.given = given
        defaults = {name: _text(it["Default"]) for name, it in self.declared.items() if "Default" in it}
        self.values = {**defaults, **{name: value for name, value in given.items() if name in self.declared}}
        self._pseudo = {"AWS::StackName": stack_name, "AWS::Region": region}

    def value(self, name):
        """A parameter's value, if CloudFormation would accept it."""
        if name not in self.values:
            raise CouldNotBeChecked(f"{name} is missing")
        if not _fits(self.declared[name], self.values[name]):
            raise CouldNotBeChecked(f"{name} is not valid")
        return self.values[name]

    # ------------------------------------------------------------------------------------------ what CloudFormation refuses

    def complaints(self):
        """What CloudFormation would refuse before it creates anything, as sentences."""
        for name in self.given:
            if name not in self.declared:
                yield f"The template has no parameter {name}."
        for name, declaration in self.declared.items():
            if name not in self.values:
                yield f"{name} is missing: it has no default."
            elif not _fits(declaration, self.values[name]):
                yield f"{name} {_constraint(declaration)}{self._shown(name)}."
        if all(name in self.values for name in self.declared):
            yield from self._broken_rules()

    def _shown(self, name):
        """A parameter's value, unless it is a secret."""
        return "" if self.declared[name].get("NoEcho") else f"; it is `{self.values[name]}`"

    def _broken_rules(self):
        for rule in self._template.get("Rules", {}).values():
            if self._truth(rule.get("RuleCondition", True)):
                for assertion in rule["Assertions"]:
                    if not self._truth(assertion["Assert"]):
                        yield assertion["AssertDescription"]

    # ------------------------------------------------------------------------------------------------ what it would create

    def resources(self, kind):
        """The resources of a type that would be created: pairs of logical id and properties."""
        for logical_id, resource in self._template["Resources"].items():
            if resource["Type"] == kind and self._exists(resource):
                yield logical_id, self.evaluate(resource.get("Properties", {}))

    def described(self, logical_id):
        """The properties of a resource, whether it would be created or not."""
        return self.evaluate(self._template["Resources"][logical_id]["Properties"])

    def retained(self):
        """The resources that outlive the stack and would be created anew: pairs of logical id and type."""
        for logical_id, resource in self._template["Resources"].items():
            if resource.get("DeletionPolicy", "Delete") != "Delete" and self._exists(resource):
                yield logical_id, resource["Type"]

    def deciders(self, logical_id):
        """The parameters that decide whether a resource is created, such as one that names an existing resource."""
        found = set()
        self._collect_parameters({"Condition": self._template["Resources"][logical_id].get("Condition")}, found)
        return sorted(found - {"Stage"})

    def _exists(self, resource):
        return "Condition" not in resource or self._truth({"Condition": resource["Condition"]})

    def _collect_parameters(self, node, found):
        if isinstance(node, list):
            for item in node:
                self._collect_parameters(item, found)
        elif isinstance(node, dict):
            for name, argument in node.items():
                if name == "Ref":
                    found.add(argument)
                elif name == "Condition":
                    self._collect_parameters(self._template["Conditions"].get(argument), found)
                else:
                    self._collect_parameters(argument, found)

    # ---------------------------------------------------------------------------------------------------------- expressions

    def evaluate(self, node):
        """The value of an expression, or `UNRESOLVED`."""
        if isinstance(node, list):
            return [self.evaluate(item) for item in node]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            (name, argument), = node.items()
            if name == "Ref":
                return self._reference(argument)
            if name == "Condition" and isinstance(argument, str) and argument in self._template["Conditions"]:
                return self._truth(self._template["Conditions"][argument])
            if name in _FUNCTIONS:
                return _FUNCTIONS[name](self, argument)
            if name.startswith("Fn::"):
                return UNRESOLVED
        return {name: self.evaluate(value) for name, value in node.items()}

    def _truth(self, node):
        value = self.evaluate(node)
        if not isinstance(value, bool):
            raise TemplateError(f"neither true nor false: {node}")
        return value

    def _reference(self, name):
        if name in self.values:
            value = self.values[name]
            is_list = self.declared[name]["Type"] == "CommaDelimitedList"
            return [item.strip() for item in value.split(",")] if is_list else value
        return self._pseudo.get(name) or UNRESOLVED

    def _substitute(self, text):
        if not isinstance(text, str):
            return UNRESOLVED
        references = {name: self._reference(name) for name in re.findall(r"\$\{([^}]+)\}", text)}
        if any(isinstance(value, Unresolved) for value in references.values()):
            return UNRESOLVED
        return re.sub(r"\$\{([^}]+)\}", lambda match: str(references[match[1]]), text)

    def _join(self, argument):
        separator, items = self.evaluate(argument)
        if isinstance(items, Unresolved) or any(isinstance(item, Unresolved) for item in items):
            return UNRESOLVED
        return separator.join(str(item) for item in items)

    def _equal(self, argument):
        left, right = self.evaluate(argument)
        if isinstance(left, Unresolved) or isinstance(right, Unresolved):
            raise TemplateError(f"not known before a deployment: {argument}")
        return _text(left) == _text(right)

    def _choose(self, argument):
        condition, then, otherwise = argument
        return self.evaluate(then if self._truth({"Condition": condition}) else otherwise)


_FUNCTIONS = {
    "Fn::And": lambda stack, arguments: all([stack._truth(it) for it in arguments]),
    "Fn::Or": lambda stack, arguments: any([stack._truth(it) for it in arguments]),
    "Fn::Not": lambda stack, arguments: not stack._truth(arguments[0]),
    "Fn::Equals": PlannedStack._equal,
    "Fn::If": PlannedStack._choose,
    "Fn::Join": PlannedStack._join,
    "Fn::Sub": PlannedStack._substitute,
}


def _text(value):
    """A value of the template as CloudFormation passes it on."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _fits(declaration, value):
    """Whether a value keeps to the constraints of its parameter."""
    items = value.split(",") if declaration["Type"] == "CommaDelimitedList" else [value]
    if "AllowedValues" in declaration and value not in [_text(it) for it in declaration["AllowedValues"]]:
        return False
    if "AllowedPattern" in declaration:
        if not all(re.fullmatch(declaration["AllowedPattern"], item.strip()) for item in items):
            return False
    if declaration["Type"] == "Number":
        if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
            return False
        return declaration.get("MinValue", float("-inf")) <= float(value) <= declaration.get("MaxValue", float("inf"))
    return declaration.get("MinLength", 0) <= len(value) <= declaration.get("MaxLength", float("inf"))


def _constraint(declaration):
    """What a value must be, as the end of a sentence."""
    if "ConstraintDescription" in declaration:
        return declaration["ConstraintDescription"]
    if "AllowedValues" in declaration:
        return f"must be one of {', '.join(_text(it) for it in declaration['AllowedValues'])}"
    if declaration["Type"] == "Number":
        words = {"at least": "MinValue", "at most": "MaxValue"}
        bounds = [f"{word} {declaration[bound]}" for word, bound in words.items() if bound in declaration]
        return f"must be a number, {' and '.join(bounds)}" if bounds else "must be a number"
    return "does not fit its constraints"
