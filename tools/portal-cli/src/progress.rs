//! What is seen of an import while it runs: on standard error, and in the report.

use std::{
    io::{self, IsTerminal as _, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use portal_cli::{
    import::{Audience, Counts, Told},
    report::Report,
};

/// Without a terminal there is a line after so many rows.
const ROWS_A_LINE: u64 = 1_000;

/// Without a report so many rows are told of on standard error.
const MOST_TOLD: u64 = 20;

/// The progress of an import.
pub struct Progress<W: Write> {
    /// Draws nothing where there is no terminal.
    bar: ProgressBar,
    terminal: bool,
    report: Option<Report<W>>,
    told: u64,
}

impl<W: Write> Progress<W> {
    /// Of a file of so many bytes, or of a source without a length.
    pub fn begin(length: Option<u64>, report: Option<Report<W>>) -> Self {
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
        let template = if length.is_some() { "{bar:40} {percent:>3} %  {msg}  {eta} left" } else { "{spinner} {msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, terminal: io::stderr().is_terminal(), report, told: 0 }
    }

    /// Clears the bar, and ends the report.
    pub fn end(self) -> io::Result<()> {
        self.bar.finish_and_clear();
        if self.told > MOST_TOLD {
            eprintln!("... and {} more: give --report FILE to have them all", self.told - MOST_TOLD);
        }
        self.report.map_or(Ok(()), Report::end)
    }

    fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }
}

impl<W: Write> Audience for Progress<W> {
    fn row(&mut self, counts: &Counts, told: Option<&Told>) -> io::Result<()> {
        let so_far = format!("{} rows, {} reported", counts.rows, counts.reported);
        self.bar.set_position(counts.bytes);
        if !self.terminal && counts.rows.is_multiple_of(ROWS_A_LINE) {
            self.say(&so_far);
        }
        self.bar.set_message(so_far);
        match (told, &mut self.report) {
            (None, _) => Ok(()),
            (Some(told), Some(report)) => report.add(told).map_err(io::Error::from),
            (Some(told), None) => {
                self.told += 1;
                if self.told <= MOST_TOLD {
                    self.say(&told.to_string());
                }
                Ok(())
            }
        }
    }
}
