//! The pages of a patient's timeline.

use portal::{
    operations::timeline::{MAX_EVENTS, timeline},
    ports::{Ports, TimelineReader as _},
    record::PortalRecord,
    testing::{TestClock, samples},
    timeline::{Role, TimelinePlace},
};

use crate::{backend::Backend, test_patient::TestPatient};

pub(crate) async fn a_timeline_is_paged_with_the_newest_event_first(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", None).await;
    while patient.record.version < 45 {
        patient.opt_out(Role::Staff).await;
        patient.commit(PortalRecord::opt_in).await;
    }
    let (mut versions, mut sizes, mut place) = (Vec::new(), Vec::new(), None);
    loop {
        let page = timeline(
            &Ports { store: &**backend.store(), clock: &TestClock::default() },
            &patient.scope,
            &patient.key.patient,
            place,
        )
        .await
        .unwrap();
        sizes.push(page.events.len());
        versions.extend(page.events.iter().map(|event| event.version));
        place = page.next;
        if place.is_none() {
            break;
        }
    }
    assert_eq!(versions, (1..=45).rev().collect::<Vec<_>>());
    assert_eq!(sizes, [usize::from(MAX_EVENTS), usize::from(MAX_EVENTS), 5]);
}

pub(crate) async fn a_timeline_contains_only_events_of_its_patient(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    patient.invite(None).await;
    let events = async |practice: &str, patient: &str, before: Option<TimelinePlace>| {
        let patient = samples::patient_id(patient);
        backend.store().events(&samples::scope(practice), &patient, before, 100).await.unwrap()
    };
    assert_eq!(events("lake", "p-1", None).await.len(), 2);
    assert_eq!(events("lake", "p-1", TimelinePlace::before(2)).await.len(), 1);
    assert_eq!(events("lake", "p-1", TimelinePlace::before(9_999_999_999)).await.len(), 2);
    for (practice, patient) in [("hill", "p-1"), ("lake", "p"), ("lake", "p-11"), ("lake", "p-2")] {
        for before in [None, TimelinePlace::before(2)] {
            assert_eq!(events(practice, patient, before).await, [], "{practice} {patient}");
        }
    }
}
