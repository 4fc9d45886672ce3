//! The gateway: its routes, permissions, limits and access log.

use std::collections::{BTreeMap, BTreeSet};

use portal_aws::http::{routes::Operation, scope::Access};
use serde_json::{Value, json};
use strum::IntoEnumIterator as _;

use crate::template::{Function, Template, expect, rule};

const ROUTE: &str = "AWS::ApiGatewayV2::Route";
const INTEGRATION: &str = "AWS::ApiGatewayV2::Integration";

/// The program behind each route, by the route's key.
fn programs(template: &Template) -> BTreeMap<String, String> {
    let integrations = template.resources(INTEGRATION);
    let routes = template.resources(ROUTE).into_values();
    routes
        .map(|route| {
            let target = route["Properties"]["Target"]["Fn::Sub"].as_str().unwrap_or_default();
            let integration = target.strip_prefix("integrations/${").and_then(|rest| rest.strip_suffix('}'));
            let integration = integrations.get(integration.unwrap_or_default()).copied().unwrap_or(&Value::Null);
            let function = integration["Properties"]["IntegrationUri"]["Fn::GetAtt"][0].as_str().unwrap_or_default();
            let program = template.at(&format!("/Resources/{function}/Metadata/BuildProperties/Binary"));
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (text(&route["Properties"]["RouteKey"]), text(program))
        })
        .collect()
}

#[test]
fn the_routes_are_the_operations() {
    rule(
        |template| {
            let mut wanted: BTreeMap<String, String> =
                Operation::iter().map(|operation| (operation.route_key(), operation.function().to_owned())).collect();
            wanted.insert("$default".to_owned(), "unrouted".to_owned());
            let actual = programs(template);
            if actual == wanted && template.resources(ROUTE).len() == wanted.len() {
                Vec::new()
            } else {
                vec![format!("the routes are {actual:?} and must be {wanted:?}")]
            }
        },
        &[
            ("/Resources/InviteRoute", Value::Null),
            ("/Resources/InviteRoute/Properties/RouteKey", json!("POST /v1/invite")),
            // Customer Care's practice is in the path. Without it there would be no practice.
            ("/Resources/ChangeEmailRoute/Properties/RouteKey", json!("PUT /v1/patients/{patientId}/portal/email")),
            ("/Resources/StatusRoute/Properties/Target", json!({ "Fn::Sub": "integrations/${InviteIntegration}" })),
            ("/Resources/SweepRoute", json!({ "Type": ROUTE, "Properties": { "RouteKey": "POST /v1/sweep" } })),
        ],
    );
}

/// The keys of the routes that need no token.
fn public_routes() -> Vec<String> {
    let public = Operation::iter().filter(|operation| operation.access() == Access::Public).map(Operation::route_key);
    public.chain(["$default".to_owned()]).collect()
}

