//! The settings of practices, and their separation.

use portal::{
    ports::{
        CommitOutcome, Consistency, DeliveryStore as _, Loaded, PortalReader as _, PracticeHistory as _,
        PracticeStore as _,
    },
    practice::{LinkDays, Practice, PracticeSettings, ReminderPolicy},
    testing::samples,
};

use crate::{backend::Backend, test_patient::TestPatient};

pub(crate) async fn a_practice_is_saved_by_version(backend: &impl Backend) {
    let (store, scope) = (backend.store(), samples::scope("lake"));
    assert_eq!(store.practice(&scope).await.unwrap(), None);
    assert_eq!(store.practice_by_id(scope.practice()).await.unwrap(), None);
    let first = Practice::save(None, scope.practice().clone(), samples::settings(), false, samples::noon());
    let created = samples::settings_saved(None, &first, "request-1");
    assert_eq!(store.save_practice(&scope, &first, &created).await.unwrap(), CommitOutcome::Committed);
    assert_eq!(store.practice(&scope).await.unwrap().as_ref(), Some(&first));
    let settings = PracticeSettings {
        time_zone: "Asia/Kathmandu".parse().unwrap(),
        link_days: LinkDays::new(30).unwrap(),
        reminders: ReminderPolicy::new(vec![], "08:30:00".parse().unwrap(), "23:59:59".parse().unwrap()).unwrap(),
        ..samples::settings()
    };
    let second = Practice::save(Some(&first), scope.practice().clone(), settings, true, samples::noon());
    let changed = samples::settings_saved(Some(&first), &second, "request-2");
    assert_eq!(store.save_practice(&scope, &second, &changed).await.unwrap(), CommitOutcome::Committed);
    assert_eq!(
        store.save_practice(&scope, &second, &changed).await.unwrap(),
        CommitOutcome::Committed,
        "a repeated save is recognised"
    );
    let late = Practice::save(Some(&first), scope.practice().clone(), samples::settings(), true, samples::noon());
    let created_again = Practice { version: 1, ..late.clone() };
    let too_late = samples::settings_saved(Some(&first), &late, "request-3");
    let twice = samples::settings_saved(Some(&first), &second, "request-4");
    assert_eq!(store.save_practice(&scope, &late, &too_late).await.unwrap(), CommitOutcome::Stale);
    assert_eq!(store.save_practice(&scope, &created_again, &too_late).await.unwrap(), CommitOutcome::Stale);
    assert_eq!(store.save_practice(&scope, &second, &twice).await.unwrap(), CommitOutcome::Stale, "by another request");
    let history = store.practice_events(&scope, None, 10).await.unwrap();
    let expected: Vec<_> = created.into_iter().chain(changed).rev().collect();
    assert_eq!(history, expected, "only what was written, newest first");
    assert_eq!(store.practice(&scope).await.unwrap().as_ref(), Some(&second));
    assert_eq!(store.practice_by_id(scope.practice()).await.unwrap().as_ref(), Some(&second));
    let loaded = store.load(&scope, &samples::patient_id("p-1"), Consistency::Strong).await.unwrap();
    assert_eq!(loaded, Loaded { practice: Some(second), record: None });
}

pub(crate) async fn practices_are_separate(backend: &impl Backend) {
    let store = backend.store();
    let lake = TestPatient::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    let hill = samples::practice("hill");
    assert_eq!(store.save_practice(&samples::scope("hill"), &hill, &[]).await.unwrap(), CommitOutcome::Committed);
    let seen = store.load(&samples::scope("hill"), &lake.key.patient, Consistency::Strong).await.unwrap();
    assert_eq!(seen, Loaded { practice: Some(hill.clone()), record: None });
    assert_eq!(store.practice(&lake.scope).await.unwrap(), None);
    // A practice whose id has the same beginning, with a patient of the same id.
    let mut other = TestPatient::begin(backend, "lake:p", "p-1", None).await;
    other.invite(Some("other@example.com")).await;
    lake.is_stored().await;
    // Settings of another practice than the request's are refused.
    assert!(store.save_practice(&lake.scope, &hill, &[]).await.is_err());
    let foreign_events = samples::settings_saved(None, &hill, "request-1");
    let own = samples::practice("lake");
    assert!(store.save_practice(&lake.scope, &own, &foreign_events).await.is_err());
    other.is_stored().await;
}
