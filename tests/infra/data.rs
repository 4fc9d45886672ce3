//! The table, the mail configuration and the queues: protection, keys and deliberate omissions.

use portal_aws::store::keys;
use serde_json::{Value, json};

use crate::template::{Template, expect, rule};

fn index<'template>(template: &'template Template, name: &str) -> &'template Value {
    let indexes = template.property("Table", "/GlobalSecondaryIndexes").as_array();
    indexes.into_iter().flatten().find(|index| index["IndexName"] == name).unwrap_or(&Value::Null)
}

#[test]
fn the_table_is_protected_against_loss() {
    rule(
        |template| {
            let table = |pointer| template.property("Table", pointer);
            let recovery = table("/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled");
            let created = json!({ "Fn::GetAtt": ["TableKey", "Arn"] });
            let key = json!({ "Fn::If": ["CreatesTableKey", created, { "Ref": "ExistingTableKeyArn" }] });
            let is_prod = json!({ "Fn::Equals": [{ "Ref": "Stage" }, "prod"] });
            let protection = json!({ "Fn::Equals": [{ "Ref": "TableDeletionProtection" }, "on"] });
            let protected = json!({ "Fn::And": [{ "Condition": "IsProd" }, protection] });
            [
                expect("recovery", recovery, &json!(true)),
                expect(
                    "protection",
                    table("/DeletionProtectionEnabled"),
                    &json!({ "Fn::If": ["ProtectsTable", true, false] }),
                ),
                expect("prod", template.at("/Conditions/IsProd"), &is_prod),
                expect("what is protected", template.at("/Conditions/ProtectsTable"), &protected),
                expect(
                    "protection by default",
                    template.at("/Parameters/TableDeletionProtection/Default"),
                    &json!("on"),
                ),
                expect("encryption", table("/SSESpecification/SSEEnabled"), &json!(true)),
                expect("the kind of key", table("/SSESpecification/SSEType"), &json!("KMS")),
                expect("the key", table("/SSESpecification/KMSMasterKeyId"), &key),
                expect("the key's rotation", template.property("TableKey", "/EnableKeyRotation"), &json!(true)),
                expect("expiry of items", table("/TimeToLiveSpecification"), &Value::Null),
            ]
            .into_iter()
            .flatten()
            .collect()
        },
        &[
            ("/Resources/Table/Properties/PointInTimeRecoverySpecification", Value::Null),
            ("/Resources/Table/Properties/DeletionProtectionEnabled", json!(false)),
            ("/Parameters/TableDeletionProtection/Default", json!("off")),
            ("/Resources/Table/Properties/SSESpecification/KMSMasterKeyId", Value::Null),
            ("/Resources/Table/Properties/TimeToLiveSpecification", json!({ "Enabled": true })),
        ],
    );
}

#[test]
fn the_keys_are_those_that_the_store_uses() {
    rule(
        |template| {
            let schema = |hash: &str, range: Option<&str>| {
                let mut schema = vec![json!({ "AttributeName": hash, "KeyType": "HASH" })];
                schema.extend(range.map(|range| json!({ "AttributeName": range, "KeyType": "RANGE" })));
                Value::Array(schema)
            };
            let table = template.property("Table", "/KeySchema");
            let due = index(template, keys::DUE_INDEX);
            [
                expect("the table's key", table, &schema(keys::PARTITION, Some(keys::SORT))),
                expect("the key of the due index", &due["KeySchema"], &schema("due_shard", Some("due_at"))),
                expect("the key of the link index", &index(template, "link")["KeySchema"], &schema("link_id", None)),
            ]
            .into_iter()
            .flatten()
            .collect()
        },
        &[
            ("/Resources/Table/Properties/KeySchema/1/AttributeName", json!("sort")),
            ("/Resources/Table/Properties/GlobalSecondaryIndexes/0/IndexName", json!("calendar")),
            ("/Resources/Table/Properties/GlobalSecondaryIndexes/1/KeySchema/0/AttributeName", json!("link")),
        ],
    );
}

#[test]
fn the_due_index_projects_exactly_the_attributes_that_the_sweep_reads() {
    rule(
        |template| {
            let projection = &index(template, keys::DUE_INDEX)["Projection"];
            let mut complaints: Vec<_> =
                expect("the projection", &projection["ProjectionType"], &json!("INCLUDE")).into_iter().collect();
            complaints.extend(expect(
                "what it includes",
                &projection["NonKeyAttributes"],
                &json!(keys::DUE_ATTRIBUTES),
            ));
            complaints
        },
        &[
            (
                "/Resources/Table/Properties/GlobalSecondaryIndexes/0/Projection",
                json!({ "ProjectionType": "KEYS_ONLY" }),
            ),
            (
                "/Resources/Table/Properties/GlobalSecondaryIndexes/0/Projection/NonKeyAttributes",
                json!(["reschedules"]),
            ),
            // Every projected attribute costs writes.
            ("/Resources/Table/Properties/GlobalSecondaryIndexes/0/Projection/NonKeyAttributes/-", json!("email")),
        ],
    );
}

