"""Lambda's concurrency."""

from ..checks import concurrency
from .world import STACK, CheckTest, Refusal

# The runner's, `SenderConcurrency` and `PublicConcurrency`.
RESERVED = 5 + 2 + 50


class Concurrency(CheckTest):
    def limits(self, limit, unreserved):
        self.world.answers["lambda:GetAccountSettings"] = {
            "AccountLimit": {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": unreserved}
        }

    def test_enough(self):
        self.assert_ok(concurrency.check, f"reserves {RESERVED} of Lambda's concurrency, and leaves {1000 - RESERVED}")
        self.limits(1000, 100 + RESERVED)
        self.assert_ok(concurrency.check, "leaves 100")

    def test_a_new_account(self):
        self.limits(10, 10)
        self.assert_problem(concurrency.check, "is 10, as in a new account", f"at least {100 + RESERVED}, better 1,000")

    def test_a_small_limit_that_somebody_chose(self):
        self.limits(11, 11)
        self.assert_problem(concurrency.check, "executions is 11, of which 11 are free", "better 1,000")

    def test_others_have_reserved_the_rest(self):
        self.limits(1000, 99 + RESERVED)
        self.assert_problem(concurrency.check, f"of which {99 + RESERVED} are free", "at least 1001.")
        self.world.parameters["SenderConcurrency"] = "10"
        self.assert_problem(concurrency.check, "The stack reserves 65", "at least 1009.")

    def test_what_the_stack_has_reserved_counts_for_its_update(self):
        self.limits(1000, 100)
        self.world.answers["lambda:GetFunctionConcurrency"] = lambda FunctionName: {
            f"{STACK}-sender": {"ReservedConcurrentExecutions": 2},
            f"{STACK}-bulk-runner": {"ReservedConcurrentExecutions": 5},
            f"{STACK}-register": {"ReservedConcurrentExecutions": 50},
        }.get(FunctionName, Refusal("ResourceNotFoundException"))
        self.assert_ok(concurrency.check, "leaves 100")
