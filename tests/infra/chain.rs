//! The parts of the API are created one after the other: API Gateway refuses changes of one API at the same time.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::template::{Template, listed, rule};

/// The kinds of parts that are changed through the API.
const KINDS: [&str; 4] = [
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
];
/// The part that is created last. It names routes.
const STAGE: &str = "HttpStage";

/// The parts that each part waits for.
type Waits<'template> = BTreeMap<&'template str, BTreeSet<&'template str>>;

fn waits(template: &Template) -> Waits<'_> {
    let parts: BTreeMap<_, _> = KINDS.iter().flat_map(|kind| template.resources(kind)).collect();
    let names: BTreeSet<_> = parts.keys().copied().collect();
    parts
        .into_iter()
        .map(|(name, part)| {
            let mut others = BTreeSet::new();
            mention(&part["Properties"], &names, &mut others);
            others
                .extend(listed(&part["DependsOn"]).into_iter().filter_map(|other| names.get(other.as_str()?).copied()));
            (name, others)
        })
        .collect()
}

/// The names in references: `Ref`, `Fn::GetAtt` and `${...}` of `Fn::Sub`.
fn mention<'names>(value: &Value, names: &BTreeSet<&'names str>, found: &mut BTreeSet<&'names str>) {
    match value {
        Value::Object(members) => members.values().for_each(|member| mention(member, names, found)),
        Value::Array(items) => items.iter().for_each(|item| mention(item, names, found)),
        Value::String(text) => {
            let text = text.rsplit_once("${").map_or(text.as_str(), |(_, name)| name.trim_end_matches('}'));
            found.extend(names.get(text));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The chain, from its beginning: each part waits for the one before it. Of several parts that wait for the same one, it goes on
/// with the one that most parts follow.
fn chain<'template>(waits: &Waits<'template>) -> Vec<&'template str> {
    let first = waits.iter().find(|(_, others)| others.is_empty()).map(|(name, _)| *name);
    let mut chain: Vec<_> = first.into_iter().collect();
    while let Some(last) = chain.last() {
        let next = waits.iter().filter(|(name, others)| others.contains(last) && !chain.contains(name));
        let Some((next, _)) = next.max_by_key(|(name, _)| followers(waits, name)) else { break };
        chain.push(next);
    }
    chain
}

/// The number of parts that wait for a part, directly or through others.
fn followers(waits: &Waits<'_>, part: &str) -> usize {
    let mut reached = BTreeSet::from([part]);
    loop {
        let more = waits.iter().filter(|(_, others)| others.iter().any(|other| reached.contains(other)));
        let more: BTreeSet<_> = more.map(|(name, _)| *name).collect();
        if more.is_subset(&reached) {
            return reached.len();
        }
        reached.extend(more);
    }
}

fn complaints(template: &Template) -> Vec<String> {
    let waits = waits(template);
    let chain = chain(&waits);
    let parts: Vec<_> = chain.iter().copied().filter(|part| *part != STAGE).collect();
    let last = parts.last().copied().unwrap_or_default();
    let missing = waits.keys().filter(|name| !chain.contains(name));
    let mut complaints: Vec<_> = missing
        .map(|name| {
            format!(
                "{name} may be created at the same time as another part of the API: add `DependsOn: {last}` to {name}, and in \
                 {STAGE} replace `DependsOn: {last}` by `DependsOn: {name}`"
            )
        })
        .collect();
    if complaints.is_empty() && chain.last() != Some(&STAGE) {
        complaints.push(format!("{STAGE} names routes: add `DependsOn: {last}` to {STAGE}"));
    }
    complaints
}

#[test]
fn each_part_of_the_api_waits_for_the_one_before_it() {
    let route = json!({
        "Type": "AWS::ApiGatewayV2::Route",
        "Properties": { "Target": { "Fn::Sub": "integrations/${InviteIntegration}" } },
    });
    rule(
        complaints,
        &[
            ("/Resources/ReadPatientRoute/DependsOn", Value::Null),
            ("/Resources/PracticeIntegration/DependsOn", Value::Null),
            ("/Resources/RevokeRoute/DependsOn", json!("HttpApi")),
            ("/Resources/HttpStage/DependsOn", Value::Null),
            ("/Resources/NewRoute", route),
        ],
    );
}

#[test]
fn the_complaint_about_a_new_route_names_the_lines_to_add() {
    let template = Template::load().with(
        "/Resources/NewRoute",
        &json!({
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": { "Target": { "Fn::Sub": "integrations/${InviteIntegration}" } },
        }),
    );
    let sentence = "NewRoute may be created at the same time as another part of the API: add `DependsOn: UnroutedRoute` to \
                    NewRoute, and in HttpStage replace `DependsOn: UnroutedRoute` by `DependsOn: NewRoute`";
    assert_eq!(complaints(&template), [sentence]);
    let template = template.with("/Resources/NewRoute/DependsOn", &json!("UnroutedRoute"));
    let template = template.with("/Resources/HttpStage/DependsOn", &json!("NewRoute"));
    assert_eq!(complaints(&template), Vec::<String>::new());
}
