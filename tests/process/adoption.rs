//! What a deleted stack leaves, and how the next one adopts it; and that a first deployment that fails leaves nothing.
//!
//! The tests create stacks of their own, from the template that was uploaded for the running one.

use serde_json::{Value, json};
use ureq::http::{self, header::CONTENT_TYPE};
use xtask::{
    StackFile,
    aws::{authorization, call},
    canaries,
    token::{self, Role},
};

use crate::{
    aws::{account, dynamodb, element, query},
    client::{Answer, exchange, profile, random, settings},
    wait::eventually,
};

/// Where the deployment puts the template.
const TEMPLATE: &str = "artifacts/template.json";

/// A stack of a test.
struct Trial {
    aws: &'static StackFile,
    name: String,
    /// The parameters that every deployment of it has.
    parameters: Vec<(&'static str, String)>,
}

/// What cannot be made again, by its id in the template.
struct Kept {
    table: String,
    key: String,
    pepper: String,
    identity: String,
}

impl Trial {
    fn new(name: &str) -> Option<Self> {
        let aws = system_tests::stack()?;
        let name = format!("{name}-{:016x}", random());
        let domain = format!("{name}.example.com");
        let parameters = vec![
            ("Stage", "local".to_owned()),
            ("Architecture", if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }.to_owned()),
            ("Issuer", aws.issuer.url.clone()),
            ("Audiences", aws.issuer.audiences.join(",")),
            ("MailFrom", format!("no-reply@{domain}")),
            ("MailDomain", domain),
            ("PortalBaseUrl", "https://portal.example.com".to_owned()),
        ];
        Some(Self { aws, name, parameters })
    }

    /// Sets a parameter.
    fn set(&mut self, name: &'static str, value: &str) {
        self.parameters.retain(|(known, _)| *known != name);
        self.parameters.push((name, value.to_owned()));
    }

    fn cloudformation(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        let stack = [("StackName", self.name.as_str())];
        query(self.aws, "cloudformation", action, &[&stack, parameters].concat())
    }

    /// Creates the stack, and returns the status that this ends in.
    fn create(&self, template: &str, more: &[(&str, &str)]) -> String {
        let mut request = vec![
            ("TemplateURL".to_owned(), format!("{}/{template}", self.aws.aws_endpoint)),
            ("Capabilities.member.1".to_owned(), "CAPABILITY_IAM".to_owned()),
            ("Capabilities.member.2".to_owned(), "CAPABILITY_AUTO_EXPAND".to_owned()),
        ];
        let own = self.parameters.iter().map(|(name, value)| (*name, value.as_str()));
        for (number, (name, value)) in own.chain(more.iter().copied()).enumerate() {
            let member = format!("Parameters.member.{}", number + 1);
            request.push((format!("{member}.ParameterKey"), name.to_owned()));
            request.push((format!("{member}.ParameterValue"), value.to_owned()));
        }
        let request: Vec<_> = request.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let created = self.cloudformation("CreateStack", &request);
        assert!(created.contains("<StackId>"), "{created}");
        eventually("the stack is created or rolled back", || {
            let described = self.cloudformation("DescribeStacks", &[]);
            let status = element(&described, "StackStatus");
            (!status.ends_with("IN_PROGRESS")).then_some(status)
        })
    }

    fn delete(&self) {
        self.cloudformation("DeleteStack", &[]);
        eventually("the stack is deleted", || {
            let described = self.cloudformation("DescribeStacks", &[]);
            (described.contains("does not exist") || described.contains("DELETE_COMPLETE")).then_some(())
        });
    }

    /// All events of the stack, as XML, the latest first.
    fn events(&self) -> String {
        let mut events = self.cloudformation("DescribeStackEvents", &[]);
        let mut page = events.clone();
        while page.contains("<NextToken>") {
            page = self.cloudformation("DescribeStackEvents", &[("NextToken", &element(&page, "NextToken"))]);
            events.push_str(&page);
        }
        events
    }

