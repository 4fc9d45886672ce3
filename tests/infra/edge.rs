//! The optional distribution and firewall in front of the public routes.

use std::collections::BTreeSet;

use portal_aws::http::{routes::Operation, scope::Access};
use serde_json::{Value, json};
use strum::IntoEnumIterator as _;
use system_tests::yaml;

use crate::template::{expect, intrinsic, listed, rule, rule_of};

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
        &yaml::read("infra/edge.yaml", intrinsic).unwrap(),
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
