//! One import: a file's rows, several at a time, told of in the order of the file.
//!
//! A thread reads and maps; it is not waited for, because a pipe may stay silent for ever. Workers save. The caller's own
//! thread puts what became of the rows back into their order, counts and tells.

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

/// Longest line, in bytes. A patient with a photograph has some hundred thousand.
const LONGEST_LINE: usize = 8 * 1024 * 1024;

/// How often a worker who has nothing to do looks whether it is to stop.
const LOOK_UP: Duration = Duration::from_millis(50);

/// Where rows go.
#[derive(Clone, Copy, Debug)]
pub enum Target<'api> {
    /// To the API.
    Api(&'api Api),
    /// Nowhere: they are only looked at.
    DryRun,
}

/// What was done with the rows so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes of the file that they took.
    pub bytes: u64,
    /// Rows seen.
    pub rows: u64,
    /// Patients who are new.
    pub created: u64,
    /// Patients who were there; their profile has changed, or was the same.
    pub kept: u64,
    /// Rows that a dry run found good.
    pub checked: u64,
    /// Rows that were not saved.
    pub reported: u64,
    /// Rows that were saved with a note.
    pub noted: u64,
}

/// What there is to tell of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The line's number in the file, from 1.
    pub line: u64,
    /// The patient's id, as far as it is known.
    pub id: Option<PatientId>,
    /// Whether it was saved, or would be.
    pub saved: bool,
    /// Why there is something to tell: a stable code.
    pub code: String,
    /// The same in one sentence. Quotes nothing of the row.
    pub detail: String,
}

impl Told {
    /// The columns of a report of such.
    pub const COLUMNS: [&str; 5] = ["line", "id", "saved", "reason", "detail"];

    /// What stands in them.
    #[must_use]
    pub fn cells(&self) -> [String; 5] {
        let Self { line, id, saved, code, detail } = self;
        let id = id.as_ref().map(ToString::to_string).unwrap_or_default();
        let saved = if *saved { "yes" } else { "no" };
        [line.to_string(), id, saved.to_owned(), code.clone(), detail.clone()]
    }
}

impl fmt::Display for Told {
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
    /// With the end of the file.
    Done,
    /// Somebody wished to stop.
    Interrupted,
    /// Nothing could be saved any more.
    Halted(Halt),
    /// The file could not be read on.
    Unreadable(io::Error),
}

/// Whoever is told of the rows, in their order.
pub trait Audience {
    /// One more row is done with. `told` is what there is to tell of it.
    ///
    /// # Errors
    /// If it cannot be taken down: the import stops.
    fn row(&mut self, counts: &Counts, told: Option<&Told>) -> io::Result<()>;
}

/// What the reader hands to the workers.
enum Read {
    Row { line: u64, end: u64, row: Result<Box<Mapped>, Unfit> },
    End(Ended),
}

/// A line that is not to be saved.
enum Unfit {
    TooLong,
    NotJson,
    Rejected(Rejected),
    Repeated(PatientId),
}

/// What the workers hand to the audience's thread.
enum Outcome {
    Row { line: u64, end: u64, saved: Option<Kind>, told: Option<(Option<PatientId>, String, String)> },
    Ended(Ended),
}

/// How a row was saved.
#[derive(Clone, Copy)]
enum Kind {
    New,
    Kept,
    Checked,
}

/// Imports all rows of a source. Rows that are being saved when somebody wishes to stop are seen through.
///
/// # Errors
/// Those of the audience.
pub fn run(
    source: impl BufRead + Send + 'static,
    mapping: Mapping,
    target: Target<'_>,
    at_once: NonZeroU8,
    stop: &Stop,
    audience: &mut impl Audience,
) -> io::Result<(Counts, Ended)> {
    let workers = usize::from(at_once.get());
    let (to_workers, rows) = mpsc::sync_channel(workers);
    thread::spawn(move || read(Lines::of(source, LONGEST_LINE), &mapping, &to_workers));
    let rows = Mutex::new(rows);
    thread::scope(|scope| {
        let (to_audience, outcomes) = mpsc::channel();
        for _ in 0..workers {
            let (rows, to_audience) = (&rows, to_audience.clone());
            scope.spawn(move || work(rows, target, stop, &to_audience));
        }
        drop(to_audience);
        let mut teller =
            Teller { audience, counts: Counts::default(), ended: None, early: BTreeMap::new(), expected: 0 };
        for (place, outcome) in outcomes {
            teller.take(place, outcome).inspect_err(|_| stop.raise())?;
        }
        teller.end()
    })
}

/// Reads and maps row by row, until nobody wants more.
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
    let mapped = text.ok_or(Unfit::TooLong).and_then(|text| {
        let resource = serde_json::from_slice(&text).map_err(|_| Unfit::NotJson)?;
        let mapped = fhir::map(&resource, mapping).map_err(Unfit::Rejected)?;
        // Several rows are under way at once: of two of one patient, either could be the last.
        if seen.insert(mapped.id.clone()) { Ok(Box::new(mapped)) } else { Err(Unfit::Repeated(mapped.id)) }
    });
    Read::Row { line: number, end, row: mapped }
}