#[test]
fn every_operation_that_is_not_public_requires_a_token() {
    let public = public_routes();
    rule(
        |template| {
            let mut complaints = Vec::new();
            for (name, route) in template.resources(ROUTE) {
                let properties = &route["Properties"];
                let (kind, authorizer) = (&properties["AuthorizationType"], &properties["AuthorizerId"]);
                let key = properties["RouteKey"].as_str().unwrap_or_default();
                if public.iter().any(|public| public == key) {
                    // Patients have no token.
                    if !kind.is_null() {
                        complaints.extend(expect(name, kind, &json!("NONE")));
                    }
                    complaints.extend(expect(name, authorizer, &Value::Null));
                } else {
                    complaints.extend(expect(name, kind, &json!("JWT")));
                    complaints.extend(expect(name, authorizer, &json!({ "Ref": "TokenAuthorizer" })));
                }
            }
            let authorizer = |pointer| template.property("TokenAuthorizer", pointer);
            complaints.extend(expect("the authorizer", authorizer("/AuthorizerType"), &json!("JWT")));
            let header = json!(["$request.header.Authorization"]);
            complaints.extend(expect("the token's place", authorizer("/IdentitySource"), &header));
            let issuer = authorizer("/JwtConfiguration/Issuer");
            complaints.extend(expect("the issuer", issuer, &json!({ "Ref": "Issuer" })));
            let audience = authorizer("/JwtConfiguration/Audience");
            complaints.extend(expect("the audiences", audience, &json!({ "Ref": "Audiences" })));
            let kind = template.at("/Parameters/Audiences/Type");
            complaints.extend(expect("the parameter of audiences", kind, &json!("CommaDelimitedList")));
            // Each of them: an empty one would be no audience.
            let pattern = template.at("/Parameters/Audiences/AllowedPattern");
            complaints.extend(expect("an audience", pattern, &json!("^[^\\s]+$")));
            complaints
        },
        &[
            ("/Resources/InviteRoute/Properties/AuthorizationType", json!("NONE")),
            ("/Resources/ChangeEmailRoute/Properties/AuthorizationType", json!("NONE")),
            ("/Resources/CheckLinkRoute/Properties/AuthorizationType", json!("JWT")),
            ("/Resources/StatusRoute/Properties/AuthorizerId", Value::Null),
            ("/Resources/TokenAuthorizer/Properties/JwtConfiguration/Audience", json!([])),
            ("/Resources/TokenAuthorizer/Properties/JwtConfiguration/Audience", json!([{ "Ref": "Audiences" }])),
            ("/Parameters/Audiences/Type", json!("String")),
            ("/Parameters/Audiences/AllowedPattern", Value::Null),
            ("/Resources/TokenAuthorizer/Properties/AuthorizerType", json!("REQUEST")),
        ],
    );
}

#[test]
fn only_pages_of_named_origins_may_call() {
    rule(
        |template| {
            let cors = template.property("HttpApi", "/CorsConfiguration/Fn::If");
            let pattern = template.at("/Parameters/CorsOrigins/AllowedPattern");
            [
                expect("the origins", &cors[1]["AllowOrigins"], &json!({ "Ref": "CorsOrigins" })),
                expect("credentials", &cors[1]["AllowCredentials"], &Value::Null),
                expect("without origins", &cors[2], &json!({ "Ref": "AWS::NoValue" })),
                expect("without a parameter", template.at("/Parameters/CorsOrigins/Default"), &json!("")),
                // No wildcard and no plain HTTP.
                expect("an origin", pattern, &json!("^(https://[a-z0-9.-]+(:[0-9]{1,5})?)?$")),
            ]
            .into_iter()
            .flatten()
            .collect()
        },
        &[
            ("/Parameters/CorsOrigins/AllowedPattern", Value::Null),
            ("/Parameters/CorsOrigins/AllowedPattern", json!(".*")),
            ("/Parameters/CorsOrigins/Default", json!("*")),
            ("/Resources/HttpApi/Properties/CorsConfiguration/Fn::If/1/AllowOrigins", json!(["*"])),
            ("/Resources/HttpApi/Properties/CorsConfiguration/Fn::If/1/AllowCredentials", json!(true)),
        ],
    );
}

/// The permission of the user pool, which calls one function by itself.
const OF_USER_POOL: &str = "TrackLoginUserPoolPermission";

#[test]
fn only_the_gateway_may_call_the_functions_behind_it() {
    rule(
        |template| {
            let mut complaints = Vec::new();
            let mut permissions = template.resources("AWS::Lambda::Permission");
            permissions.remove(OF_USER_POOL);
            // The permission of the event bus, which `mail_events` checks.
            permissions.remove("MailEventsPermission");
            for (name, permission) in permissions {
                let properties = &permission["Properties"];
                complaints.extend(expect(name, &properties["Principal"], &json!("apigateway.amazonaws.com")));
                let source = properties["SourceArn"]["Fn::Sub"].as_str().unwrap_or_default();
                if !source.ends_with("${AWS::AccountId}:${HttpApi}/*") {
                    complaints.push(format!("{name} is not for this API alone"));
                }
            }
            for (name, integration) in template.resources(INTEGRATION) {
                complaints.extend(expect(name, &integration["Properties"]["PayloadFormatVersion"], &json!("2.0")));
            }
            complaints
        },
        &[
            ("/Resources/InvitePermission/Properties/Principal", json!("*")),
            ("/Resources/InvitePermission/Properties/SourceArn", Value::Null),
            ("/Resources/InviteIntegration/Properties/PayloadFormatVersion", json!("1.0")),
        ],
    );
}

