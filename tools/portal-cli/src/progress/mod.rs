//! The progress of a command: on standard error, and in its report.

mod import;
mod invite;

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

pub use import::ImportProgress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
pub use invite::{InviteProgress, summary_line};

/// Without a terminal, a line is printed each time that this number of rows or patients is done.
const LINE_INTERVAL: u64 = 1_000;

/// A bar, or a spinner while the length is unknown.
struct Progress {
    /// Draws nothing without a terminal.
    bar: ProgressBar,
    terminal: bool,
    /// The number of lines that were printed without a terminal.
    lines: u64,
}

impl Progress {
    fn begin(length: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let progress = Self { bar, terminal: io::stderr().is_terminal(), lines: 0 };
        progress.style("{spinner} {msg}");
        progress.bar.enable_steady_tick(Duration::from_millis(200));
        if let Some(length) = length {
            progress.set_length(length);
        }
        progress
    }

    /// Sets the total.
    fn set_length(&self, length: u64) {
        if self.bar.length() != Some(length) {
            self.bar.set_length(length);
            self.style("{bar:40} {percent:>3} %  {msg}  {eta} left");
        }
    }

    /// Shows the position within the length, and prints a line at intervals of `done` rows or patients.
    fn show(&mut self, position: u64, done: u64, so_far: String) {
        self.bar.set_position(position);
        if !self.terminal && done / LINE_INTERVAL > self.lines {
            self.lines = done / LINE_INTERVAL;
            self.print(&so_far);
        }
        self.bar.set_message(so_far);
    }

    fn print(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }

    fn style(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
    }
}
