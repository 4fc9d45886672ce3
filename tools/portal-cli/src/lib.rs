//! A practice's command-line client: imports the patients that its EHR exports, and invites many at once.
//!
//! * [`api`] asks one thing of the API, and again while the API asks for patience.
//! * [`fhir`] makes a profile of a FHIR R4 `Patient`: pure. [`import`] saves a whole file of them, several at a time.
//! * [`patient_list`] reads whom to invite. [`job`] is a bulk job, and [`invite`] begins and watches as many as it takes.
//! * [`lines`] reads a file, and never more than one line at a time; [`report`] writes what became of patients.
//!
//! An imported row is one `PUT`, which is one transaction: nothing is half-saved, and doing it again changes nothing. A
//! job is begun under a key, so it is begun once. No message and no report quotes a name, a date, an address or the token.

pub mod api;
pub mod fhir;
pub mod import;
pub mod invite;
pub mod job;
pub mod lines;
pub mod patient_list;
pub mod report;
pub mod stop;
