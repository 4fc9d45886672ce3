//! A scope put together from its parts.

use portal::{ids::PracticeId, scope::TenantScope, timeline::Actor};

fn forge(practice: PracticeId, actor: Actor) -> TenantScope {
    TenantScope { practice, actor }
}

fn main() {}
