//! The progress of an import.

use std::io::{self, Write};

use portal_cli::{
    import::{Counts, Observer, ReportRow},
    report::Report,
};

use super::Progress;

/// The maximum number of rows that are shown on standard error if there is no report.
const MAX_SHOWN: u64 = 20;

/// The progress of an import.
pub struct ImportProgress<W: Write> {
    progress: Progress,
    report: Option<Report<W, { ReportRow::COLUMNS.len() }>>,
    shown: u64,
}

impl<W: Write> ImportProgress<W> {
    /// Begins the progress of a file of `length` bytes, or of a source without a length.
    pub fn begin(length: Option<u64>, report: Option<Report<W, { ReportRow::COLUMNS.len() }>>) -> Self {
        Self { progress: Progress::begin(length), report, shown: 0 }
    }

    /// Clears the bar, and ends the report.
    pub fn end(self) -> io::Result<()> {
        self.progress.end();
        if self.shown > MAX_SHOWN {
            eprintln!("... and {} more: use --report FILE to get them all", self.shown - MAX_SHOWN);
        }
        self.report.map_or(Ok(()), Report::end)
    }
}

impl<W: Write> Observer for ImportProgress<W> {
    fn row(&mut self, counts: &Counts, row: Option<&ReportRow>) -> io::Result<()> {
        let so_far = format!("{} rows, {} reported", counts.rows, counts.reported);
        self.progress.show(counts.bytes, counts.rows, so_far);
        match (row, &mut self.report) {
            (None, _) => Ok(()),
            (Some(row), Some(report)) => report.add(&row.cells()).map_err(io::Error::from),
            (Some(row), None) => {
                self.shown += 1;
                if self.shown <= MAX_SHOWN {
                    self.progress.print(&row.to_string());
                }
                Ok(())
            }
        }
    }
}
