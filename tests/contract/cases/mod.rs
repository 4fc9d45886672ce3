//! The cases. Each is a plain async function over a store.

pub(crate) mod bulk;
pub(crate) mod calendar;
pub(crate) mod claims;
pub(crate) mod directory;
pub(crate) mod emails;
pub(crate) mod history;
pub(crate) mod links;
pub(crate) mod logins;
pub(crate) mod notices;
pub(crate) mod practices;
pub(crate) mod race;
pub(crate) mod states;
pub(crate) mod sweeps;
pub(crate) mod timeline;
pub(crate) mod versions;
