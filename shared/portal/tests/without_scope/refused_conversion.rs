//! A scope made of a practice, or of nothing.

use portal::{ids::PracticeId, scope::TenantScope};

fn convert(practice: PracticeId) -> TenantScope {
    practice.into()
}

fn nobody() -> TenantScope {
    TenantScope::default()
}

fn main() {}
