//! A practice's command-line client: imports the patients that its EHR exports, and invites many of them at once.
//!
//! * [`api`] sends a request to the API, and retries it while the API asks to wait.
//! * [`fhir`] maps a FHIR R4 `Patient` to a profile. [`import`] saves a whole file of them, several at a time.
//! * [`patient_list`] reads a list of patients. [`job`] is a bulk job. [`invite`] begins and watches the jobs of a list.
//! * [`lines`] reads a file one line at a time. [`report`] writes the results.
//!
//! An imported row is one `PUT`, which is one transaction: a row is never saved in part, and saving it again changes nothing.
//! The request for a job has a key, so the job begins once. No message and no report quotes a name, a date, an address or
//! the token.

pub mod api;
pub mod fhir;
pub mod import;
pub mod invite;
pub mod job;
pub mod lines;
pub mod patient_list;
pub mod report;
pub mod stop;