fn work(rows: &Mutex<Receiver<(u64, Read)>>, target: Target<'_>, stop: &Stop, to_audience: &Sender<(u64, Outcome)>) {
    while let Some((place, read)) = next(rows, stop) {
        let outcome = match read {
            Read::End(ended) => Outcome::Ended(ended),
            Read::Row { line, end, row: Ok(mapped) } => save(line, end, *mapped, target, stop),
            Read::Row { line, end, row: Err(unfit) } => {
                Outcome::Row { line, end, saved: None, told: Some(unfit.told()) }
            }
        };
        if matches!(outcome, Outcome::Ended(Ended::Halted(_))) {
            stop.raise();
        }
        if to_audience.send((place, outcome)).is_err() {
            return;
        }
    }
}

/// The next row, if there is one and nobody wishes to stop.
fn next(rows: &Mutex<Receiver<(u64, Read)>>, stop: &Stop) -> Option<(u64, Read)> {
    loop {
        let rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
        if stop.raised() {
            return None;
        }
        match rows.recv_timeout(LOOK_UP) {
            Ok(row) => return Some(row),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

fn save(line: u64, end: u64, mapped: Mapped, target: Target<'_>, stop: &Stop) -> Outcome {
    let Mapped { id, profile, note } = mapped;
    let saved = match target {
        Target::DryRun => Kind::Checked,
        Target::Api(api) => match api.save(&id, &profile, stop) {
            Ok(Saved::New) => Kind::New,
            Ok(Saved::Kept) => Kind::Kept,
            Err(Failure::Refused(Refused { code, detail })) => {
                return Outcome::Row { line, end, saved: None, told: Some((Some(id), code, detail)) };
            }
            Err(Failure::Abandoned) => return Outcome::Ended(Ended::Interrupted),
            Err(Failure::Halted(halt)) => return Outcome::Ended(Ended::Halted(halt)),
        },
    };
    let told = note.map(|note| (Some(id), note.code().to_owned(), note.detail().to_owned()));
    Outcome::Row { line, end, saved: Some(saved), told }
}

/// Whoever puts the rows back into their order, counts them, and tells of them.
struct Teller<'run, A> {
    audience: &'run mut A,
    counts: Counts,
    ended: Option<Ended>,
    /// Outcomes that came before an earlier row's.
    early: BTreeMap<u64, Outcome>,
    /// The place of the next row.
    expected: u64,
}

impl<A: Audience> Teller<'_, A> {
    /// Takes one outcome, and tells of whatever is not kept waiting by an earlier row.
    fn take(&mut self, place: u64, outcome: Outcome) -> io::Result<()> {
        self.early.insert(place, outcome);
        while let Some(outcome) = self.early.remove(&self.expected) {
            self.expected += 1;
            self.tell(outcome)?;
        }
        Ok(())
    }

    /// Tells of the rest: after a wish to stop, rows are missing in between.
    fn end(mut self) -> io::Result<(Counts, Ended)> {
        while let Some((_, outcome)) = self.early.pop_first() {
            self.tell(outcome)?;
        }
        Ok((self.counts, self.ended.unwrap_or(Ended::Interrupted)))
    }

    fn tell(&mut self, outcome: Outcome) -> io::Result<()> {
        match outcome {
            Outcome::Row { line, end, saved, told } => {
                let told = told.map(|(id, code, detail)| Told { line, id, saved: saved.is_some(), code, detail });
                self.counts.add(end, saved, told.is_some());
                self.audience.row(&self.counts, told.as_ref())
            }
            Outcome::Ended(ended) => {
                self.ended.get_or_insert(ended);
                Ok(())
            }
        }
    }
}

impl Counts {
    fn add(&mut self, end: u64, saved: Option<Kind>, told: bool) {
        self.bytes = end;
        self.rows += 1;
        match saved {
            None => self.reported += 1,
            Some(Kind::New) => self.created += 1,
            Some(Kind::Kept) => self.kept += 1,
            Some(Kind::Checked) => self.checked += 1,
        }
        self.noted += u64::from(saved.is_some() && told);
    }
}

impl Unfit {
    fn told(self) -> (Option<PatientId>, String, String) {
        let (id, code, detail) = match self {
            Self::TooLong => (None, "line_too_long", "The line is longer than 8 MiB."),
            Self::NotJson => (None, "not_json", "The line is not one JSON value in UTF-8."),
            Self::Rejected(Rejected { id, reason }) => (id, reason.code(), reason.detail()),
            Self::Repeated(id) => (Some(id), "repeated", "An earlier line has the same id: only that one counts."),
        };
        (id, code.to_owned(), detail.to_owned())
    }
}
