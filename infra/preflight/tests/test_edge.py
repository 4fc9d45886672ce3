"""The firewall's certificate."""

import copy

from ..checks import edge
from .world import CheckTest, Refusal

DOMAIN = "public.practice-portal.org"


class Edge(CheckTest):
    def certificate(self, **changes):
        answer = copy.deepcopy(self.world.answers["acm:DescribeCertificate"])
        answer["Certificate"].update(changes)
        self.world.answers["acm:DescribeCertificate"] = answer

    def test_an_issued_certificate_of_the_domain(self):
        self.assert_ok(edge.check, f"The certificate of {DOMAIN} is issued.")
        for names in (["practice-portal.org", DOMAIN], ["*.practice-portal.org"]):
            self.certificate(DomainName=names[0], SubjectAlternativeNames=names)
            self.assert_ok(edge.check)

    def test_no_firewall(self):
        self.world.parameters.update(EdgeDomain="", EdgeCertificateArn="")
        self.assert_ok(edge.check, "no firewall")

    def test_it_is_asked_where_cloudfront_takes_certificates_from(self):
        self.world.region = "eu-central-1"
        self.assert_ok(edge.check)
        self.assertEqual(self.world.aws.regions, ["us-east-1"])

    def test_a_certificate_that_is_not_there(self):
        self.world.answers["acm:DescribeCertificate"] = Refusal("ResourceNotFoundException")
        self.assert_problem(edge.check, "does not exist", f"Request a certificate of {DOMAIN} in us-east-1")

    def test_a_certificate_that_is_not_issued(self):
        for status in ("PENDING_VALIDATION", "EXPIRED", "REVOKED", "VALIDATION_TIMED_OUT"):
            self.certificate(Status=status)
            self.assert_problem(edge.check, f"is {status}", "ISSUED")

    def test_a_certificate_of_another_name(self):
        for name in ("practice-portal.org", "*.org", "*.public.practice-portal.org", "xpublic.practice-portal.org"):
            self.certificate(DomainName=name, SubjectAlternativeNames=[name])
            self.assert_problem(edge.check, f"is for {name}, not for {DOMAIN}.", "Request")
