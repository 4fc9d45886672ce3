//! A list of patients: their ids, one a line. The text after a `#` is a comment.
//!
//! The list is accepted as a whole or not at all, before any patient is invited: a line that is not an id may mean that it
//! is the wrong file.

use std::{collections::HashMap, fmt, io::BufRead};

use portal::ids::PatientId;

use crate::lines::{Line, Lines};

/// The maximum number of ids of one list, which is kept in memory.
pub const MAX_IDS: usize = 100_000;

/// The maximum length of a line, in bytes: an id and a comment.
const LONGEST_LINE: usize = 1024;

/// The maximum number of bad lines that a message lists. The others are counted.
const MAX_SHOWN: usize = 20;

/// Why a list is rejected.
#[derive(Debug, thiserror::Error)]
pub enum InvalidList {
    /// It has no ids.
    #[error("there is no patient id in it")]
    Empty,
    /// It has too many ids.
    #[error("it has more than {MAX_IDS} patient ids: split it")]
    TooLong,
    /// Some lines are invalid.
    #[error(transparent)]
    Lines(BadLines),
    /// It could not be read to its end.
    #[error("it cannot be read to its end")]
    Unreadable(#[from] std::io::Error),
}

/// The invalid lines of a list.
#[derive(Debug, Default, thiserror::Error)]
pub struct BadLines {
    first: Vec<(u64, LineError)>,
    more: u64,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug)]
enum LineError {
    TooLong,
    NoId,
    /// The id is that of an earlier line.
    Repeats(u64),
}

/// Reads a list, in its order.
///
/// # Errors
/// [`InvalidList`]
pub fn read(source: impl BufRead) -> Result<Vec<PatientId>, InvalidList> {
    let mut lines = Lines::new(source, LONGEST_LINE);
    let (mut ids, mut seen, mut bad) = (Vec::new(), HashMap::new(), BadLines::default());
    while let Some(Line { number, text, end: _ }) = lines.read()? {
        match id(text.as_deref()) {
            Ok(None) => {}
            Ok(Some(id)) => match seen.get(&id) {
                Some(earlier) => bad.add(number, LineError::Repeats(*earlier)),
                None if ids.len() == MAX_IDS => return Err(InvalidList::TooLong),
                None => {
                    seen.insert(id.clone(), number);
                    ids.push(id);
                }
            },
            Err(error) => bad.add(number, error),
        }
    }
    if !bad.first.is_empty() {
        return Err(InvalidList::Lines(bad));
    }
    if ids.is_empty() { Err(InvalidList::Empty) } else { Ok(ids) }
}

/// The id of a line. `None` if the line has only a comment. A comment may have any encoding.
fn id(text: Option<&[u8]>) -> Result<Option<PatientId>, LineError> {
    let text = text.ok_or(LineError::TooLong)?;
    let id = text.split(|byte| *byte == b'#').next().unwrap_or_default().trim_ascii();
    if id.is_empty() {
        return Ok(None);
    }
    let id = str::from_utf8(id).ok().and_then(|id| PatientId::parse(id).ok());
    id.map(Some).ok_or(LineError::NoId)
}

impl BadLines {
    fn add(&mut self, line: u64, error: LineError) {
        if self.first.len() < MAX_SHOWN {
            self.first.push((line, error));
        } else {
            self.more += 1;
        }
    }
}

impl fmt::Display for BadLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("each line must have one patient id, and each only once")?;
        for (line, error) in &self.first {
            write!(f, "\n  line {line}: ")?;
            match error {
                LineError::TooLong => write!(f, "longer than {LONGEST_LINE} bytes"),
                LineError::NoId => f.write_str("no patient id, which is 1 to 64 of A-Z a-z 0-9 . _ : -"),
                LineError::Repeats(earlier) => write!(f, "the id of line {earlier} again"),
            }?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\n  ... and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use super::{LONGEST_LINE, MAX_IDS, read};

    fn ids(list: &[u8]) -> Vec<String> {
        read(list).unwrap().iter().map(ToString::to_string).collect()
    }

    fn error(list: &[u8]) -> String {
        read(list).unwrap_err().to_string()
    }

    #[test]
    fn ids_are_read_in_order_without_blank_lines_and_comments() {
        let list =
            b"\xef\xbb\xbf# due this week\r\np-2\r\n\r\n  p-1\t# moved in\r\n#\nMRN:0042 # N\xfa\xf1ez\n #p-3\np-4";
        assert_eq!(ids(list), ["p-2", "p-1", "MRN:0042", "p-4"]);
    }

    #[test]
    fn a_list_without_ids_is_rejected() {
        for list in ["", "\n \r\n", "# p-1\n"] {
            assert_eq!(error(list.as_bytes()), "there is no patient id in it", "{list:?}");
        }
    }

    #[test]
    fn invalid_lines_are_listed_by_number_and_never_quoted() {
        let mut list = b"p-1\n\np-2 Maria\np-\xff3\np-1\n".to_vec();
        list.extend(b"x".repeat(LONGEST_LINE + 1));
        list.extend(b"\np-4\np-4\n");
        let expected = "each line must have one patient id, and each only once\n  \
            line 3: no patient id, which is 1 to 64 of A-Z a-z 0-9 . _ : -\n  \
            line 4: no patient id, which is 1 to 64 of A-Z a-z 0-9 . _ : -\n  \
            line 5: the id of line 1 again\n  \
            line 6: longer than 1024 bytes\n  \
            line 8: the id of line 7 again";
        assert_eq!(error(&list), expected);
    }

    #[test]
    fn many_invalid_lines_are_counted() {
        let message = error(&b"a,b\n".repeat(1_000_000));
        assert_eq!(message.lines().count(), 22, "{message}");
        assert!(
            message.ends_with("line 20: no patient id, which is 1 to 64 of A-Z a-z 0-9 . _ : -\n  ... and 999980 more")
        );
    }

    #[test]
    fn reading_stops_at_the_largest_list() {
        /// An endless list of ids.
        struct Endless(u64);
        impl Read for Endless {
            fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
                self.0 += 1;
                format!("p-{}\n", self.0).as_bytes().read(to)
            }
        }
        let too_long = "it has more than 100000 patient ids: split it";
        assert_eq!(read(BufReader::new(Endless(0))).unwrap_err().to_string(), too_long);
        let whole: Vec<String> = (0..MAX_IDS).map(|number| format!("p-{number}")).collect();
        assert_eq!(ids(whole.join("\n").as_bytes()), whole);
        assert_eq!(error((whole.join("\n") + "\none-more").as_bytes()), too_long);
    }
}