#[test]
fn no_mailbox_gets_bounces_and_each_has_its_record() {
    rule(
        |template| {
            let identity = |pointer| template.property("MailIdentity", pointer);
            let output = |name: &str| template.at(&format!("/Outputs/{name}/Value")).clone();
            let record = |text: &str| json!({ "Fn::Sub": text });
            let mut complaints: Vec<_> = [
                // A mailbox with the addresses of patients would be one place more.
                expect("forwarding", identity("/FeedbackAttributes/EmailForwardingEnabled"), &json!(false)),
                expect(
                    "the MAIL FROM domain",
                    identity("/MailFromAttributes/MailFromDomain"),
                    &record("${BounceSubdomain}.${MailDomain}"),
                ),
                // Without its MX record, mails still go out.
                expect("without MX", identity("/MailFromAttributes/BehaviorOnMxFailure"), &json!("USE_DEFAULT_VALUE")),
                expect(
                    "MX",
                    &output("MxRecord"),
                    &record("${BounceSubdomain}.${MailDomain}. MX 10 feedback-smtp.${AWS::Region}.amazonses.com."),
                ),
                expect(
                    "SPF",
                    &output("SpfRecord"),
                    &record("${BounceSubdomain}.${MailDomain}. TXT \"v=spf1 include:amazonses.com ~all\""),
                ),
                expect("DMARC", &output("DmarcRecord"), &record("_dmarc.${MailDomain}. TXT \"v=DMARC1; p=none;\"")),
            ]
            .into_iter()
            .flatten()
            .collect();
            for number in 1..=3 {
                let wanted = format!(
                    "${{MailIdentity.DkimDNSTokenName{number}}}. CNAME ${{MailIdentity.DkimDNSTokenValue{number}}}."
                );
                complaints.extend(expect("DKIM", &output(&format!("DkimRecord{number}")), &record(&wanted)));
            }
            complaints
        },
        &[
            ("/Resources/MailIdentity/Properties/FeedbackAttributes", Value::Null),
            ("/Resources/MailIdentity/Properties/MailFromAttributes", Value::Null),
            ("/Resources/MailIdentity/Properties/MailFromAttributes/BehaviorOnMxFailure", json!("REJECT_MESSAGE")),
            ("/Outputs/MxRecord", Value::Null),
            ("/Outputs/SpfRecord/Value", json!("v=spf1 -all")),
            ("/Outputs/DkimRecord2", Value::Null),
            ("/Outputs/DmarcRecord", Value::Null),
        ],
    );
}

#[test]
fn mail_is_sent_encrypted_and_without_tracking() {
    rule(
        |template| {
            let set = |pointer| template.property("MailConfiguration", pointer);
            let mut complaints: Vec<_> = [
                expect("TLS", set("/DeliveryOptions/TlsPolicy"), &json!("REQUIRE")),
                expect("tracking", set("/TrackingOptions"), &Value::Null),
                expect("tracking by the service", set("/VdmOptions"), &Value::Null),
            ]
            .into_iter()
            .flatten()
            .collect();
            let number = template.resources("AWS::SES::ConfigurationSet").len();
            complaints.extend(expect("the number of configuration sets", &number.into(), &json!(1)));
            for (name, destination) in template.resources("AWS::SES::ConfigurationSetEventDestination") {
                let events = destination["Properties"]["EventDestination"]["MatchingEventTypes"].to_string();
                // With a destination for these events, SES adds a pixel to mails and rewrites links, even the secret one.
                if ["OPEN", "CLICK"].iter().any(|event| events.to_uppercase().contains(event)) {
                    complaints.push(format!("{name} tracks patients"));
                }
            }
            complaints
        },
        &[
            ("/Resources/MailConfiguration/Properties/DeliveryOptions/TlsPolicy", json!("OPTIONAL")),
            (
                "/Resources/MailConfiguration/Properties/TrackingOptions",
                json!({ "CustomRedirectDomain": "click.example.com" }),
            ),
            (
                "/Resources/MailEvents",
                json!({
                    "Type": "AWS::SES::ConfigurationSetEventDestination",
                    "Properties": { "EventDestination": { "MatchingEventTypes": ["SEND", "CLICK"] } },
                }),
            ),
        ],
    );
}

#[test]
fn queues_are_encrypted_and_accept_tls_only() {
    rule(
        |template| {
            let mut complaints = Vec::new();
            for queue in template.resources("AWS::SQS::Queue").into_keys() {
                let encrypted = template.property(queue, "/SqsManagedSseEnabled");
                complaints.extend(expect(format!("the encryption of {queue}"), encrypted, &json!(true)));
                let policy = format!("{queue}Policy");
                let statement = template.property(&policy, "/PolicyDocument/Statement/0");
                complaints.extend(expect(&policy, &statement["Effect"], &json!("Deny")));
                let plain = json!({ "Bool": { "aws:SecureTransport": false } });
                complaints.extend(expect(&policy, &statement["Condition"], &plain));
                complaints.extend(expect(&policy, template.property(&policy, "/Queues"), &json!([{ "Ref": queue }])));
                let condition = template.at(&format!("/Resources/{policy}/Condition"));
                complaints.extend(expect(&policy, condition, &Value::Null));
            }
            complaints
        },
        &[
            ("/Resources/InvitationQueue/Properties/SqsManagedSseEnabled", json!(false)),
            ("/Resources/InvitationDlqPolicy", Value::Null),
            ("/Resources/BulkQueuePolicy/Condition", json!("IsProd")),
            ("/Resources/InvitationQueuePolicy/Properties/PolicyDocument/Statement/0/Effect", json!("Allow")),
        ],
    );
}