#[test]
fn only_the_user_pool_of_the_parameter_may_report_logins() {
    rule(
        |template| {
            let permission = |pointer| template.property(OF_USER_POOL, pointer);
            let condition = template.at(&format!("/Resources/{OF_USER_POOL}/Condition"));
            let named = json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": "LoginUserPoolArn" }, ""] }] });
            [
                expect("who may", permission("/Principal"), &json!("cognito-idp.amazonaws.com")),
                expect("which pool", permission("/SourceArn"), &json!({ "Ref": "LoginUserPoolArn" })),
                expect("what", permission("/FunctionName"), &json!({ "Ref": "TrackLoginFunction" })),
                expect("how", permission("/Action"), &json!("lambda:InvokeFunction")),
                expect("the condition", condition, &json!("HasLoginUserPool")),
                expect("what it says", template.at("/Conditions/HasLoginUserPool"), &named),
                expect("without one", template.at("/Parameters/LoginUserPoolArn/Default"), &json!("")),
            ]
            .into_iter()
            .flatten()
            .collect()
        },
        &[
            ("/Resources/TrackLoginUserPoolPermission/Condition", Value::Null),
            ("/Resources/TrackLoginUserPoolPermission/Properties/SourceArn", Value::Null),
            ("/Resources/TrackLoginUserPoolPermission/Properties/Principal", json!("*")),
            ("/Resources/TrackLoginUserPoolPermission/Properties/FunctionName", json!({ "Ref": "InviteFunction" })),
            ("/Conditions/HasLoginUserPool", json!({ "Fn::Equals": [1, 1] })),
            ("/Parameters/LoginUserPoolArn/Default", json!("*")),
        ],
    );
}

/// What the access log may contain of a request: nothing that the caller chose or that identifies the caller.
const LOGGED: [&str; 7] = [
    "requestId",
    "routeKey",
    "status",
    "responseLatency",
    "integrationStatus",
    "integrationErrorMessage",
    "authorizer.error",
];

