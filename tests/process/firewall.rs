//! The firewall's header, with the real function and both templates: what is deployed accepts and sends it, and the steps by
//! which `docs/RUNBOOK.md` rotates its secret refuse no request.
//!
//! The local `CloudFormation` resolves no secrets in a nested stack, and the tests' stack has no firewall. So this deploys
//! a part of the template, with what it refers to, and the firewall's template as a stack of its own.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use ureq::http;
use xtask::{
    StackFile,
    aws::{authorization, call},
    template::intrinsic,
    yaml,
};

use crate::{aws, client::exchange, template, wait::eventually};

const STACK: &str = "firewall";
const EDGE_STACK: &str = "firewall-edge";
const DOMAIN: &str = "portal.example.com";
const CERTIFICATE: &str = "arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c3d";

/// The names in a value that may be those of resources.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        // Of `Ref`, `DependsOn` and `Fn::GetAtt`, and within `Fn::Sub`.
        Value::String(text) => {
            found.insert(text.clone());
            let parts = text.split("${").skip(1).filter_map(|rest| rest.split(['}', '.']).next());
            found.extend(parts.map(str::to_owned));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(members) => members.values().for_each(|member| references(member, found)),
    }
}

fn cloudformation(stack: &StackFile, action: &str, parameters: &[(&str, &str)]) -> String {
    aws::query(stack, "cloudformation", action, parameters)
}

/// The parameters of the tests' own stack, with those of the firewall.
fn parameters(stack: &StackFile) -> Vec<(String, String)> {
    let described = cloudformation(stack, "DescribeStacks", &[("StackName", template::STACK)]);
    let parameters = described.split("<ParameterKey>").skip(1).map(|rest| {
        let parameter = format!("<ParameterKey>{rest}");
        (aws::element(&parameter, "ParameterKey"), aws::element(&parameter, "ParameterValue"))
    });
    overridden(parameters.collect(), &[("EdgeDomain", DOMAIN), ("EdgeCertificateArn", CERTIFICATE)])
}

