//! With a scope, the same call compiles. So the other files are refused only because they have no scope.

use portal::{ids::PatientId, ports::{Consistency, PortalReader}, scope::TenantScope};

async fn read(store: &impl PortalReader, scope: &TenantScope, patient: &PatientId) {
    let _ = store.load(scope, patient, Consistency::Strong).await;
}

fn main() {}
