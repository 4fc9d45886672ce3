//! One import: saves several rows of a file at a time, and reports them in the order of the file.
//!
//! One thread reads and maps. It is not joined, because a pipe may stay silent forever. Workers save. The caller's own
//! thread restores the order of the rows, counts them and calls the observer.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    io::{self, BufRead},
    num::NonZeroU8,
    sync::{
        Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender},
    },
    thread,
    time::Duration,
};

use portal::ids::PatientId;

use crate::{
    api::{Api, Failure, Halt, Refused, Saved},
    fhir::{self, Mapped, Mapping, Rejected},
    lines::{Line, Lines},
    stop::Stop,
};

/// The maximum length of a line, in bytes. A patient with a photograph has some hundred thousand.
const LONGEST_LINE: usize = 8 * 1024 * 1024;

/// How often an idle worker checks whether it should stop.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// What is done with the rows.
#[derive(Clone, Copy, Debug)]
pub enum Target<'api> {
    /// They are saved with the API.
    Api(&'api Api),
    /// They are only checked.
    DryRun,
}

/// The counts of the rows so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes of the file that were read for them.
    pub bytes: u64,
    /// Rows read.
    pub rows: u64,
    /// New patients.
    pub created: u64,
    /// Existing patients, whose profile was changed or was the same.
    pub existing: u64,
    /// Rows that a dry run accepted.
    pub checked: u64,
    /// Rows that were not saved.
    pub reported: u64,
    /// Rows that were saved with a note.
    pub noted: u64,
}

/// A row's entry in the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRow {
    /// The line's number in the file, from 1.
    pub line: u64,
    /// The patient's id, if it is known.
    pub id: Option<PatientId>,
    /// Whether it was saved, or would be.
    pub saved: bool,
    /// The reason, as a stable code.
    pub code: String,
    /// The reason in one sentence. It quotes nothing from the row.
    pub detail: String,
}

impl ReportRow {
    /// The columns of the report.
    pub const COLUMNS: [&str; 5] = ["line", "id", "saved", "reason", "detail"];

    /// The cells of these columns.
    #[must_use]
    pub fn cells(&self) -> [String; 5] {
        let Self { line, id, saved, code, detail } = self;
        let id = id.as_ref().map(ToString::to_string).unwrap_or_default();
        let saved = if *saved { "yes" } else { "no" };
        [line.to_string(), id, saved.to_owned(), code.clone(), detail.clone()]
    }
}

impl fmt::Display for ReportRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(id) = &self.id {
            write!(f, ", {id}")?;
        }
        let done = if self.saved { "noted" } else { "not saved" };
        write!(f, ": {done}, {}: {}", self.code, self.detail)
    }
}

/// How an import ended.
#[derive(Debug)]
pub enum Ended {
    /// At the end of the file.
    Done,
    /// The user stopped it.
    Interrupted,
    /// No further row could be saved.
    Halted(Halt),
    /// The rest of the file could not be read.
    Unreadable(io::Error),
}

/// Receives the rows' results, in the order of the file.
pub trait Observer {
    /// One more row is finished. `report` is its entry in the report, if it has one.
    ///
    /// # Errors
    /// If the entry cannot be written: the import stops.
    fn row(&mut self, counts: &Counts, report: Option<&ReportRow>) -> io::Result<()>;
}

/// What the reader sends to the workers.
enum Read {
    Row { line: u64, end: u64, row: Result<Box<Mapped>, BadLine> },
    End(Ended),
}

/// A line that cannot be saved.
enum BadLine {
    TooLong,
    NotJson,
    Rejected(Rejected),
    Repeated(PatientId),
}

/// What the workers send to the observer's thread.
enum Processed {
    Row { line: u64, end: u64, saved: Option<Kind>, report: Option<(Option<PatientId>, String, String)> },
    Ended(Ended),
}

/// How a row was saved.
#[derive(Clone, Copy)]
enum Kind {
    New,
    Existing,
    Checked,
}

/// Imports all rows of a source. If the user stops the import, rows that are being saved are finished first.
///
/// # Errors
/// Those of the observer.
pub fn run(
    source: impl BufRead + Send + 'static,
    mapping: Mapping,
    target: Target<'_>,
    at_once: NonZeroU8,
    stop: &Stop,
    observer: &mut impl Observer,
) -> io::Result<(Counts, Ended)> {
    let workers = usize::from(at_once.get());
    let (to_workers, rows) = mpsc::sync_channel(workers);
    thread::spawn(move || read(Lines::new(source, LONGEST_LINE), &mapping, &to_workers));
    let rows = Mutex::new(rows);
    thread::scope(|scope| {
        let (to_observer, outcomes) = mpsc::channel();
        for _ in 0..workers {
            let (rows, to_observer) = (&rows, to_observer.clone());
            scope.spawn(move || work(rows, target, stop, &to_observer));
        }
        drop(to_observer);
        let mut collector =
            Collector { observer, counts: Counts::default(), ended: None, pending: BTreeMap::new(), next_place: 0 };
        for (place, outcome) in outcomes {
            collector.take(place, outcome).inspect_err(|_| stop.raise())?;
        }
        collector.end()
    })
}

/// Reads and maps row by row, until the workers have ended.
fn read(mut lines: Lines<impl BufRead>, mapping: &Mapping, to_workers: &SyncSender<(u64, Read)>) {
    let mut seen = HashSet::new();
    for place in 0.. {
        let read = match lines.read() {
            Ok(Some(line)) => row(line, mapping, &mut seen),
            Ok(None) => Read::End(Ended::Done),
            Err(error) => Read::End(Ended::Unreadable(error)),
        };
        let last = matches!(read, Read::End(_));
        if to_workers.send((place, read)).is_err() || last {
            return;
        }
    }
}

