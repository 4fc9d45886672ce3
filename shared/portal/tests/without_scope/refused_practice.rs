//! A practice in place of the scope.

use portal::{
    ids::{PatientId, PracticeId},
    ports::PortalReader,
};

async fn read(store: &impl PortalReader, practice: &PracticeId, patient: &PatientId) {
    let _ = store.load(practice, patient).await;
}

fn main() {}
