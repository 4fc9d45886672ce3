"""The optional firewall: its certificate. The template's rules demand both parameters and the region."""

from ..findings import CouldNotBeChecked, ok, problem

# CloudFront takes certificates from this region only.
REGION = "us-east-1"


def check(context):
    """Whether the certificate is issued and is for the domain."""
    domain, arn = context.planned.value("EdgeDomain"), context.planned.value("EdgeCertificateArn")
    if not domain:
        yield ok("No EdgeDomain: there is no firewall in front of the public routes.")
        return
    if not arn:
        raise CouldNotBeChecked("EdgeCertificateArn is missing")
    answer = context.aws.ask(
        "acm", "describe_certificate", absent=("ResourceNotFoundException",), region=REGION, CertificateArn=arn
    )
    if not answer:
        yield problem(f"EdgeCertificateArn does not exist in {REGION}.", f"Request a certificate of {domain} in {REGION}.")
        return
    certificate = answer["Certificate"]
    names = [certificate["DomainName"], *certificate.get("SubjectAlternativeNames", [])]
    fine = True
    if certificate["Status"] != "ISSUED":
        fine = False
        yield problem(
            f"The certificate of {domain} is {certificate['Status']}: CloudFront does not accept it.",
            "Put its validation record into the domain's DNS, and wait until it is ISSUED.",
        )
    if not any(_covers(name, domain) for name in names):
        fine = False
        yield problem(
            f"EdgeCertificateArn is for {', '.join(dict.fromkeys(names))}, not for {domain}.",
            f"Request a certificate of {domain} in {REGION}.",
        )
    if fine:
        yield ok(f"The certificate of {domain} is issued.")


def _covers(name, domain):
    """A wildcard stands for exactly one label."""
    return name == domain or (name.startswith("*.") and name[2:] == domain.partition(".")[2])
