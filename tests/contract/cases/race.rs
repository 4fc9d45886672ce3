//! The races that rules are about: for one address, and to guess a date of birth.

use portal::{
    ids::RecordKey,
    operations::{
        OperationError,
        register::{Holder, register},
    },
    policy::MAX_BIRTH_DATE_ATTEMPTS,
    ports::{CommitOutcome, PortalStore, Ports, StoreError},
    record::InvitationState,
    refusal::RegisterRefusal,
    testing::{TestClock, TestEntropy, samples},
    timeline::EventName,
};
use tokio::{sync::Barrier, task::JoinSet};
use xtask::clock;

use crate::{backend::Backend, story::Story};

const ROUNDS: u32 = 100;
const RIVALS: usize = 64;
const GUESSES: usize = 200;

/// What came of one invitation, and how often the store asked to come again meanwhile.
struct Answer {
    won: bool,
    busy: u32,
    stale: u32,
}

pub(crate) async fn of_many_invitations_to_one_address_one_wins(backend: &impl Backend) {
    let begun = clock::now();
    let (mut wins, mut losses, mut busy, mut stale) = (0, 0, 0, 0);
    let keys: Vec<RecordKey> = (0..RIVALS)
        .map(|number| samples::key(if number % 2 == 0 { "lake" } else { "hill" }, &format!("p-{number}")))
        .collect();
    for key in &keys {
        Story::begin(backend, key.practice.as_str(), key.patient.as_str(), None).await;
    }
    for round in 0..ROUNDS {
        let address = format!("prize-{round}@example.com");
        let start = std::sync::Arc::new(Barrier::new(RIVALS));
        let mut rivals = JoinSet::new();
        for key in &keys {
            let (store, key, address, start) = (backend.store().clone(), key.clone(), address.clone(), start.clone());
            rivals.spawn(async move {
                start.wait().await;
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
    let took = begun.elapsed().as_millis();
    eprintln!("{ROUNDS} rounds of {RIVALS}: {wins} won, {losses} refused, {busy} busy, {stale} stale, in {took} ms");
}

/// Invites as the operation does: reads, decides, commits, and starts over if it must.
async fn invite(store: &impl PortalStore, key: &RecordKey, address: &str, round: u32) -> Answer {
    let (scope, practice) = (samples::scope(key.practice.as_str()), samples::practice(key.practice.as_str()));
    let mut answer = Answer { won: false, busy: 0, stale: 0 };
    loop {
        let loaded = store.load(&scope, &key.patient).await;
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
        // The winner of an earlier round gives its address up first.
        let change = if record.invitation.as_ref().is_some_and(|invitation| invitation.state == InvitationState::Queued)
        {
            record.revoke(context).unwrap()
        } else {
            let id = samples::invitation_id(&format!("race-{round}-{}", key.patient));
            record.invite(&practice, Some(&samples::email(address)), id, context).unwrap()
        };
        let inviting = change.event.kind.name() == EventName::Invited;
        match store.commit(&change).await {
            Ok(CommitOutcome::Committed) if inviting => {
                answer.won = true;
                return answer;
            }
            Ok(CommitOutcome::Committed) => {}
            Ok(CommitOutcome::EmailInUse { .. }) => return answer,
            Ok(CommitOutcome::Stale) => answer.stale += 1,
            Err(StoreError::Busy) => answer.busy += 1,
            Err(error) => unreachable!("{error:?}"),
        }
    }
}

/// Whoever loses too many races, or whom the store cannot answer, is told to come again and has compared nothing.
pub(crate) async fn of_many_guesses_at_once_five_are_compared(backend: &impl Backend) {
    let mut story = Story::begin(backend, "lake", "p-1", Some("jose@example.com")).await;
    story.invite(None).await;
    story.send().await;
    let token = samples::token(2);
    assert!(story.record.usable_link(&token, samples::noon()).is_ok());
    let start = std::sync::Arc::new(Barrier::new(GUESSES));
    let mut guesses = JoinSet::new();
    for number in 0..GUESSES {
        let (backend, token, start) = (backend.store().clone(), token.clone(), start.clone());
        guesses.spawn(async move {
            let (clock, entropy) = (TestClock::default(), TestEntropy::default());
            let request = samples::request_id(&format!("guess-{number}"));
            let holder = Holder { token: &token, request: &request, keyed: None };
            let wrong = samples::date_of_birth() + chrono::TimeDelta::days(1);
            start.wait().await;
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
    eprintln!("{GUESSES} guesses: {compared} compared, {unusable} refused, {busy} to come again");
    assert!(
        compared <= MAX_BIRTH_DATE_ATTEMPTS,
        "each that was compared was counted before, and no more than five are"
    );
    assert!(compared == MAX_BIRTH_DATE_ATTEMPTS || busy > 0, "each that was counted was compared");
    let record = story.stored().await;
    let locked = record.link.is_none_or(|link| link.birth_date_attempts < MAX_BIRTH_DATE_ATTEMPTS);
    assert!(locked || busy > 0, "the fifth locked the link");
}
