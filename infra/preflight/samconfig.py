"""Reads what a stage is deployed with: its section of `samconfig.toml`."""

import dataclasses
import shlex

import tomli


class SamconfigError(Exception):
    """The file or the stage's section cannot be used. The message says why."""


@dataclasses.dataclass(frozen=True)
class Deployment:
    """What `sam deploy --config-env <stage>` is told."""

    stage: str
    stack_name: str
    region: str | None
    profile: str | None
    parameters: dict[str, str]


def read(path, stage):
    """Reads a stage's section. Parameters of `global` hold for every command, and `deploy` overrides them."""
    try:
        with open(path, "rb") as file:
            sections = tomli.load(file)
    except OSError as error:
        raise SamconfigError(f"{path} cannot be read: {error.strerror}") from error
    except tomli.TOMLDecodeError as error:
        raise SamconfigError(f"{path} is not TOML: {error}") from error
    section = sections.get(stage)
    if not isinstance(section, dict):
        raise SamconfigError(f"{path} has no section for the stage {stage}")
    settings = {**_parameters(section, "global"), **_parameters(section, "deploy")}
    if not settings.get("stack_name"):
        raise SamconfigError(f"{path} has no stack_name under [{stage}.deploy.parameters]")
    return Deployment(
        stage=stage,
        stack_name=settings["stack_name"],
        region=settings.get("region"),
        profile=settings.get("profile"),
        parameters=_overrides(settings.get("parameter_overrides", [])),
    )


def _parameters(section, command):
    return section.get(command, {}).get("parameters", {})


def _overrides(overrides):
    """SAM takes a list of `Name=value`, or one string of them with the quotes of a shell."""
    words = shlex.split(overrides) if isinstance(overrides, str) else overrides
    parameters = {}
    for word in words:
        name, equals, value = str(word).partition("=")
        if not equals:
            # The word itself is not quoted: it may be the rest of a secret that contains a space.
            raise SamconfigError("parameter_overrides has a word that is not Name=value")
        parameters[name] = value
    return parameters
