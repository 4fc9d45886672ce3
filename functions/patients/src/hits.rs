//! The query of a search, and its hits in JSON.

use portal::{
    directory::DirectoryRow,
    search::{DirectoryQuery, InvalidQuery},
};
#[cfg(feature = "describe")]
use portal::{ids::PatientId, text::PersonName};
use portal_aws::http::{Problem, Request, problem::Malformed, value::Day};
use serde::Serialize;

/// The problem's detail for a query that is too short.
pub const TOO_SHORT: &str =
    "The parameter q must be at least two letters of a name, or a date of birth as mm/dd/yyyy or yyyy-mm-dd.";
/// The problem's detail for a query that looks like a date but is not a valid one.
pub const NO_SUCH_DATE: &str = "The date in the parameter q must be one of the calendar, as mm/dd/yyyy or yyyy-mm-dd.";

/// Reads the query.
///
/// # Errors
/// [`Malformed::Query`]
pub fn read_query(request: &Request) -> Result<DirectoryQuery, Problem> {
    let text = request.query_with_commas("q").unwrap_or_default();
    let query = DirectoryQuery::parse(&text).map_err(|invalid| {
        Malformed::Query(match invalid {
            InvalidQuery::TooShort => TOO_SHORT,
            InvalidQuery::TooLong => "The parameter q must have at most 100 characters.",
            InvalidQuery::NoSuchDate => NO_SUCH_DATE,
        })
    });
    Ok(query?)
}

/// A page of patients.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "PatientPage"))]
pub struct HitsJson<'page> {
    patients: Vec<HitJson<'page>>,
    /// The cursor of the next page. Absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A patient whom a search found.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "FoundPatient"))]
#[serde(rename_all = "camelCase")]
struct HitJson<'page> {
    #[cfg_attr(feature = "describe", schemars(with = "PatientId"))]
    patient_id: &'page str,
    #[cfg_attr(feature = "describe", schemars(with = "PersonName"))]
    given_name: &'page str,
    #[cfg_attr(feature = "describe", schemars(with = "PersonName"))]
    family_name: &'page str,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_of_birth: Option<Day>,
}

impl<'page> HitsJson<'page> {
    /// The JSON of these hits, and of the cursor of the next page if there is one.
    #[must_use]
    pub fn from_rows(hits: &'page [DirectoryRow], next: Option<String>) -> Self {
        let hit = |row: &'page DirectoryRow| HitJson {
            patient_id: row.place.patient().as_str(),
            given_name: row.given_name.expose(),
            family_name: row.family_name.expose(),
            date_of_birth: row.date_of_birth.map(|date| Day(*date.expose())),
        };
        Self { patients: hits.iter().map(hit).collect(), next }
    }
}
