//! The stages of a patient: each rule of the published reference about them, and the rules of our own design.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod account_end;
mod bulk;
mod choice;
mod logins;
mod mail_events;
mod old_reads;
mod reinvite;
mod reminders;
mod revoke;
mod stage;
#[path = "../world/mod.rs"]
mod world;

use portal::{
    refusal::Refusal,
    testing::{Refused, samples},
};
use stage::{STAGES, Step};
use world::World;

/// The panel's decision about an action.
fn offer<R: Refusal>(decision: &Result<(), R>) -> Result<(), Refused> {
    decision.as_ref().map_err(|refusal| Refused::Rule(refusal.code(), refusal.detail())).copied()
}

#[tokio::test]
async fn the_panel_offers_exactly_the_accepted_commands_and_a_refusal_changes_nothing() {
    for stage in STAGES {
        for step in [Step::Invite, Step::Reinvite, Step::Revoke, Step::OptOut, Step::OptIn] {
            let world = World::at(stage).await;
            let actions = world.status("p-1").await.actions;
            let offered = match step {
                Step::Invite => offer(&actions.invite),
                Step::Reinvite => offer(&actions.reinvite),
                Step::Revoke => offer(&actions.revoke),
                Step::OptOut => offer(&actions.opt_out),
                Step::OptIn => offer(&actions.opt_in),
            };
            let (version, before, queued) = (world.record().version, world.store.contents(), world.queue.messages());
            let result = world.staff(step).await;
            if let Err(expected) = offered {
                assert_eq!(result.unwrap_err(), expected, "{stage:?} {step:?}");
                assert_eq!((world.store.contents(), world.queue.messages()), (before, queued), "{stage:?} {step:?}");
            } else {
                assert_eq!(result.unwrap(), world.status("p-1").await, "{stage:?} {step:?}");
                assert_eq!(world.record().version, version + 1, "{stage:?} {step:?}");
                let events = world.store.timeline(&samples::key("north", "p-1")).len();
                assert_eq!(events, before.timeline.len() + 1, "{stage:?} {step:?}: one new event, and no other change");
            }
        }
    }
}
