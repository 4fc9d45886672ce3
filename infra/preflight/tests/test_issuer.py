"""The identity provider's documents."""

from ..checks import issuer
from ..findings import CouldNotBeChecked, Status
from ..web import NotServed
from .world import DISCOVERY, ISSUER, CheckTest


class IdentityProvider(CheckTest):
    def test_good_documents(self):
        self.assert_ok(issuer.check, ISSUER)

    def test_a_final_slash_belongs_to_the_issuer_and_is_not_doubled(self):
        self.world.parameters["Issuer"] = f"{ISSUER}/"
        self.assert_problem(issuer.check, f"the issuer `{ISSUER}` and Issuer is `{ISSUER}/`", "down to a final slash")
        self.world.documents[DISCOVERY]["issuer"] = f"{ISSUER}/"
        self.assert_ok(issuer.check)

    def test_no_discovery_document(self):
        del self.world.documents[DISCOVERY]
        self.assert_problem(issuer.check, "answers with the status 404", "Correct Issuer")

    def test_keys_are_served_over_https(self):
        for keys in (f"http://{ISSUER}/keys", None, 7):
            self.world.documents[DISCOVERY]["jwks_uri"] = keys
            self.assert_problem(issuer.check, "not an https URL")

    def test_keys_that_are_not_served(self):
        self.world.documents[f"{ISSUER}/keys"] = NotServed("what is not JSON")
        self.assert_problem(issuer.check, "answers with what is not JSON")

    def test_an_http_api_needs_an_rsa_key(self):
        for keys in ([{"kty": "EC"}], [], None, ["x"]):
            self.world.documents[f"{ISSUER}/keys"] = {"keys": keys}
            self.assert_problem(issuer.check, "no RSA key", "RS256")

    def test_two_mistakes_are_two_problems(self):
        self.world.documents[DISCOVERY]["issuer"] = "https://other.org"
        self.world.documents[f"{ISSUER}/keys"] = {"keys": []}
        findings = list(issuer.check(self.world.context()))
        self.assertEqual([it.status for it in findings], [Status.PROBLEM, Status.PROBLEM])

    def test_it_is_not_judged_if_it_cannot_be_reached(self):
        self.world.documents[DISCOVERY] = CouldNotBeChecked("no network")
        with self.assertRaisesRegex(CouldNotBeChecked, "no network"):
            list(issuer.check(self.world.context()))
        self.world.parameters["Issuer"] = "http://127.0.0.1:4580/issuer"
        with self.assertRaisesRegex(CouldNotBeChecked, "not an https URL"):
            list(issuer.check(self.world.context()))