fn row(line: Line, mapping: &Mapping, seen: &mut HashSet<PatientId>) -> Read {
    let Line { number, end, text } = line;
    let mapped = text.ok_or(BadLine::TooLong).and_then(|text| {
        let resource = serde_json::from_slice(&text).map_err(|_| BadLine::NotJson)?;
        let mapped = fhir::map(&resource, mapping).map_err(BadLine::Rejected)?;
        // Several rows are saved at once, so of two rows of one patient either could be the last.
        if seen.insert(mapped.id.clone()) { Ok(Box::new(mapped)) } else { Err(BadLine::Repeated(mapped.id)) }
    });
    Read::Row { line: number, end, row: mapped }
}

fn work(rows: &Mutex<Receiver<(u64, Read)>>, target: Target<'_>, stop: &Stop, to_observer: &Sender<(u64, Processed)>) {
    while let Some((place, read)) = next(rows, stop) {
        let outcome = match read {
            Read::End(ended) => Processed::Ended(ended),
            Read::Row { line, end, row: Ok(mapped) } => save(line, end, *mapped, target, stop),
            Read::Row { line, end, row: Err(bad) } => {
                Processed::Row { line, end, saved: None, report: Some(bad.report()) }
            }
        };
        if matches!(outcome, Processed::Ended(Ended::Halted(_))) {
            stop.raise();
        }
        if to_observer.send((place, outcome)).is_err() {
            return;
        }
    }
}

/// The next row, if there is one and the import is not stopping.
fn next(rows: &Mutex<Receiver<(u64, Read)>>, stop: &Stop) -> Option<(u64, Read)> {
    loop {
        let rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
        if stop.raised() {
            return None;
        }
        match rows.recv_timeout(STOP_CHECK_INTERVAL) {
            Ok(row) => return Some(row),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

fn save(line: u64, end: u64, mapped: Mapped, target: Target<'_>, stop: &Stop) -> Processed {
    let Mapped { id, profile, note } = mapped;
    let saved = match target {
        Target::DryRun => Kind::Checked,
        Target::Api(api) => match api.save(&id, &profile, stop) {
            Ok(Saved::New) => Kind::New,
            Ok(Saved::Existing) => Kind::Existing,
            Err(Failure::Refused(Refused { code, detail })) => {
                return Processed::Row { line, end, saved: None, report: Some((Some(id), code, detail)) };
            }
            Err(Failure::Abandoned) => return Processed::Ended(Ended::Interrupted),
            Err(Failure::Halted(halt)) => return Processed::Ended(Ended::Halted(halt)),
        },
    };
    let report = note.map(|note| (Some(id), note.code().to_owned(), note.detail().to_owned()));
    Processed::Row { line, end, saved: Some(saved), report }
}

/// Restores the order of the rows, counts them, and calls the observer.
struct Collector<'run, A> {
    observer: &'run mut A,
    counts: Counts,
    ended: Option<Ended>,
    /// Outcomes that arrived before an earlier row's.
    pending: BTreeMap<u64, Processed>,
    /// The place of the next row.
    next_place: u64,
}

impl<A: Observer> Collector<'_, A> {
    /// Takes one outcome, and delivers all outcomes that need not wait for an earlier row.
    fn take(&mut self, place: u64, outcome: Processed) -> io::Result<()> {
        self.pending.insert(place, outcome);
        while let Some(outcome) = self.pending.remove(&self.next_place) {
            self.next_place += 1;
            self.deliver(outcome)?;
        }
        Ok(())
    }

    /// Delivers the remaining outcomes. After a stop, some rows between them are missing.
    fn end(mut self) -> io::Result<(Counts, Ended)> {
        while let Some((_, outcome)) = self.pending.pop_first() {
            self.deliver(outcome)?;
        }
        Ok((self.counts, self.ended.unwrap_or(Ended::Interrupted)))
    }

    fn deliver(&mut self, outcome: Processed) -> io::Result<()> {
        match outcome {
            Processed::Row { line, end, saved, report } => {
                let report =
                    report.map(|(id, code, detail)| ReportRow { line, id, saved: saved.is_some(), code, detail });
                self.counts.add(end, saved, report.is_some());
                self.observer.row(&self.counts, report.as_ref())
            }
            Processed::Ended(ended) => {
                self.ended.get_or_insert(ended);
                Ok(())
            }
        }
    }
}

impl Counts {
    fn add(&mut self, end: u64, saved: Option<Kind>, report: bool) {
        self.bytes = end;
        self.rows += 1;
        match saved {
            None => self.reported += 1,
            Some(Kind::New) => self.created += 1,
            Some(Kind::Existing) => self.existing += 1,
            Some(Kind::Checked) => self.checked += 1,
        }
        self.noted += u64::from(saved.is_some() && report);
    }
}

impl BadLine {
    fn report(self) -> (Option<PatientId>, String, String) {
        let (id, code, detail) = match self {
            Self::TooLong => (None, "line_too_long", "The line is longer than 8 MiB."),
            Self::NotJson => (None, "not_json", "The line is not one JSON value in UTF-8."),
            Self::Rejected(Rejected { id, reason }) => (id, reason.code(), reason.detail()),
            Self::Repeated(id) => (Some(id), "repeated", "An earlier line has the same id: only that one counts."),
        };
        (id, code.to_owned(), detail.to_owned())
    }
}
