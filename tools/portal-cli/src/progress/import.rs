//! What is seen of an import.

use std::io::{self, Write};

use portal_cli::{
    import::{Audience, Counts, Told},
    report::Report,
};

use super::Progress;

/// Without a report so many rows are told of on standard error.
const MOST_TOLD: u64 = 20;

/// The progress of an import.
pub struct ImportProgress<W: Write> {
    progress: Progress,
    report: Option<Report<W, { Told::COLUMNS.len() }>>,
    told: u64,
}

impl<W: Write> ImportProgress<W> {
    /// Of a file of so many bytes, or of a source without a length.
    pub fn begin(length: Option<u64>, report: Option<Report<W, { Told::COLUMNS.len() }>>) -> Self {
        Self { progress: Progress::begin(length), report, told: 0 }
    }

    /// Clears the bar, and ends the report.
    pub fn end(self) -> io::Result<()> {
        self.progress.end();
        if self.told > MOST_TOLD {
            eprintln!("... and {} more: give --report FILE to have them all", self.told - MOST_TOLD);
        }
        self.report.map_or(Ok(()), Report::end)
    }
}

impl<W: Write> Audience for ImportProgress<W> {
    fn row(&mut self, counts: &Counts, told: Option<&Told>) -> io::Result<()> {
        let so_far = format!("{} rows, {} reported", counts.rows, counts.reported);
        self.progress.show(counts.bytes, counts.rows, so_far);
        match (told, &mut self.report) {
            (None, _) => Ok(()),
            (Some(told), Some(report)) => report.add(&told.cells()).map_err(io::Error::from),
            (Some(told), None) => {
                self.told += 1;
                if self.told <= MOST_TOLD {
                    self.progress.say(&told.to_string());
                }
                Ok(())
            }
        }
    }
}
