//! The optional distribution and firewall in front of the public routes.

use std::collections::{BTreeMap, BTreeSet};

use portal_aws::http::{origin::ORIGIN_VERIFY, routes::Operation, scope::Access};
use serde_json::{Value, json};
use strum::IntoEnumIterator as _;
use xtask::template::Deployment;
use xtask::yaml;

use crate::template::{Template, expect, intrinsic, listed, rule, rule_of};

/// The template of the distribution and its firewall.
fn edge() -> Value {
    yaml::read("infra/edge.yaml", intrinsic).unwrap()
}

#[test]
fn there_is_no_edge_without_its_domain() {
    rule(
        |template| {
            let edge = template.at("/Resources/Edge/Condition");
            let condition = template.at("/Conditions/HasEdge");
            let asked = json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": "EdgeDomain" }, ""] }] });
            let default = template.at("/Parameters/EdgeDomain/Default");
            [
                expect("the edge's condition", edge, &json!("HasEdge")),
                expect("HasEdge", condition, &asked),
                expect("the default domain", default, &json!("")),
            ]
            .into_iter()
            .flatten()
            .collect()
        },
        &[
            ("/Resources/Edge/Condition", Value::Null),
            ("/Conditions/HasEdge", json!({ "Fn::Equals": ["a", "a"] })),
            ("/Parameters/EdgeDomain/Default", json!("portal.example.com")),
        ],
    );
}

#[test]
fn its_firewall_lets_through_the_public_paths_only() {
    let public: BTreeSet<&str> =
        Operation::iter().filter(|operation| operation.access() == Access::Public).map(Operation::path).collect();
    let rules = "/Resources/Firewall/Properties/Rules";
    let path = format!("{rules}/3/Statement/OrStatement/Statements/0/ByteMatchStatement");
    rule_of(
        &edge(),
        |document| {
            let firewall = &document["Resources"]["Firewall"]["Properties"];
            let mut complaints = Vec::new();
            complaints.extend(expect("the default action", &firewall["DefaultAction"], &json!({ "Block": {} })));
            let rules = firewall["Rules"].as_array().unwrap();
            // The first rule that allows a request ends the evaluation, so the rules that block must come before.
            let allows = |rule: &&Value| !rule["Action"]["Allow"].is_null();
            let last = rules.iter().max_by_key(|rule| rule["Priority"].as_u64()).unwrap();
            if rules.iter().filter(allows).count() != 1 || !allows(&last) {
                complaints.push("not only the last rule allows".to_owned());
            }
            let paths = listed(&last["Statement"]["OrStatement"]["Statements"]);
            let paths = paths.into_iter().map(|path| &path["ByteMatchStatement"]);
            let exact = paths.filter(|path| path["PositionalConstraint"] == "EXACTLY");
            let exact: BTreeSet<&str> = exact.filter_map(|path| path["SearchString"].as_str()).collect();
            if exact != public {
                complaints.push(format!("it lets {exact:?} through, and public are {public:?}"));
            }
            complaints
        },
        &[
            ("/Resources/Firewall/Properties/DefaultAction", json!({ "Allow": {} })),
            (&format!("{rules}/0/Action"), json!({ "Allow": {} })),
            (&format!("{rules}/3/Priority"), json!(0)),
            (&format!("{path}/SearchString"), json!("/v1/logins")),
            (&format!("{path}/PositionalConstraint"), json!("STARTS_WITH")),
        ],
    );
}

