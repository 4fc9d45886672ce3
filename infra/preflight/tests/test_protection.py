"""Protection against deletion."""

from ..checks import protection
from .world import STACK, CheckTest


class Protection(CheckTest):
    def test_a_first_deployment_can_be_taken_back(self):
        self.assert_ok(protection.check, "can be taken back")
        self.world.parameters["TableDeletionProtection"] = "on"
        self.assert_problem(protection.check, "If the first deployment fails", "Set TableDeletionProtection=off")
        # Nothing of a failed one is there.
        self.world.deployed("ROLLBACK_COMPLETE")
        self.assert_problem(protection.check, "If the first deployment fails")

    def test_afterwards_it_is_protected(self):
        self.world.parameters["TableDeletionProtection"] = "on"
        self.world.deployed("CREATE_COMPLETE", protected=True)
        self.assert_ok(protection.check, "are protected")
        self.world.deployed("CREATE_COMPLETE")
        self.assert_problem(protection.check, f"{STACK} is not protected", "--enable-termination-protection")
        self.world.deployed("CREATE_COMPLETE", protected=True)
        self.world.parameters["TableDeletionProtection"] = "off"
        self.assert_problem(protection.check, "still off", "Remove TableDeletionProtection=off")

    def test_dev_may_be_deleted(self):
        self.world.stage = "dev"
        self.world.deployed("CREATE_COMPLETE")
        self.assert_ok(protection.check, "Only prod")
