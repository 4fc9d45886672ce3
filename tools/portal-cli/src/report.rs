//! The report of an import: one row for each line that was not saved, or that was saved with a note.

use std::io::Write;

use crate::import::Told;

/// The names of its columns.
const COLUMNS: [&str; 5] = ["line", "id", "saved", "reason", "detail"];

/// A report in CSV (RFC 4180). Spreadsheet programs take no cell of it for a formula.
#[derive(Debug)]
pub struct Report<W: Write>(csv::Writer<W>);

impl<W: Write> Report<W> {
    /// Begins one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin(to: W) -> Result<Self, csv::Error> {
        let mut writer = csv::Writer::from_writer(to);
        writer.write_record(COLUMNS)?;
        Ok(Self(writer))
    }

    /// Writes one row.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add(&mut self, told: &Told) -> Result<(), csv::Error> {
        let Told { line, id, saved, code, detail } = told;
        let id = id.as_ref().map(ToString::to_string).unwrap_or_default();
        let saved = if *saved { "yes" } else { "no" };
        self.0.write_record([&line.to_string(), &id, saved, code, detail].map(plain))
    }

    /// Ends it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn end(mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// The text as a cell that no spreadsheet program computes.
fn plain(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if formula { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use portal::ids::PatientId;

    use super::Report;
    use crate::import::Told;

    #[test]
    fn cells_are_quoted_and_none_is_a_formula() {
        let mut bytes = Vec::new();
        let mut report = Report::begin(&mut bytes).unwrap();
        for (line, id, saved, detail) in [
            (1, Some("p-1"), true, "plain"),
            (2, Some("-1"), false, "a \"quoted\" one, with a comma"),
            (3, None, false, "=1+1"),
            (4, None, false, "+1"),
            (5, None, false, "@SUM(A1)"),
            (6, None, false, "\tx"),
            (7, None, false, "\rx"),
            (8, None, false, "a=b\nc"),
        ] {
            let id = id.map(|id| PatientId::parse(id).unwrap());
            report.add(&Told { line, id, saved, code: "code".to_owned(), detail: detail.to_owned() }).unwrap();
        }
        report.end().unwrap();
        let expected = "line,id,saved,reason,detail\n\
            1,p-1,yes,code,plain\n\
            2,'-1,no,code,\"a \"\"quoted\"\" one, with a comma\"\n\
            3,,no,code,'=1+1\n\
            4,,no,code,'+1\n\
            5,,no,code,'@SUM(A1)\n\
            6,,no,code,'\tx\n\
            7,,no,code,\"'\rx\"\n\
            8,,no,code,\"a=b\nc\"\n";
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}
