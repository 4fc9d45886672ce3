//! A report in CSV, with one row for each patient.

use std::io::Write;

/// A report of `N` columns in CSV (RFC 4180). A spreadsheet program finds no formula in it.
#[derive(Debug)]
pub struct Report<W: Write, const N: usize>(csv::Writer<W>);

impl<W: Write, const N: usize> Report<W, N> {
    /// Begins a report with these columns.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin(to: W, columns: [&str; N]) -> Result<Self, csv::Error> {
        let mut writer = csv::Writer::from_writer(to);
        writer.write_record(columns)?;
        Ok(Self(writer))
    }

    /// Writes one row.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add(&mut self, cells: &[String; N]) -> Result<(), csv::Error> {
        self.0.write_record(cells.each_ref().map(|cell| plain(cell)))
    }

    /// Ends the report.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn end(mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// The text as a cell that a spreadsheet program does not evaluate as a formula.
fn plain(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if formula { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn cells_are_quoted_and_none_is_a_formula() {
        let mut bytes = Vec::new();
        let mut report = Report::begin(&mut bytes, ["id", "detail"]).unwrap();
        for (id, detail) in [
            ("p-1", "plain"),
            ("-1", "a \"quoted\" one, with a comma"),
            ("", "=1+1"),
            ("", "+1"),
            ("", "@SUM(A1)"),
            ("", "\tx"),
            ("", "\rx"),
            ("", "a=b\nc"),
        ] {
            report.add(&[id, detail].map(str::to_owned)).unwrap();
        }
        report.end().unwrap();
        let expected = "id,detail\n\
            p-1,plain\n\
            '-1,\"a \"\"quoted\"\" one, with a comma\"\n\
            ,'=1+1\n\
            ,'+1\n\
            ,'@SUM(A1)\n\
            ,'\tx\n\
            ,\"'\rx\"\n\
            ,\"a=b\nc\"\n";
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}
