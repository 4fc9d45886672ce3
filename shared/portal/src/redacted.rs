//! A wrapper for values that must never be printed.

use std::fmt;

/// Contains personal data or a secret: an address, a name, a date of birth, a token.
///
/// It has no `Display` and no `Serialize`, and its `Debug` does not show the value. So no log line, error or panic message
/// can contain the value by accident. Code that needs the value calls [`Redacted::expose`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for storage, mails or comparison; never for logs.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::Redacted;

    #[test]
    fn debug_output_does_not_contain_the_value() {
        assert_eq!(format!("{:?}", Redacted::new("jose@example.com")), "[redacted]");
    }
}
