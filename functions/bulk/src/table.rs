//! Results as a table (CSV, RFC 4180), to open in a spreadsheet.

use std::borrow::Cow;

use csv::{Terminator, WriterBuilder};
use portal::operations::bulk::ResultsPage;
use portal_aws::http::Problem;

use crate::json::results;

/// The column headers.
const HEADERS: [&str; 3] = ["patientId", "outcome", "sentence"];

/// A page as a table with headers.
pub(crate) fn to_csv(page: &ResultsPage) -> Result<String, Problem> {
    let rows = results(page).map(|result| [result.patient_id, result.outcome, result.sentence]);
    let mut table = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    let written = [HEADERS]
        .into_iter()
        .chain(rows)
        .try_for_each(|row| table.write_record(row.map(|cell| escape_formula(cell).into_owned())));
    written.map_err(|error| Problem::Internal(error.into()))?;
    let bytes = table.into_inner().map_err(|error| Problem::Internal(error.into_error().into()))?;
    String::from_utf8(bytes).map_err(|error| Problem::Internal(error.into()))
}

/// Prevents that a spreadsheet evaluates a cell as a formula: adds an apostrophe before a possible formula. Clients choose
/// the patient ids, so an id like `=HYPERLINK(...)` could attack the user who opens the table.
fn escape_formula(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}").into() } else { cell.into() }
}

#[cfg(test)]
mod tests {
    use portal::{
        bulk::{BulkOutcome, BulkResult, Slice},
        refusal::InviteRefusal,
        testing::samples,
    };

    use super::*;

    #[test]
    fn a_table_has_a_row_for_each_result_and_no_formula() {
        let result = |patient, outcome| BulkResult { patient: samples::patient_id(patient), outcome };
        let results = vec![
            result("p-1", BulkOutcome::Invited),
            result("-1.2", BulkOutcome::Refused(InviteRefusal::EmailRequired)),
            result("MRN:7", BulkOutcome::Refused(InviteRefusal::DateOfBirthMissing)),
        ];
        let page = ResultsPage { slices: vec![Slice { number: 1, results }], next: None };
        let table = concat!(
            "patientId,outcome,sentence\r\n",
            "p-1,invited,The patient was invited.\r\n",
            "'-1.2,email_required,The patient has no email address: add it on the Profile tab.\r\n",
            "MRN:7,date_of_birth_missing,\"The patient's date of birth is missing, and registering asks for it: \
             add it on the Profile tab.\"\r\n",
        );
        assert_eq!(to_csv(&page).unwrap(), table);
        assert_eq!(to_csv(&ResultsPage { slices: Vec::new(), next: None }).unwrap(), "patientId,outcome,sentence\r\n");
    }

    #[test]
    fn a_cell_that_a_spreadsheet_would_evaluate_is_escaped() {
        for formula in ["=1+2", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(escape_formula(formula), format!("'{formula}"));
        }
        for text in ["", "p-1", "'=1", " =1", "1=1"] {
            assert_eq!(escape_formula(text), text);
        }
    }
}