    /// The name that a resource of the template has in AWS, or had, if the stack was rolled back.
    fn physical_id(&self, resource: &str) -> String {
        let events = self.events();
        let created = events.split("<member>").find(|event| {
            event.contains(&format!("<LogicalResourceId>{resource}</LogicalResourceId>"))
                && event.contains("<ResourceStatus>CREATE_COMPLETE</ResourceStatus>")
        });
        let created = created.unwrap_or_else(|| unreachable!("{resource} was not created: {events}"));
        element(created, "PhysicalResourceId")
    }

    /// What the stack has created that cannot be made again.
    fn kept(&self) -> Kept {
        let [table, key, secret, identity] =
            ["Table", "TableKey", "FingerprintPepper", "MailIdentity"].map(|resource| self.physical_id(resource));
        // On AWS, the name of a secret in a stack is its ARN; here it is another name.
        let described =
            call(self.aws, "secretsmanager", "secretsmanager.DescribeSecret", &json!({ "SecretId": secret }));
        let pepper = described.map_or(secret, |described| described["ARN"].as_str().unwrap().to_owned());
        Kept { table, key, pepper, identity }
    }

    /// Which of them exist: table, key, pepper and identity.
    fn exist(&self, kept: &Kept) -> [bool; 4] {
        let table = json!({ "TableName": kept.table });
        let key = call(self.aws, "kms", "TrentService.DescribeKey", &json!({ "KeyId": kept.key }));
        let pepper = json!({ "SecretId": kept.pepper });
        [
            call(self.aws, "dynamodb", "DynamoDB_20120810.DescribeTable", &table).is_ok(),
            // A key that waits for its deletion is disabled.
            key.is_ok_and(|key| key["KeyMetadata"]["Enabled"] == true),
            call(self.aws, "secretsmanager", "secretsmanager.DescribeSecret", &pepper).is_ok(),
            self.identity("GET", &kept.identity).status == 200,
        ]
    }

    fn identity(&self, method: &str, name: &str) -> Answer {
        let url = format!("{}/v2/email/identities/{name}", self.aws.aws_endpoint);
        let request = http::Request::builder().method(method).uri(url);
        exchange(request.header("authorization", authorization(self.aws, "ses")).body(Vec::new()).unwrap())
    }

    /// Removes what a deleted stack has left.
    fn remove(&self, kept: &Kept) {
        dynamodb(self.aws, "DeleteTable", &json!({ "TableName": kept.table }));
        let secret = json!({ "SecretId": kept.pepper, "ForceDeleteWithoutRecovery": true });
        call(self.aws, "secretsmanager", "secretsmanager.DeleteSecret", &secret).unwrap();
        let key = json!({ "KeyId": kept.key, "PendingWindowInDays": 7 });
        call(self.aws, "kms", "TrentService.ScheduleKeyDeletion", &key).unwrap();
        self.identity("DELETE", &kept.identity);
        assert_eq!(self.exist(kept), [false; 4]);
    }

    /// Calls the API of the stack, for a practice of its own.
    fn ask(&self, role: Role, method: &str, path: &str, body: &Value) -> Answer {
        let url =
            format!("{}/_aws/execute-api/{}/%24default{path}", self.aws.aws_endpoint, self.physical_id("HttpApi"));
        let token = token::mint(&self.aws.issuer, role, &self.name).unwrap();
        let body = if body.is_null() { Vec::new() } else { body.to_string().into() };
        let request = http::Request::builder().method(method).uri(url).header(CONTENT_TYPE, "application/json");
        let request = request.header("authorization", format!("Bearer {token}")).body(body).unwrap();
        eventually("the API has time for a request", || {
            Some(exchange(request.clone())).filter(|answer| answer.status != 503)
        })
    }

