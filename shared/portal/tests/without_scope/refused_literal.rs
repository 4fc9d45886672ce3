//! A scope made from its fields.

use portal::{ids::PracticeId, scope::TenantScope, timeline::Actor};

fn forge(practice: PracticeId, actor: Actor) -> TenantScope {
    TenantScope { practice, actor }
}

fn main() {}
