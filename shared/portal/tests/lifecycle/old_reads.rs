//! Commands whose first read is old, as an eventually consistent one may be.

use portal::{
    ids::PatientId,
    operations::{Enqueued, OperationError, invite::invite},
    ports::{ChangeStore, CommitOutcome, Consistency, Loaded, PortalReader, Ports, StoreError},
    practice::Practice,
    record::{Change, guards::Recipient},
    refusal::{InviteRefusal, RefusalCode},
    scope::TenantScope,
    testing::{MemoryStore, Refused, refusal, samples},
};

use crate::world::World;

/// A store whose eventually consistent reads are old.
struct LaggingStore<'a> {
    store: &'a MemoryStore,
    old: Loaded,
}

impl PortalReader for LaggingStore<'_> {
    async fn load(
        &self,
        scope: &TenantScope,
        patient: &PatientId,
        consistency: Consistency,
    ) -> Result<Loaded, StoreError> {
        match consistency {
            Consistency::Eventual => Ok(self.old.clone()),
            Consistency::Strong => self.store.load(scope, patient, consistency).await,
        }
    }
}

impl ChangeStore for LaggingStore<'_> {
    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        self.store.commit(change).await
    }
}

async fn invite_behind(world: &World, old: Loaded) -> Result<Enqueued, OperationError<InviteRefusal>> {
    let (scope, patient) = (samples::scope("north"), samples::patient_id("p-1"));
    let store = LaggingStore { store: &world.store, old };
    let ports = Ports { store: &store, clock: &world.clock };
    invite(&ports, &world.queue, &world.entropy, &world.command(&scope, &patient), &Recipient::default()).await
}

#[tokio::test]
async fn an_old_read_refuses_nothing_that_is_allowed_and_allows_nothing_that_is_refused() {
    let current = |world: &World| Loaded { practice: Some(samples::practice("north")), record: Some(world.record()) };
    let not_activated = Practice { portal_activated_at: None, ..samples::practice("north") };
    for old in [
        Loaded { practice: None, record: None },
        Loaded { practice: Some(not_activated), ..current(&World::with_one().await) },
    ] {
        let world = World::with_one().await;
        assert!(invite_behind(&world, old).await.is_ok());
        assert_eq!(world.queue.messages().len(), 1);
    }
    let world = World::with_one().await;
    let before = current(&world);
    world.invite("north", "p-1").await.unwrap();
    let invited = world.store.contents();
    assert_eq!(refusal(invite_behind(&world, before).await), Refused::rule(RefusalCode::AlreadyInvited));
    assert_eq!(world.store.contents(), invited);
}