    fn status(&self, patient: &str) -> Value {
        let answer = self.ask(Role::Staff, "GET", &format!("/v1/patients/{patient}/portal"), &Value::Null);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    fn save(&self, patient: &str, email: &str) {
        let answer = self.ask(Role::Staff, "PUT", &format!("/v1/patients/{patient}"), &profile(Some(email)));
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    fn invite(&self, patient: &str) -> Answer {
        self.ask(Role::Staff, "POST", &format!("/v1/patients/{patient}/portal/invite"), &json!({}))
    }

    fn await_sent(&self, patient: &str) {
        eventually("the invitation is sent", || (self.status(patient)["invitation"]["state"] == "sent").then_some(()));
    }
}

#[test]
fn the_next_stack_adopts_what_a_deleted_one_left() {
    let Some(trial) = Trial::new("adopted") else { return };
    assert_eq!(trial.create(TEMPLATE, &[]), "CREATE_COMPLETE");
    let kept = trial.kept();
    let email = format!("p-1@{}.{}.example.com", trial.name, canaries::WORD);
    assert_eq!(trial.ask(Role::Admin, "PUT", "/v1/practice", &settings()).status, 200);
    trial.save("p-1", &email);
    assert_eq!(trial.invite("p-1").status, 202);
    trial.await_sent("p-1");
    let before = trial.status("p-1");

    // As docs/DEPLOYING.md says: a protected stack is not deleted.
    trial.cloudformation("UpdateTerminationProtection", &[("EnableTerminationProtection", "true")]);
    let refused = trial.cloudformation("DeleteStack", &[]);
    assert!(refused.contains("TerminationProtection is enabled"), "{refused}");
    trial.cloudformation("UpdateTerminationProtection", &[("EnableTerminationProtection", "false")]);
    trial.delete();
    assert_eq!(trial.exist(&kept), [true; 4]);

    let key = format!("arn:aws:kms:{}:{}:key/{}", trial.aws.region, account(trial.aws), kept.key);
    let adopted = [
        ("ExistingTableName", kept.table.as_str()),
        ("ExistingTableKeyArn", &key),
        ("ExistingPepperArn", &kept.pepper),
        ("ExistingMailIdentity", &kept.identity),
    ];
    assert_eq!(trial.create(TEMPLATE, &adopted), "CREATE_COMPLETE");
    assert_eq!(trial.status("p-1")["panel"], before["panel"]);
    // Only with the same pepper is the address still the first patient's.
    trial.save("p-2", &email);
    let refused = trial.invite("p-2");
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("email_in_use")), "{refused:?}");
    // And the new stack sends, from the adopted identity.
    trial.save("p-3", &email.replace("p-1@", "p-3@"));
    assert_eq!(trial.invite("p-3").status, 202);
    trial.await_sent("p-3");

    trial.delete();
    assert_eq!(trial.exist(&kept), [true; 4]);
    trial.remove(&kept);
}

#[test]
fn a_first_deployment_that_fails_leaves_nothing() {
    let Some(mut trial) = Trial::new("failed") else { return };
    let s3 = |method: &str, object: &str, body: Vec<u8>| {
        let request = http::Request::builder().method(method).uri(format!("{}/{object}", trial.aws.aws_endpoint));
        let answer = exchange(request.header("authorization", authorization(trial.aws, "s3")).body(body).unwrap());
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    };
    let mut template: Value = serde_json::from_str(&s3("GET", TEMPLATE, Vec::new())).unwrap();
    // CloudFormation creates no secure parameters. This one comes after everything else.
    let others = template["Resources"].as_object().unwrap().iter();
    let others = others.filter(|(_, resource)| resource["Condition"].is_null()).map(|(name, _)| name.clone());
    let mut last = json!({ "Type": "AWS::SSM::Parameter", "Properties": { "Type": "SecureString", "Value": "x" } });
    last["DependsOn"] =
        others.chain(["Table", "TableKey", "FingerprintPepper", "MailIdentity"].map(str::to_owned)).collect();
    template["Resources"]["Last"] = last;
    let object = format!("artifacts/{}.json", trial.name);
    s3("PUT", &object, template.to_string().into_bytes());

    // As `prod` is deployed for the first time.
    trial.set("Stage", "prod");
    trial.set("TableDeletionProtection", "off");
    trial.set("AlarmTopicArn", &format!("arn:aws:sns:{}:{}:alarms", trial.aws.region, account(trial.aws)));
    assert_eq!(trial.create(&object, &[]), "ROLLBACK_COMPLETE");
    assert_eq!(trial.exist(&trial.kept()), [false; 4]);
    let events = trial.events();
    assert!(!events.contains("DELETE_SKIPPED") && !events.contains("DELETE_FAILED"), "{events}");
    trial.delete();
}
