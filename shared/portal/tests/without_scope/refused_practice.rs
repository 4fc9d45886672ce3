//! A practice in place of the scope.

use portal::{
    ids::{PatientId, PracticeId},
    ports::{Consistency, PortalReader},
};

async fn read(store: &impl PortalReader, practice: &PracticeId, patient: &PatientId) {
    let _ = store.load(practice, patient, Consistency::Strong).await;
}

fn main() {}
