//! The end of an account: a practice closes it, and Customer Care opens it again.

use serde_json::{Value, json};
use xtask::{mailbox::Mail, token::Role};

use crate::{
    client::{self, Answer, GIVEN, Practice},
    wait::eventually,
};

fn close(practice: &Practice, role: Role) -> Answer {
    let path = match role {
        Role::Support => format!("/v1/practices/{}/patients/p-1/portal/close", practice.id),
        Role::Read | Role::Staff | Role::Admin | Role::Portal => "/v1/patients/p-1/portal/close".to_owned(),
    };
    practice.post_as(role, &path, &json!({ "reason": "The patient moved away." }))
}

fn reopen(practice: &Practice, role: Role) -> Answer {
    practice.post_as(role, &format!("/v1/practices/{}/patients/p-1/portal/reopen", practice.id), &json!({}))
}

fn report_login(practice: &Practice, event: &str) -> Answer {
    let body = json!({ "email": practice.address("p-1"), "at": "2099-01-01T00:00:00.000Z", "eventId": event });
    practice.post_as(Role::Portal, "/v1/logins", &body)
}

/// Waits for a notice with this text.
fn await_notice(practice: &Practice, address: &str, text: &str) -> Mail {
    eventually("the notice arrives", || practice.mails(address).into_iter().find(|mail| mail.text.contains(text)))
}

#[test]
fn an_account_is_closed_and_opened_again_and_both_addresses_are_told() {
    let Some(practice) = Practice::open("closes-account") else { return };
    practice.save_and_register("p-1");
    let (account, profile) = (practice.address("p-1"), practice.address("profile"));
    assert_eq!(practice.put_as(Role::Staff, "/v1/patients/p-1", &client::profile(Some(&profile))).status, 200);
    assert_eq!(report_login(&practice, "event-1").status, 204);
    let open = practice.status("p-1");

    close(&practice, Role::Staff).assert_problem(403, "forbidden", "staff");
    let closed = close(&practice, Role::Admin);
    assert_eq!(closed.status, 200, "{closed:?}");
    let panel = closed.json();
    assert_eq!((&panel["account"]["state"], &panel["account"]["email"]), (&json!("deactivated"), &json!(account)));
    assert_eq!(panel["panel"], open["panel"], "its dates remain");
    for address in [&account, &profile] {
        let mail = await_notice(&practice, address, "was closed");
        for secret in ["moved away", GIVEN, "1980", "http", "@"] {
            assert!(!mail.text.contains(secret), "{secret} in {mail}");
        }
    }

    report_login(&practice, "event-2").assert_problem(409, "not_registered", "no login");
    practice.command("p-1", "reinvite").assert_problem(409, "account_closed", "no invitation");
    close(&practice, Role::Support).assert_problem(409, "account_closed", "closed already");
    reopen(&practice, Role::Admin).assert_problem(403, "support_only", "the practice");
    practice.save_patient("p-2", None);
    let taken = practice.invite("p-2", &json!({ "email": account }));
    taken.assert_problem(409, "email_in_use", "the closed account has its address");

    let reopened = reopen(&practice, Role::Support);
    assert_eq!((reopened.status, &reopened.json()["account"]), (200, &open["account"]), "{reopened:?}");
    for address in [&account, &profile] {
        await_notice(&practice, address, "was opened again");
    }
    assert_eq!(report_login(&practice, "event-3").status, 204);
    let events = practice.get("/v1/patients/p-1/portal/timeline").json()["events"].clone();
    let sentences: Vec<&Value> = events.as_array().unwrap().iter().map(|event| &event["sentence"]).collect();
    assert!(sentences.contains(&&json!("Practice staff closed the account: The patient moved away.")), "{sentences:?}");
    assert!(sentences.contains(&&json!("Customer Care opened the account again.")), "{sentences:?}");
}
