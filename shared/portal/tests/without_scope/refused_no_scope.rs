//! A call that names only the patient.

use portal::{ids::PatientId, ports::{Consistency, PortalReader}};

async fn read(store: &impl PortalReader, patient: &PatientId) {
    let _ = store.load(patient, Consistency::Strong).await;
}

fn main() {}
