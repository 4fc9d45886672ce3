//! The races that the rules forbid: for one address, and for comparing dates of birth.

use portal::{
    ids::RecordKey,
    operations::{
        OperationError,
        register::{Holder, register},
    },
    policy::MAX_BIRTH_DATE_ATTEMPTS,
    ports::{CommitOutcome, Consistency, PortalStore, Ports, StoreError},
    record::InvitationState,
    refusal::RegisterRefusal,
    testing::{TestClock, TestEntropy, samples},
    timeline::EventName,
};
use tokio::{sync::Barrier, task::JoinSet};
use xtask::clock;

use crate::{backend::Backend, test_patient::TestPatient};

const ROUNDS: u32 = 100;
const RIVALS: usize = 64;
const GUESSES: usize = 200;

/// The outcome of one invitation, and the number of retries.
struct Answer {
    won: bool,
    busy: u32,
    stale: u32,
}

pub(crate) async fn only_one_of_many_invitations_gets_an_address(backend: &impl Backend) {
    let started = clock::now();
    let (mut wins, mut losses, mut busy, mut stale) = (0, 0, 0, 0);
    let keys: Vec<RecordKey> = (0..RIVALS)
        .map(|number| samples::key(if number % 2 == 0 { "lake" } else { "hill" }, &format!("p-{number}")))
        .collect();
    for key in &keys {
        TestPatient::begin(backend, key.practice.as_str(), key.patient.as_str(), None).await;
    }
    for round in 0..ROUNDS {
        let address = format!("prize-{round}@example.com");
        let all_ready = std::sync::Arc::new(Barrier::new(RIVALS));
        let mut rivals = JoinSet::new();
        for key in &keys {
            let (store, key, address) = (backend.store().clone(), key.clone(), address.clone());
            let all_ready = all_ready.clone();
            rivals.spawn(async move {
                all_ready.wait().await;
                invite(&*store, &key, &address, round).await
            });
        }
        let answers = rivals.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.won).count(), 1, "round {round}");
        wins += 1;
        losses += answers.len() - 1;
        busy += answers.iter().map(|answer| answer.busy).sum::<u32>();
        stale += answers.iter().map(|answer| answer.stale).sum::<u32>();
    }
    let took = started.elapsed().as_millis();
    eprintln!("{ROUNDS} rounds of {RIVALS}: {wins} won, {losses} refused, {busy} busy, {stale} stale, in {took} ms");
}

/// Invites like the operation: reads, decides, commits, and retries.
async fn invite(store: &impl PortalStore, key: &RecordKey, address: &str, round: u32) -> Answer {
    let (scope, practice) = (samples::scope(key.practice.as_str()), samples::practice(key.practice.as_str()));
    let mut answer = Answer { won: false, busy: 0, stale: 0 };
    loop {
        let loaded = store.load(&scope, &key.patient, Consistency::Strong).await;
        let record = match loaded {
            Ok(loaded) => loaded.record.unwrap(),
            Err(StoreError::Busy) => {
                answer.busy += 1;
                continue;
            }
            Err(error) => unreachable!("{error:?}"),
        };
        let request = format!("race-{round}-{}-{}-{}", key.patient, answer.busy, answer.stale);
        let context = samples::staff_context(samples::noon() + chrono::TimeDelta::hours(i64::from(round)), &request);
        // The winner of an earlier round first revokes its invitation.
        let change = if record.invitation.as_ref().is_some_and(|invitation| invitation.state == InvitationState::Queued)
        {
            record.revoke(context).unwrap()
        } else {
            let id = samples::invitation_id(&format!("race-{round}-{}", key.patient));
            record.invite(&practice, &Some(&samples::email(address)).into(), id, context).unwrap()
        };
        let inviting = change.event.kind.name() == EventName::Invited;
        match store.commit(&change).await {
            Ok(CommitOutcome::Committed) if inviting => {
                answer.won = true;
                return answer;
            }
            Ok(CommitOutcome::Committed) => {}
            Ok(CommitOutcome::AddressRefused(_)) => return answer,
            Ok(CommitOutcome::Stale) => answer.stale += 1,
            Err(StoreError::Busy) => answer.busy += 1,
            Err(error) => unreachable!("{error:?}"),
        }
    }
}

/// A request that loses too many races, or that the store cannot answer, fails and compares nothing.
pub(crate) async fn only_five_of_many_dates_of_birth_are_compared(backend: &impl Backend) {
    let mut patient = TestPatient::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    patient.invite(None).await;
    patient.send().await;
    let token = samples::token(2);
    assert!(patient.record.usable_link(&token, samples::noon()).is_ok());
    let all_ready = std::sync::Arc::new(Barrier::new(GUESSES));
    let mut guesses = JoinSet::new();
    for number in 0..GUESSES {
        let (backend, token, all_ready) = (backend.store().clone(), token.clone(), all_ready.clone());
        guesses.spawn(async move {
            let (clock, entropy) = (TestClock::default(), TestEntropy::default());
            let request = samples::request_id(&format!("guess-{number}"));
            let holder = Holder { token: &token, request: &request, keyed: None };
            let wrong = samples::date_of_birth() + chrono::TimeDelta::days(1);
            all_ready.wait().await;
            register(&Ports { store: &*backend, clock: &clock }, &entropy, &holder, wrong).await
        });
    }
    let (mut compared, mut unusable, mut busy) = (0, 0, 0);
    for answer in guesses.join_all().await {
        match answer {
            Err(OperationError::Refused(RegisterRefusal::DateOfBirthMismatch)) => compared += 1,
            Err(OperationError::Refused(RegisterRefusal::LinkNotUsable)) => unusable += 1,
            Err(OperationError::Store(_)) => busy += 1,
            other => unreachable!("{other:?}"),
        }
    }
    eprintln!("{GUESSES} dates: {compared} compared, {unusable} refused, {busy} failed");
    assert!(compared <= MAX_BIRTH_DATE_ATTEMPTS, "each date is counted before it is compared");
    assert!(compared == MAX_BIRTH_DATE_ATTEMPTS || busy > 0, "each counted date was compared");
    let record = patient.stored().await;
    let locked = record.link.is_none_or(|link| link.birth_date_attempts < MAX_BIRTH_DATE_ATTEMPTS);
    assert!(locked || busy > 0, "the fifth date locked the link");
}
