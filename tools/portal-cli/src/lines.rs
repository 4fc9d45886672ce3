//! Reads a file line by line. Only one line is in memory. Of a line that is too long, only the beginning is kept.

use std::io::{self, BufRead, Read as _};

/// Some programs write this at the beginning of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One line that is not blank.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number in the file, from 1. Blank lines count.
    pub number: u64,
    /// Bytes of the file up to its end.
    pub end: u64,
    /// Its text, without the line break. `None` if it is too long.
    pub text: Option<Vec<u8>>,
}

/// A file's lines.
#[derive(Debug)]
pub struct Lines<R> {
    source: R,
    number: u64,
    end: u64,
    longest: usize,
}

impl<R: BufRead> Lines<R> {
    /// Reads the lines of a source. A line may have at most `longest` bytes.
    pub const fn new(source: R, longest: usize) -> Self {
        Self { source, number: 0, end: 0, longest }
    }

    /// The next line that is not blank. `None` at the end.
    ///
    /// # Errors
    /// If the source cannot be read.
    pub fn read(&mut self) -> io::Result<Option<Line>> {
        loop {
            let mut text = Vec::new();
            // One byte more than is permitted, and one for the line's end.
            let most = u64::try_from(self.longest).unwrap_or(u64::MAX).saturating_add(2);
            self.end += count((&mut self.source).take(most).read_until(b'\n', &mut text)?);
            if text.is_empty() {
                return Ok(None);
            }
            self.number += 1;
            let ended = text.last() == Some(&b'\n');
            let start = text.strip_prefix(BYTE_ORDER_MARK).filter(|_| self.number == 1).unwrap_or(&text);
            let content = start.trim_ascii();
            let rest = if ended { 0 } else { count(self.source.skip_until(b'\n')?) };
            self.end += rest;
            let whole = rest == 0 && content.len() <= self.longest;
            if !content.is_empty() || rest > 0 {
                let text = whole.then(|| content.to_vec());
                return Ok(Some(Line { number: self.number, end: self.end, text }));
            }
        }
    }
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Line, Lines};

    fn all(bytes: &[u8], longest: usize) -> Vec<(u64, u64, Option<String>)> {
        let mut lines = Lines::new(bytes, longest);
        let mut found = Vec::new();
        while let Some(Line { number, end, text }) = lines.read().unwrap() {
            found.push((number, end, text.map(|text| String::from_utf8(text).unwrap())));
        }
        found
    }

    #[test]
    fn blank_lines_count_and_are_skipped() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(all(b"", 9), []);
        assert_eq!(all(b"\n \r\n\n", 9), []);
        assert_eq!(all(b"a\n\n b \r\nc", 9), [(1, 2, text("a")), (3, 8, text("b")), (4, 9, text("c"))]);
        assert_eq!(all(b"\xef\xbb\xbfa\n", 9), [(1, 5, text("a"))]);
    }

    #[test]
    fn a_line_that_is_too_long_is_reported_and_the_next_one_read() {
        let text = |text: &str| Some(text.to_owned());
        let expected = [(1, 5, text("abcd")), (2, 11, None), (3, 30, None), (4, 32, text("a"))];
        assert_eq!(all(b"abcd\nabcde\nabcdefghijklmnopqr\na\n", 4), expected);
        assert_eq!(all(b"abcdefgh", 4), [(1, 8, None)]);
        assert_eq!(all(b"ab        cd\n        ab\n", 4), [(1, 13, None), (2, 24, None)]);
        assert_eq!(all(b"abcd", 4), [(1, 4, text("abcd"))]);
    }
}
