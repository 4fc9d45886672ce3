//! Trigger events of a Cognito user pool, for a function that the API gateway also calls.
//!
//! The response to Cognito is the event itself. It is kept as its original text, because a type with the known members
//! would lose members that AWS adds.

use std::fmt;

use portal::email::EmailAddress;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;

use crate::http::{HttpAnswer, HttpEvent};

/// The trigger after a successful sign-in, before Cognito issues the tokens.
pub const POST_AUTHENTICATION: &str = "PostAuthentication_Authentication";

/// An event of one of the two callers. Any other event is a parse error.
pub enum Event {
    /// A request from the API gateway.
    Http(Box<HttpEvent>),
    /// A trigger event from a user pool.
    Trigger(Trigger),
}

/// The response to each caller. There is no `Debug`, because the response to the user pool is the event.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// The response to the API gateway.
    Http(Box<HttpAnswer>),
    /// The response to the user pool: the unchanged event.
    Trigger(Trigger),
}

/// A trigger event of a user pool. Serializing it gives its original text.
pub struct Trigger {
    source: String,
    event: Box<RawValue>,
}

impl Trigger {
    /// The name of the trigger: `triggerSource`.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The email address of the user, if there is one and the pool has verified it. All attributes are strings.
    #[must_use]
    pub fn verified_email(&self) -> Option<EmailAddress> {
        let User { request } = serde_json::from_str(self.event.get()).ok()?;
        let Attributes { email, email_verified } = request.user_attributes;
        email_verified.filter(|verified| verified == "true")?;
        EmailAddress::parse(&email?).ok()
    }
}

/// The member that only trigger events have. A client of the API gateway cannot add it, because client input is nested
/// in other members.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    trigger_source: Option<String>,
}

#[derive(Deserialize)]
struct User {
    request: UserRequest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserRequest {
    user_attributes: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    email: Option<String>,
    email_verified: Option<String>,
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = Box::<RawValue>::deserialize(deserializer)?;
        // The error of the parser can quote the event.
        let invalid = |_| D::Error::custom("the event is neither a request nor a trigger");
        let Kind { trigger_source } = serde_json::from_str(event.get()).map_err(invalid)?;
        match trigger_source {
            Some(source) => Ok(Self::Trigger(Trigger { source, event })),
            None => Ok(Self::Http(serde_json::from_str(event.get()).map_err(invalid)?)),
        }
    }
}

impl Serialize for Trigger {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.event.serialize(serializer)
    }
}

impl fmt::Debug for Event {
    /// Shows the kind of event, without the request, which contains the caller's token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(_) => f.debug_tuple("Http").finish_non_exhaustive(),
            Self::Trigger(trigger) => f.debug_tuple("Trigger").field(trigger).finish(),
        }
    }
}

impl fmt::Debug for Trigger {
    /// Shows the name of the trigger, without the user.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trigger").field("source", &self.source).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn trigger(event: &str) -> Trigger {
        let Event::Trigger(trigger) = serde_json::from_str(event).unwrap() else { panic!("no trigger: {event}") };
        trigger
    }

    fn trigger_with(attributes: &Value) -> Trigger {
        let request = json!({ "userAttributes": attributes });
        trigger(&json!({ "triggerSource": POST_AUTHENTICATION, "request": request }).to_string())
    }

    #[test]
    fn a_trigger_event_is_returned_byte_for_byte() {
        let text = "{ \"z\": 1e2, \"triggerSource\":\"New_One\",\"a\" : 123456789012345678901234567890,\
                    \"request\":{\"userAttributes\":{\"caf\\u00e9\":\"\\/\"}},\"response\":{ } }";
        let trigger = trigger(text);
        assert_eq!(trigger.source(), "New_One");
        assert_eq!(serde_json::to_string(&Reply::Trigger(trigger)).unwrap(), text);
    }

    #[test]
    fn a_client_of_the_gateway_cannot_forge_a_trigger_event() {
        let body = json!({ "triggerSource": POST_AUTHENTICATION, "request": {} }).to_string();
        let event = json!({
            "version": "2.0", "routeKey": "POST /v1/logins", "headers": { "triggersource": POST_AUTHENTICATION },
            "queryStringParameters": { "triggerSource": POST_AUTHENTICATION }, "body": body,
            "requestContext": { "http": { "method": "POST" }, "requestId": "request-1" },
        });
        let Event::Http(request) = serde_json::from_value(event).unwrap() else { panic!("it was read as a trigger") };
        assert_eq!((request.route_key.as_deref(), request.body), (Some("POST /v1/logins"), Some(body)));
    }

    #[test]
    fn any_other_event_is_an_error_that_does_not_quote_it() {
        for event in [
            json!(null),
            json!("jose@example.com"),
            json!([]),
            json!({}),
            json!({ "triggerSource": null }),
            json!({ "triggerSource": ["jose@example.com"] }),
            json!({ "triggerSource": 7, "requestContext": { "http": { "method": "POST" } } }),
            json!({ "Records": [{ "body": "jose@example.com" }] }),
            json!({ "requestContext": "jose@example.com" }),
            json!({ "requestContext": { "http": "jose@example.com" } }),
        ] {
            let error = serde_json::from_str::<Event>(&event.to_string()).unwrap_err().to_string();
            assert!(error.starts_with("the event is neither a request nor a trigger"), "{event}: {error}");
            assert!(!error.contains("jose"), "{error}");
        }
    }

    #[test]
    fn an_address_is_used_only_if_the_pool_has_verified_it() {
        let email = trigger_with(&json!({ "email": "Jose@Example.com", "email_verified": "true" })).verified_email();
        assert_eq!(email.unwrap().canonical(), "jose@example.com");
        for attributes in [
            json!({ "email": "jose@example.com", "email_verified": "false" }),
            json!({ "email": "jose@example.com", "email_verified": "TRUE" }),
            json!({ "email": "jose@example.com", "email_verified": "" }),
            json!({ "email": "jose@example.com", "email_verified": null }),
            json!({ "email": "jose@example.com" }),
            json!({ "email_verified": "true" }),
            json!({ "email": "jose", "email_verified": "true" }),
            json!({ "email": ["jose@example.com"], "email_verified": "true" }),
            json!({}),
            json!(null),
        ] {
            assert_eq!(trigger_with(&attributes).verified_email(), None, "{attributes}");
        }
        assert_eq!(trigger("{\"triggerSource\":\"PostAuthentication_Authentication\"}").verified_email(), None);
    }

    #[test]
    fn debug_output_contains_nothing_about_the_user() {
        let shown = format!("{:?}", Event::Trigger(trigger_with(&json!({ "email": "jose@example.com" }))));
        assert_eq!(shown, "Trigger(Trigger { source: \"PostAuthentication_Authentication\", .. })");
        let mut request = HttpEvent::default();
        request.body = Some("jose@example.com".to_owned());
        assert_eq!(format!("{:?}", Event::Http(Box::new(request))), "Http(..)");
    }
}
