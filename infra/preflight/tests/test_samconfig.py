"""Reading the stage's section."""

import pathlib
import tempfile
import unittest

from .. import samconfig
from .world import INFRA


def read(text, stage="dev"):
    """Reads a configuration file with this text."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "samconfig.toml"
        path.write_text(text, encoding="utf-8")
        return samconfig.read(path, stage)


class Samconfig(unittest.TestCase):
    def test_our_own_file_names_a_region_and_every_stage(self):
        for stage, stack in (("dev", "portal-invitations-dev"), ("prod", "portal-invitations")):
            deployment = samconfig.read(INFRA.parent / "samconfig.toml", stage)
            self.assertEqual((deployment.stack_name, deployment.region), (stack, "us-east-1"))
            self.assertEqual(deployment.parameters["Stage"], stage)

    def test_deploy_overrides_global(self):
        deployment = read(
            '[dev.global.parameters]\nregion = "eu-west-1"\nprofile = "p"\nstack_name = "a"\n'
            '[dev.deploy.parameters]\nstack_name = "b"\n'
        )
        self.assertEqual((deployment.stack_name, deployment.region, deployment.profile), ("b", "eu-west-1", "p"))

    def test_overrides_are_a_list_or_one_string(self):
        for overrides in ('["A=1", "B=x=y z", "C="]', '''"A=1 'B=x=y z' C="'''):
            deployment = read(f'[dev.deploy.parameters]\nstack_name = "s"\nparameter_overrides = {overrides}\n')
            self.assertEqual(deployment.parameters, {"A": "1", "B": "x=y z", "C": ""})

    def test_a_file_that_cannot_be_used_is_refused(self):
        for text, reason in (
            ("[dev", "is not TOML"),
            ("[prod.deploy.parameters]\n", "no section for the stage dev"),
            ("[dev.deploy.parameters]\n", "no stack_name"),
            ('[dev.deploy.parameters]\nstack_name = "s"\nparameter_overrides = "A=1 hush"\n', "a word that is not Name=value"),
        ):
            with self.assertRaisesRegex(samconfig.SamconfigError, reason) as raised:
                read(text)
            self.assertNotIn("hush", str(raised.exception))
        with self.assertRaisesRegex(samconfig.SamconfigError, "cannot be read"):
            samconfig.read(pathlib.Path("/nowhere/samconfig.toml"), "dev")
