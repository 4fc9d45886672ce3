//! Notices: the record keeps them until they are sent, and one sender at a time claims them.

use chrono::TimeDelta;
use portal::{
    policy::MAX_NOTICES,
    ports::{CommitOutcome, DeliveryStore as _, DueEntry},
    record::{NextActionKind, PortalRecord},
    states::FailReason,
    testing::samples,
    timeline::Role,
};
use tokio::task::JoinSet;

use super::calendar::due;
use crate::{backend::Backend, test_patient::TestPatient};

async fn changed<B: Backend>(backend: &B) -> TestPatient<'_, B> {
    let mut patient = TestPatient::with_account(backend, "lake", "p-1", "Jose@Example.com").await;
    patient.change_email("New@Example.com").await;
    patient
}

async fn finish_first(patient: &mut TestPatient<'_, impl Backend>, sent: bool) {
    let context = patient.context(Role::Sender);
    let (notice, message) = (patient.record.notices[0].clone(), samples::message_id(7));
    let change = if sent {
        patient.record.notice_sent(&notice, message, context)
    } else {
        patient.record.notice_failed(&notice, FailReason::Refused, context)
    };
    patient.step(change.unwrap()).await;
}

pub(crate) async fn notices_read_back(backend: &impl Backend) {
    let mut patient = changed(backend).await;
    let mut number = 0;
    while patient.record.notices.len() < MAX_NOTICES {
        number += 1;
        patient.change_email(&format!("Jose+{number}@Example.com")).await;
    }
    // Other changes of the record keep the notices.
    patient.opt_out(Role::Staff).await;
    patient.commit(PortalRecord::opt_in).await;
    for left in (0..MAX_NOTICES).rev() {
        assert!(patient.record.next_action.is_some());
        finish_first(&mut patient, left % 2 == 0).await;
        assert_eq!(patient.record.notices.len(), left);
    }
    assert_eq!(patient.record.next_action, None);
}

pub(crate) async fn notices_are_due_until_all_are_sent_or_failed(backend: &impl Backend) {
    let mut patient = changed(backend).await;
    let entry = DueEntry::from_record(&patient.record).unwrap();
    assert_eq!((entry.kind, entry.at), (NextActionKind::Notify, patient.now));
    assert_eq!(due(backend, &patient).await, [entry]);
    finish_first(&mut patient, false).await;
    assert_eq!(due(backend, &patient).await, [DueEntry::from_record(&patient.record).unwrap()]);
    finish_first(&mut patient, true).await;
    patient.now += TimeDelta::days(100);
    assert_eq!(due(backend, &patient).await, []);
}

pub(crate) async fn only_one_of_many_senders_claims_the_notices(backend: &impl Backend) {
    let mut patient = changed(backend).await;
    let (entry, until) =
        (DueEntry::from_record(&patient.record).unwrap(), patient.record.notice_claim_end(patient.now).unwrap());
    let mut senders = JoinSet::new();
    for _ in 0..16 {
        let (shared, entry) = (backend.store().clone(), entry.clone());
        senders.spawn(async move { shared.reschedule(&entry, until).await.unwrap() });
    }
    assert_eq!(senders.join_all().await.into_iter().filter(|won| *won).count(), 1);
    patient.record = patient.record.rescheduled(until).unwrap();
    patient.is_stored().await;
    assert_eq!(patient.record.notice_claim_end(patient.now), None);
    assert_eq!(due(backend, &patient).await, []);
    // The claim has expired. An entry of another kind does not match.
    patient.now = until;
    let again = due(backend, &patient).await;
    assert_eq!(again, [DueEntry { at: until, reschedules: entry.reschedules + 1, ..entry }]);
    let wrong = DueEntry { kind: NextActionKind::Deliver, ..again[0].clone() };
    assert!(!backend.store().reschedule(&wrong, until + TimeDelta::hours(1)).await.unwrap());
    finish_first(&mut patient, true).await;
    finish_first(&mut patient, true).await;
    assert!(!backend.store().reschedule(&again[0], until + TimeDelta::hours(1)).await.unwrap());
    patient.is_stored().await;
}

pub(crate) async fn a_stale_or_repeated_notice_writes_nothing(backend: &impl Backend) {
    let mut patient = changed(backend).await;
    let context = patient.context(Role::Sender);
    let late = patient.record.notice_sent(&patient.record.notices[0], samples::message_id(1), context).unwrap();
    patient.opt_out(Role::Staff).await;
    assert_eq!(patient.try_commit(&late).await, CommitOutcome::Stale);
    patient.is_stored().await;
    let context = patient.context(Role::Sender);
    let sent = patient.record.notice_sent(&patient.record.notices[0], samples::message_id(1), context).unwrap();
    patient.step(sent.clone()).await;
    assert_eq!(patient.try_commit(&sent).await, CommitOutcome::Committed, "a repeated commit is recognised");
    patient.is_stored().await;
    assert_eq!(patient.record.notices.len(), 1);
}
