//! What is deployed is `infra/template.yaml`, but for the patches that `cargo xtask up --explain` lists.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use xtask::{StackFile, explanation::explain, template::intrinsic, workspace::Workspace, yaml};

use crate::aws::{element, query};

/// As `xtask::deploy` names it.
pub(crate) const STACK: &str = "portal";

/// The places of all differences between two documents, as JSON pointers. A list is one value.
fn differences(ours: &Value, theirs: &Value) -> BTreeSet<String> {
    let (Value::Object(ours), Value::Object(theirs)) = (ours, theirs) else {
        return if ours == theirs { BTreeSet::new() } else { BTreeSet::from([String::new()]) };
    };
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let below = |name: &String| {
        let [ours, theirs] = [ours, theirs].map(|members| members.get(name).unwrap_or(&Value::Null));
        let prefix = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        differences(ours, theirs).into_iter().map(move |place| format!("{prefix}{place}"))
    };
    names.into_iter().flat_map(below).collect()
}

/// The template of the running stack, as it was deployed.
pub(crate) fn deployed(stack: &StackFile) -> Value {
    let parameters = [("StackName", STACK), ("TemplateStage", "Original")];
    let answer = query(stack, "cloudformation", "GetTemplate", &parameters);
    serde_json::from_str(&element(&answer, "TemplateBody")).unwrap()
}

#[test]
fn the_deployed_template_differs_from_the_file_by_the_patches_only() {
    let Some(stack) = system_tests::stack() else { return };
    let file = yaml::read("infra/template.yaml", intrinsic).unwrap();
    let patches = explain(&Workspace::locate().unwrap()).unwrap().patches;
    let mut claims: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for patch in &patches {
        assert!(!patch.why.is_empty() && !patch.changes.is_empty(), "without a reason or without a change: {patch:?}");
        for place in &patch.changes {
            claims.entry(place.clone()).or_default().push(&patch.name);
        }
    }
    assert!(claims.values().all(|patches| patches.len() == 1), "changed by several patches: {claims:?}");
    assert_eq!(
        differences(&file, &deployed(stack)),
        claims.into_keys().collect(),
        "differences, and what patches claim"
    );
}

#[test]
fn a_difference_is_found_where_it_is() {
    let parsed = |text: &str| yaml::parse(text, intrinsic).unwrap();
    let file = parsed("{a: {b: 1, c: [1, 2], 'd/e': x}, f: !Ref X}");
    assert_eq!(differences(&file, &file), BTreeSet::new());
    let other = parsed("{a: {b: '1', c: [1, 3], 'd/e': y, g: 1}, f: {Ref: X}}");
    let places = ["/a/b", "/a/c", "/a/d~1e", "/a/g"].map(str::to_owned);
    assert_eq!(differences(&file, &other), BTreeSet::from(places.clone()));
    assert_eq!(differences(&other, &file), BTreeSet::from(places));
}
