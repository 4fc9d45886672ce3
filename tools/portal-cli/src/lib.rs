//! A practice's command-line client: imports the patients that its EHR exports.
//!
//! * [`fhir`] makes a profile of a FHIR R4 `Patient`: pure.
//! * [`lines`] reads a file of them, one a line, and never more than one line at a time.
//! * [`api`] saves one profile: one `PUT`, repeated while the API asks for patience.
//! * [`import`] does so for a whole file, several rows at a time, and [`report`] keeps what could not be saved.
//!
//! A row is one `PUT`, which is one transaction: nothing is half-saved, and doing it again changes nothing. No message
//! and no report quotes a name, a date, an address or the token.

pub mod api;
pub mod fhir;
pub mod import;
pub mod lines;
pub mod report;
pub mod stop;