#[test]
fn its_firewall_counts_the_requests_of_each_address_but_not_those_of_trusted_servers() {
    let rate = "/Resources/Firewall/Properties/Rules/0/Statement/RateBasedStatement";
    rule_of(
        &edge(),
        |document| {
            let statement = document.pointer(rate).unwrap_or(&Value::Null);
            let trusted = &document["Resources"]["TrustedServers"]["Properties"];
            let given = json!({ "Fn::Split": [",", { "Ref": "TrustedAddresses" }] });
            let is_given = json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": "TrustedAddresses" }, ""] }] });
            let condition = &document["Resources"]["TrustedServers"]["Condition"];
            let ipv6 = document.pointer("/Resources/Distribution/Properties/DistributionConfig/IPV6Enabled");
            let set = json!({ "Fn::GetAtt": ["TrustedServers", "Arn"] });
            let others = json!({ "NotStatement": { "Statement": { "IPSetReferenceStatement": { "Arn": set } } } });
            let counted = json!({ "Fn::If": ["HasTrustedAddresses", others, { "Ref": "AWS::NoValue" }] });
            [
                expect("what is counted", &statement["AggregateKeyType"], &json!("IP")),
                expect("the limit", &statement["Limit"], &json!({ "Ref": "RequestsPerFiveMinutes" })),
                expect("whose requests are counted", &statement["ScopeDownStatement"], &counted),
                expect("HasTrustedAddresses", &document["Conditions"]["HasTrustedAddresses"], &is_given),
                expect("the condition of their set", condition, &json!("HasTrustedAddresses")),
                expect("the trusted addresses", &trusted["Addresses"], &given),
                expect("their kind", &trusted["IPAddressVersion"], &json!("IPV4")),
                // The firewall counts whole addresses. One subscriber has more IPv6 addresses than it can count.
                expect("IPv6", ipv6.unwrap_or(&Value::Null), &json!(false)),
            ]
            .into_iter()
            .flatten()
            .collect()
        },
        &[
            (&format!("{rate}/AggregateKeyType"), json!("CONSTANT")),
            (&format!("{rate}/Limit"), json!(20_000_000)),
            (&format!("{rate}/ScopeDownStatement"), Value::Null),
            ("/Resources/TrustedServers/Properties/Addresses", json!(["0.0.0.0/1"])),
            ("/Conditions/HasTrustedAddresses", json!({ "Fn::Equals": ["a", "b"] })),
            ("/Resources/Distribution/Properties/DistributionConfig/IPV6Enabled", json!(true)),
            ("/Resources/Distribution/Properties/DistributionConfig/IPV6Enabled", Value::Null),
        ],
    );
}

/// The secret of the header, as Secrets Manager keeps it: its versions, and which of them is current.
struct Secret {
    versions: BTreeMap<&'static str, &'static str>,
    current: &'static str,
}

