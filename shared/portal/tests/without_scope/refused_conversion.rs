//! A scope made from a practice, or by default.

use portal::{ids::PracticeId, scope::TenantScope};

fn convert(practice: PracticeId) -> TenantScope {
    practice.into()
}

fn default_scope() -> TenantScope {
    TenantScope::default()
}

fn main() {}
