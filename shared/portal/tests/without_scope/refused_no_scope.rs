//! A call that names only the patient.

use portal::{ids::PatientId, ports::PortalReader};

async fn read(store: &impl PortalReader, patient: &PatientId) {
    let _ = store.load(patient).await;
}

fn main() {}