#[test]
fn the_access_log_holds_ids_only() {
    rule(
        |template| {
            let settings = template.property("HttpStage", "/AccessLogSettings");
            let format = settings["Format"].as_str().unwrap_or_default();
            let names = format.split("$context.").skip(1);
            let name_of = |rest: &'_ str| {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len());
                rest[..end].to_owned()
            };
            let logged: Vec<String> = names.map(name_of).collect();
            let mut complaints = Vec::new();
            if logged.is_empty() || logged.iter().any(|name| !LOGGED.contains(&name.as_str())) {
                complaints.push(format!("the access log has {logged:?} and may have {LOGGED:?}"));
            }
            let destination = json!({ "Fn::GetAtt": ["AccessLogs", "Arn"] });
            complaints.extend(expect("the access log's place", &settings["DestinationArn"], &destination));
            complaints
        },
        &[
            ("/Resources/HttpStage/Properties/AccessLogSettings", Value::Null),
            ("/Resources/HttpStage/Properties/AccessLogSettings/Format", json!(r#"{"path":"$context.path"}"#)),
            ("/Resources/HttpStage/Properties/AccessLogSettings/Format", json!("$context.identity.sourceIp")),
            ("/Resources/HttpStage/Properties/AccessLogSettings/Format", json!("$context.authorizer.claims.sub")),
            ("/Resources/HttpStage/Properties/AccessLogSettings/DestinationArn", json!("elsewhere")),
        ],
    );
}

/// The value of a setting, which may be a parameter's default.
fn number(template: &Template, value: &Value) -> Option<u64> {
    let parameter = value["Ref"].as_str().map(|name| template.at(&format!("/Parameters/{name}/Default")));
    parameter.unwrap_or(value).as_u64()
}

#[test]
fn every_route_is_throttled_and_a_public_one_has_its_own_limit() {
    let public = public_routes();
    rule(
        |template| {
            let stage = |pointer: &str| template.property("HttpStage", pointer);
            let mut complaints = Vec::new();
            for limit in ["ThrottlingRateLimit", "ThrottlingBurstLimit"] {
                if stage(&format!("/DefaultRouteSettings/{limit}")).is_null() {
                    complaints.push(format!("there is no {limit} for all routes"));
                }
                // An attack at these limits must not cost much. `docs/SECURITY.md` has the sum.
                let limits = public.iter().map(|route| number(template, &stage("/RouteSettings")[route][limit]));
                if limits.sum::<Option<u64>>().is_none_or(|sum| sum > 200) {
                    complaints.push(format!("the {limit}s of the public routes are not there, or high"));
                }
            }
            // The routes of an honest peak take more than the rare ones.
            for route in ["POST /v1/activation/check", "POST /v1/activation"] {
                let rate = &stage("/RouteSettings")[route]["ThrottlingRateLimit"];
                complaints.extend(expect(route, rate, &json!({ "Ref": "PublicRateLimit" })));
            }
            complaints
        },
        &[
            ("/Resources/HttpStage/Properties/DefaultRouteSettings", Value::Null),
            ("/Resources/HttpStage/Properties/RouteSettings/$default/ThrottlingRateLimit", json!(1000)),
            ("/Resources/HttpStage/Properties/RouteSettings/POST ~1v1~1unsubscribe", Value::Null),
            (
                "/Resources/HttpStage/Properties/RouteSettings/POST ~1v1~1activation~1check/ThrottlingRateLimit",
                json!(10),
            ),
            ("/Parameters/PublicRateLimit/Default", json!(1000)),
            (
                "/Resources/HttpStage/Properties/RouteSettings",
                json!({ "$default": { "ThrottlingRateLimit": 5, "ThrottlingBurstLimit": 10 } }),
            ),
        ],
    );
}

#[test]
fn public_calls_cannot_take_the_concurrency_of_other_functions() {
    let public: BTreeSet<&str> =
        Operation::iter().filter(|operation| operation.access() == Access::Public).map(Operation::function).collect();
    rule(
        |template| {
            let functions = template.functions().into_iter().filter(|function| public.contains(function.name));
            let wanted = json!({ "Ref": "PublicConcurrency" });
            let reserved = |function: &Function<'_>| {
                expect(function.name, function.property("ReservedConcurrentExecutions"), &wanted)
            };
            functions.filter_map(|function| reserved(&function)).collect()
        },
        &[
            ("/Resources/RegisterFunction/Properties/ReservedConcurrentExecutions", Value::Null),
            ("/Resources/RegisterFunction/Properties/ReservedConcurrentExecutions", json!(0)),
        ],
    );
}

#[test]
fn no_route_has_detailed_metrics() {
    rule(
        |template| {
            let stage = template.property("HttpStage", "");
            let routes = stage["RouteSettings"].as_object().unwrap().values();
            let settings = routes.chain([&stage["DefaultRouteSettings"]]);
            let detailed = settings.map(|settings| &settings["DetailedMetricsEnabled"]);
            detailed.filter_map(|detailed| expect("a setting", detailed, &Value::Null)).collect()
        },
        &[
            ("/Resources/HttpStage/Properties/DefaultRouteSettings/DetailedMetricsEnabled", json!(true)),
            ("/Resources/HttpStage/Properties/RouteSettings/$default/DetailedMetricsEnabled", json!(true)),
        ],
    );
}