impl Secret {
    /// The value that a dynamic reference stands for.
    fn resolve(&self, reference: &str) -> &'static str {
        let inner = reference.strip_prefix("{{resolve:secretsmanager:").and_then(|rest| rest.strip_suffix("}}"));
        let (secret, version) = inner.and_then(|inner| inner.split_once(":SecretString:::")).unwrap();
        // In the nested template it is the value of a parameter.
        assert!(["${OriginSecret}", r#"{"Ref":"OriginSecret"}"#].contains(&secret), "{secret}");
        self.versions[if version.is_empty() { self.current } else { version }]
    }
}

/// What is deployed: the values that the function accepts, and the one that the distribution sends.
#[derive(Debug, PartialEq)]
struct Deployed {
    accepted: Vec<&'static str>,
    sent: Option<&'static str>,
}

/// Deploys both templates with these parameters.
fn deploy(secret: &Secret, parameters: &[(&str, &str)]) -> Deployed {
    let given = |parameters: &[(&str, &str)]| -> BTreeMap<String, Value> {
        parameters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
    };
    let template = Template::load();
    let resources = Deployment::new(template.at(""), &given(parameters)).resources().unwrap();
    let variables = &resources["RegisterFunction"]["Properties"]["Environment"]["Variables"];
    let values = ["ORIGIN_SECRET", "PREVIOUS_ORIGIN_SECRET"].map(|name| variables[name].as_str().unwrap());
    let accepted = values.into_iter().filter(|value| !value.is_empty()).map(|value| secret.resolve(value)).collect();
    let sent = resources.get("Edge").map(|nested| {
        let given = serde_json::from_value(nested["Properties"]["Parameters"].clone()).unwrap();
        let document = edge();
        let resources = Deployment::new(&document, &given).resources().unwrap();
        let origin = &resources["Distribution"]["Properties"]["DistributionConfig"]["Origins"][0];
        let headers = origin["OriginCustomHeaders"].as_array().unwrap();
        assert_eq!((headers.len(), &headers[0]["HeaderName"]), (1, &json!(ORIGIN_VERIFY)));
        secret.resolve(headers[0]["HeaderValue"].as_str().unwrap())
    });
    Deployed { accepted, sent }
}

#[test]
fn without_an_edge_no_header_is_required() {
    let secret = Secret { versions: BTreeMap::new(), current: "none" };
    for versions in [&[][..], &[("EdgeSecretVersion", "v2"), ("EdgePreviousSecretVersion", "v1")]] {
        assert_eq!(deploy(&secret, versions), Deployed { accepted: vec![], sent: None });
    }
}

#[test]
fn the_header_is_sent_before_it_is_required() {
    let secret = Secret { versions: BTreeMap::from([("v1", "first")]), current: "v1" };
    let moving = [("EdgeDomain", "portal.example.com"), ("EdgeOnly", "false")];
    assert_eq!(deploy(&secret, &moving), Deployed { accepted: vec![], sent: Some("first") });
    let moved = [("EdgeDomain", "portal.example.com")];
    assert_eq!(deploy(&secret, &moved), Deployed { accepted: vec!["first"], sent: Some("first") });
}

/// The steps are those of `docs/RUNBOOK.md`.
#[test]
fn the_secret_is_rotated_without_a_refused_request() {
    const EDGE: (&str, &str) = ("EdgeDomain", "portal.example.com");
    let mut secret = Secret { versions: BTreeMap::from([("v1", "first")]), current: "v1" };
    let first = deploy(&secret, &[EDGE]);
    assert_eq!(first, Deployed { accepted: vec!["first"], sent: Some("first") });

    secret.versions.insert("v2", "second");
    secret.current = "v2";
    let both = deploy(&secret, &[EDGE, ("EdgeSecretVersion", "v2"), ("EdgePreviousSecretVersion", "v1")]);
    assert_eq!(both, Deployed { accepted: vec!["second", "first"], sent: Some("second") });

    let last = deploy(&secret, &[EDGE]);
    assert_eq!(last, Deployed { accepted: vec!["second"], sent: Some("second") });

    // The function is updated before the distribution. In between, the distribution sends what it sent before.
    let steps = [first, both, last];
    for [before, after] in steps.windows(2).map(|pair| [&pair[0], &pair[1]]) {
        for sent in [before.sent, after.sent] {
            assert!(after.accepted.contains(&sent.unwrap()), "{before:?} {after:?}");
        }
    }
    rule(
        |template| {
            expect("what comes first", template.at("/Resources/Edge/DependsOn"), &json!("RegisterFunction"))
                .into_iter()
                .collect()
        },
        &[("/Resources/Edge/DependsOn", Value::Null)],
    );
}

#[test]
fn the_secret_exists_only_with_the_edge() {
    rule(
        |template| {
            let secret = |pointer: &str| template.at(&format!("/Resources/OriginSecret{pointer}"));
            [
                expect("its condition", secret("/Condition"), &json!("HasEdge")),
                // The function requires 32 bytes.
                expect("its length", secret("/Properties/GenerateSecretString/PasswordLength"), &json!(64)),
                // A comma would be taken for two headers.
                expect("its alphabet", secret("/Properties/GenerateSecretString/ExcludePunctuation"), &json!(true)),
            ]
            .into_iter()
            .flatten()
            .collect()
        },
        &[
            ("/Resources/OriginSecret/Condition", Value::Null),
            ("/Resources/OriginSecret/Properties/GenerateSecretString/PasswordLength", json!(16)),
            ("/Resources/OriginSecret/Properties/GenerateSecretString/ExcludePunctuation", json!(false)),
        ],
    );
}
