//! Events of a Cognito user pool's triggers, for a function that the gateway calls as well.
//!
//! Cognito wants the event back as the answer. A type that knew its members would lose those that AWS adds, so the event
//! stays the text that it came as, and is only looked into.

use std::fmt;

use portal::email::EmailAddress;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;

use crate::http::{HttpAnswer, HttpEvent};

/// The trigger that Cognito calls when somebody has signed in, before they get their tokens.
pub const POST_AUTHENTICATION: &str = "PostAuthentication_Authentication";

/// An event of either caller. Reading one of neither is an error.
pub enum Event {
    /// A request, from the gateway.
    Http(Box<HttpEvent>),
    /// A trigger, from a user pool.
    Trigger(Trigger),
}

/// What each caller takes for an answer. To the user pool that is the event, hence no `Debug`.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// To the gateway.
    Http(Box<HttpAnswer>),
    /// To the user pool: the event as it came.
    Trigger(Trigger),
}

/// An event of a user pool's trigger. It is serialised as it came.
pub struct Trigger {
    source: String,
    event: Box<RawValue>,
}

impl Trigger {
    /// Which trigger: `triggerSource`.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The user's address, if there is one and the pool knows that it is the user's. Cognito gives all attributes as
    /// texts.
    #[must_use]
    pub fn verified_email(&self) -> Option<EmailAddress> {
        let User { request } = serde_json::from_str(self.event.get()).ok()?;
        let Attributes { email, email_verified } = request.user_attributes;
        email_verified.filter(|verified| verified == "true")?;
        EmailAddress::parse(&email?).ok()
    }
}

/// Where an event says whether it is a trigger's. A client of the gateway has no influence on this: what it sends is
/// within members of the gateway's own event.
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
        // The reasons of the parser would quote what it stumbled over.
        let neither = |_| D::Error::custom("the event is neither a request nor a trigger");
        let Kind { trigger_source } = serde_json::from_str(event.get()).map_err(neither)?;
        match trigger_source {
            Some(source) => Ok(Self::Trigger(Trigger { source, event })),
            None => Ok(Self::Http(serde_json::from_str(event.get()).map_err(neither)?)),
        }
    }
}

impl Serialize for Trigger {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.event.serialize(serializer)
    }
}

impl fmt::Debug for Event {
    /// Shows whose event it is, and nothing of a request, which has the caller's token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(_) => f.debug_tuple("Http").finish_non_exhaustive(),
            Self::Trigger(trigger) => f.debug_tuple("Trigger").field(trigger).finish(),
        }
    }
}

impl fmt::Debug for Trigger {
    /// Shows which trigger it is, and nothing of the user.
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

    fn of_user(attributes: &Value) -> Trigger {
        let request = json!({ "userAttributes": attributes });
        trigger(&json!({ "triggerSource": POST_AUTHENTICATION, "request": request }).to_string())
    }

    #[test]
    fn a_trigger_goes_back_as_it_came_to_the_byte() {
        let text = "{ \"z\": 1e2, \"triggerSource\":\"New_One\",\"a\" : 123456789012345678901234567890,\
                    \"request\":{\"userAttributes\":{\"caf\\u00e9\":\"\\/\"}},\"response\":{ } }";
        let trigger = trigger(text);
        assert_eq!(trigger.source(), "New_One");
        assert_eq!(serde_json::to_string(&Reply::Trigger(trigger)).unwrap(), text);
    }

    #[test]
    fn what_comes_from_the_gateway_is_a_request_whatever_the_client_writes() {
        let body = json!({ "triggerSource": POST_AUTHENTICATION, "request": {} }).to_string();
        let event = json!({
            "version": "2.0", "routeKey": "POST /v1/logins", "headers": { "triggersource": POST_AUTHENTICATION },
            "queryStringParameters": { "triggerSource": POST_AUTHENTICATION }, "body": body,
            "requestContext": { "http": { "method": "POST" }, "requestId": "request-1" },
        });
        let Event::Http(request) = serde_json::from_value(event).unwrap() else { panic!("taken for a trigger") };
        assert_eq!((request.route_key.as_deref(), request.body), (Some("POST /v1/logins"), Some(body)));
    }

    #[test]
    fn an_event_of_neither_is_an_error_that_quotes_nothing() {
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
    fn an_address_counts_if_the_pool_has_verified_it() {
        let email = of_user(&json!({ "email": "Jose@Example.com", "email_verified": "true" })).verified_email();
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
            assert_eq!(of_user(&attributes).verified_email(), None, "{attributes}");
        }
        assert_eq!(trigger("{\"triggerSource\":\"PostAuthentication_Authentication\"}").verified_email(), None);
    }

    #[test]
    fn nothing_of_the_user_is_shown() {
        let shown = format!("{:?}", Event::Trigger(of_user(&json!({ "email": "jose@example.com" }))));
        assert_eq!(shown, "Trigger(Trigger { source: \"PostAuthentication_Authentication\", .. })");
        let mut request = HttpEvent::default();
        request.body = Some("jose@example.com".to_owned());
        assert_eq!(format!("{:?}", Event::Http(Box::new(request))), "Http(..)");
    }
}
