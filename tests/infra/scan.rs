//! The scanner of templates: what it does not get has its reason in the template.

use std::collections::BTreeSet;

use crate::documents::read;

/// The ids in a text of what the scanner asks for.
fn ids(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
    words.filter(|word| word.starts_with("CKV_")).collect()
}

/// What is passed over without a reason, for a configuration of the scanner and a template.
fn unexplained(configuration: &str, template: &str) -> Vec<String> {
    let everywhere = configuration.lines().find_map(|line| line.strip_prefix("skip-check:")).unwrap_or_default();
    let reasons: Vec<&str> =
        template.lines().filter_map(|line| Some(line.strip_prefix("# - ")?.split_once(", ")?.0)).collect();
    let reasons = reasons.join(" ");
    let mut missing: Vec<_> = ids(everywhere).symmetric_difference(&ids(&reasons)).map(|id| (*id).to_owned()).collect();
    let beside = template.split("checkov:skip=").skip(1).map(|rest| rest.lines().next().unwrap_or_default());
    missing.extend(beside.filter(|beside| !beside.contains(':') || beside.ends_with(':')).map(str::to_owned));
    missing
}

#[test]
fn whatever_the_scanner_passes_over_has_its_reason_in_the_template() {
    let configuration = read("infra/scan/checkov.yaml");
    assert_eq!(unexplained(&configuration, &read("infra/template.yaml")), Vec::<String>::new());
    assert_eq!(unexplained("", &read("infra/edge.yaml")), Vec::<String>::new());
}

#[test]
fn an_exception_without_a_reason_is_noticed() {
    let (configuration, template) =
        ("skip-check: [CKV_AWS_1, CKV_AWS_2]\n", "# - CKV_AWS_1, a key: no.\n# - CKV_AWS_2, a log: no.\n");
    assert_eq!(unexplained(configuration, template), Vec::<String>::new());
    assert_eq!(unexplained(configuration, "# - CKV_AWS_1, a key: no.\n"), ["CKV_AWS_2"]);
    assert_eq!(unexplained("skip-check: [CKV_AWS_1]\n", template), ["CKV_AWS_2"]);
    assert_eq!(
        unexplained("", "    # checkov:skip=CKV_AWS_3:\n    # checkov:skip=CKV_AWS_4:it is so\n"),
        ["CKV_AWS_3:"]
    );
}