/// Parameters with other values for some.
fn overridden(mut parameters: Vec<(String, String)>, others: &[(&str, &str)]) -> Vec<(String, String)> {
    parameters.retain(|(name, _)| others.iter().all(|(other, _)| other != name));
    parameters.extend(others.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    parameters
}

/// The deployed template, with the function, the secret and what they refer to.
fn part_of_template(stack: &StackFile) -> Value {
    let mut template = template::deployed(stack);
    let resources: Map<String, Value> = template["Resources"].as_object().unwrap().clone();
    let mut wanted: Vec<String> = vec!["RegisterFunction".to_owned(), "OriginSecret".to_owned()];
    let mut kept = Map::new();
    while let Some(name) = wanted.pop() {
        if let Some(resource) = resources.get(&name).filter(|_| !kept.contains_key(&name)) {
            let mut found = BTreeSet::new();
            references(resource, &mut found);
            wanted.extend(found);
            kept.insert(name, resource.clone());
        }
    }
    template["Resources"] = kept.into();
    template.as_object_mut().unwrap().remove("Outputs");
    template
}

/// Creates or updates a stack, and waits until it is complete.
fn deploy(stack: &StackFile, name: &str, template: &Value, parameters: &[(String, String)]) {
    let body = template.to_string();
    let members: Vec<(String, &str)> = parameters
        .iter()
        .zip(1..)
        .flat_map(|((key, value), number)| {
            let member = |part: &str| format!("Parameters.member.{number}.Parameter{part}");
            [(member("Key"), key.as_str()), (member("Value"), value.as_str())]
        })
        .collect();
    let mut form = vec![
        ("StackName", name),
        ("TemplateBody", &body),
        ("Capabilities.member.1", "CAPABILITY_IAM"),
        ("Capabilities.member.2", "CAPABILITY_AUTO_EXPAND"),
    ];
    form.extend(members.iter().map(|(key, value)| (key.as_str(), *value)));
    if cloudformation(stack, "CreateStack", &form).contains("AlreadyExists") {
        cloudformation(stack, "UpdateStack", &form);
    }
    let status = eventually("the stack is complete", || {
        let found = cloudformation(stack, "DescribeStacks", &[("StackName", name)]);
        Some(aws::element(&found, "StackStatus")).filter(|status| !status.ends_with("IN_PROGRESS"))
    });
    assert!(["CREATE_COMPLETE", "UPDATE_COMPLETE"].contains(&status.as_str()), "{name}: {status}");
}

/// A deployment with the firewall.
struct Deployment {
    stack: &'static StackFile,
    template: Value,
    parameters: Vec<(String, String)>,
    edge: Value,
    secret: String,
}

impl Deployment {
    fn begin(stack: &'static StackFile) -> Self {
        let (template, edge) = (part_of_template(stack), yaml::read("infra/edge.yaml", intrinsic).unwrap());
        let mut deployment = Self { stack, template, parameters: parameters(stack), edge, secret: String::new() };
        deployment.function(&[]);
        let resource = [("StackName", STACK), ("LogicalResourceId", "OriginSecret")];
        let found = cloudformation(stack, "DescribeStackResource", &resource);
        deployment.secret = aws::element(&found, "PhysicalResourceId");
        deployment.distribution("");
        deployment
    }

    /// Deploys the function, which is the first part of a deployment.
    fn function(&self, versions: &[(&str, &str)]) {
        deploy(self.stack, STACK, &self.template, &overridden(self.parameters.clone(), versions));
    }

    /// Deploys the distribution, which is the second part.
    fn distribution(&self, version: &str) {
        let parameters = [
            ("Domain", DOMAIN),
            ("CertificateArn", CERTIFICATE),
            ("ApiDomain", "api.example.com"),
            ("RequestsPerFiveMinutes", "300"),
            ("TrustedAddresses", ""),
            ("OriginSecretArn", &self.secret),
            ("OriginSecretVersion", version),
        ];
        deploy(self.stack, EDGE_STACK, &self.edge, &overridden(Vec::new(), &parameters));
    }

    /// The value that the distribution sends.
    fn sent(&self) -> String {
        let url = format!("{}/2020-05-31/distribution", self.stack.aws_endpoint);
        let request = http::Request::get(url).header("authorization", authorization(self.stack, "cloudfront"));
        let list = exchange(request.body(Vec::new()).unwrap()).body;
        assert_eq!(aws::element(&list, "HeaderName"), "x-origin-verify");
        aws::element(&list, "HeaderValue")
    }

    /// The code of the function's answer to a request with this header.
    fn answer(&self, header: Option<&str>) -> u64 {
        let mut event: Value = serde_json::from_str(include_str!("../../events/register/check.json")).unwrap();
        if let Some(value) = header {
            event["headers"]["x-origin-verify"] = value.into();
        }
        aws::invoke_by_name(self.stack, "firewall-register", &event)["statusCode"].as_u64().unwrap()
    }

    /// Calls an operation of Secrets Manager on the secret, and returns the id of the version.
    fn version(&self, operation: &str, mut input: Value) -> String {
        input["SecretId"] = self.secret.clone().into();
        let answer = call(self.stack, "secretsmanager", &format!("secretsmanager.{operation}"), &input).unwrap();
        answer["VersionId"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_request_past_the_firewall_is_refused_and_its_secret_can_be_rotated() {
    let Some(stack) = system_tests::stack() else { return };
    let deployment = Deployment::begin(stack);
    let first = deployment.sent();
    for (header, status) in [(None, 403), (Some("x"), 403), (Some(first.as_str()), 200)] {
        assert_eq!(deployment.answer(header), status, "{header:?}");
    }

    // Step 1: a new version. Nothing that is deployed changes.
    let second = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01";
    let new = deployment.version("PutSecretValue", json!({ "SecretString": second }));
    let old = deployment.version("GetSecretValue", json!({ "VersionStage": "AWSPREVIOUS" }));
    assert_ne!(new, old);
    assert_eq!(deployment.answer(Some(&first)), 200);

    // Step 2: the function accepts both, then the distribution sends the new one.
    deployment.function(&[("EdgeSecretVersion", &new), ("EdgePreviousSecretVersion", &old)]);
    assert_eq!([deployment.answer(Some(&first)), deployment.answer(Some(second))], [200, 200]);
    deployment.distribution(&new);
    assert_eq!(deployment.sent(), second);

    // Step 3: the new one alone.
    deployment.function(&[]);
    assert_eq!([deployment.answer(Some(&first)), deployment.answer(Some(second))], [403, 200]);
    deployment.distribution("");
    assert_eq!(deployment.sent(), second);

    // While clients move to the firewall, it sends the header and the function does not require it.
    deployment.function(&[("EdgeOnly", "false")]);
    assert_eq!(deployment.answer(None), 200);

    let log = std::fs::read_to_string(&stack.log).unwrap();
    assert!(log.contains("wrong_host"), "refusals are logged");
    assert!(!log.contains(second) && !log.contains(&first), "the secret is not");
}
