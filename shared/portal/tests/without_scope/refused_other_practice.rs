//! A scope that is changed to another practice.

use portal::{ids::PracticeId, scope::TenantScope};

fn change(scope: TenantScope, practice: PracticeId) -> TenantScope {
    TenantScope { practice, ..scope }
}

fn main() {}
