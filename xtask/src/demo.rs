//! The demo data: two practices and a few invented patients, saved through the HTTP API.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::{
    StackFile,
    token::{self, Role},
};

/// The practice of most demo patients.
pub const PRACTICE: &str = "northside";
/// Another practice, in another time zone.
pub const OTHER_PRACTICE: &str = "harbor";

/// Loads the demo data. Patient `p-1001` does not exist, so that the user can create it.
pub fn load(stack: &StackFile) -> Result<()> {
    save_practice(stack, PRACTICE, "Northside Family Medicine", "+1 555 0100", "America/New_York")?;
    save_practice(stack, OTHER_PRACTICE, "Harbor Pediatrics", "+1 555 0199", "America/Los_Angeles")?;
    for (id, given_name, family_name, date_of_birth, email, language) in [
        ("p-2001", "Ana", "Sampleton", "1984-03-12", "ana.sampleton@example.com", "en"),
        ("p-2002", "José", "Núñez Ejemplo", "1980-02-29", "jose.nunez@example.com", "es"),
        ("p-2003", "Wilhelmina", "Testworth", "1951-11-30", "w.testworth@example.org", "en"),
    ] {
        let profile = json!({
            "givenName": given_name, "familyName": family_name, "dateOfBirth": date_of_birth,
            "email": email, "language": language,
        });
        put(stack, &format!("/v1/patients/{id}"), &stack.tokens.staff, &profile)?;
    }
    // Two patients who cannot be invited as they are: one without an address, one with an address that another patient has.
    let without_email = json!({ "givenName": "Otto", "familyName": "Mailless", "dateOfBirth": "1939-07-04" });
    put(stack, "/v1/patients/p-2004", &stack.tokens.staff, &without_email)?;
    let shared_email = json!({
        "givenName": "Pia", "familyName": "Sampleton", "dateOfBirth": "2012-08-21", "email": "ana.sampleton@example.com",
    });
    put(stack, "/v1/patients/p-2005", &stack.tokens.staff, &shared_email)?;
    let other_practice = json!({
        "givenName": "Kim", "familyName": "Placeholder", "dateOfBirth": "2015-01-15", "email": "kim@example.org",
    });
    put(stack, "/v1/patients/p-3001", &stack.tokens.other_staff, &other_practice)
}

fn save_practice(stack: &StackFile, id: &str, name: &str, phone: &str, time_zone: &str) -> Result<()> {
    let settings = json!({
        "name": name, "senderName": name, "supportPhone": phone, "timeZone": time_zone,
        "portal": { "termsAccepted": true }, "linkDays": 7,
        "reminders": { "afterDays": [3, 7, 14], "daytime": ["09:00", "18:00"] },
    });
    put(stack, "/v1/practice", &token::mint(&stack.issuer, Role::Admin, id)?, &settings)
}

fn put(stack: &StackFile, path: &str, token: &str, body: &Value) -> Result<()> {
    let mut answer = ureq::put(format!("{}{path}", stack.api_url))
        .config()
        .http_status_as_error(false)
        .build()
        .header("authorization", format!("Bearer {token}"))
        .send_json(body)
        .with_context(|| format!("PUT {path} was not answered"))?;
    if !answer.status().is_success() {
        bail!("PUT {path} was answered with {}: {}", answer.status(), answer.body_mut().read_to_string()?);
    }
    Ok(())
}
