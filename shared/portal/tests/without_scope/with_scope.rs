//! With a scope, the same call compiles: what the other files lack is the scope and nothing else.

use portal::{ids::PatientId, ports::PortalReader, scope::TenantScope};

async fn read(store: &impl PortalReader, scope: &TenantScope, patient: &PatientId) {
    let _ = store.load(scope, patient).await;
}

fn main() {}
