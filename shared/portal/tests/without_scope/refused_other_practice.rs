//! A scope that is turned to another practice.

use portal::{ids::PracticeId, scope::TenantScope};

fn turn(scope: TenantScope, practice: PracticeId) -> TenantScope {
    TenantScope { practice, ..scope }
}

fn main() {}
