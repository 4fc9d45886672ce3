//! The tags of an invitation's mail. SES repeats them in every event about it, and they are all that leads from an event
//! back to the record.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use portal::ids::RecordKey;

use crate::store::keys;

/// Which invitation.
pub const INVITATION: &str = "invitation";
/// Which try to hand the mail over.
pub const ATTEMPT: &str = "attempt";
/// Whose record, as [`of_record`] writes it.
pub const RECORD: &str = "record";
/// Which configuration set the mail was sent with. SES sets it by itself.
pub const CONFIGURATION_SET: &str = "ses:configuration-set";

/// A record as a tag's value, in which SES takes at most 256 letters, digits and `_ . @ -`. The ids of a practice and a
/// patient may have a `:` in them, and nothing that a value takes could stand between the two.
#[must_use]
pub fn of_record(key: &RecordKey) -> String {
    URL_SAFE_NO_PAD.encode(keys::holder(key))
}

/// Reads a record's tag back. `None` if it is none of ours.
#[must_use]
pub fn parse_record(value: &str) -> Option<RecordKey> {
    let holder = String::from_utf8(URL_SAFE_NO_PAD.decode(value).ok()?).ok()?;
    keys::parse_holder(&holder)
}

#[cfg(test)]
mod tests {
    use portal::testing::samples;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_record_is_written_like_this() {
        assert_eq!(of_record(&samples::key("lakeside", "p-1001")), "bGFrZXNpZGUjcC0xMDAx");
    }

    #[test]
    fn what_is_no_record_is_not_taken_for_one() {
        let encoded = |text: &[u8]| URL_SAFE_NO_PAD.encode(text);
        for bad in [
            String::new(),
            "lakeside".to_owned(),
            "bGFrZXNpZGUjcC0xMDAx=".to_owned(),
            encoded(b"lakeside"),
            encoded(b"lakeside#"),
            encoded(b"#p-1"),
            encoded(b"lakeside#p-1#p-2"),
            encoded(b"lake side#p-1"),
            encoded(&[0xff, b'#', b'p']),
        ] {
            assert_eq!(parse_record(&bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_record_reads_back_and_ses_takes_its_tag(practice in "[A-Za-z0-9._:-]{1,64}", patient in "[A-Za-z0-9._:-]{1,64}") {
            let key = samples::key(&practice, &patient);
            let tag = of_record(&key);
            prop_assert!(tag.len() <= 256 && tag.chars().all(|c| c.is_ascii_alphanumeric() || "_.@-".contains(c)));
            prop_assert_eq!(parse_record(&tag), Some(key));
        }

        #[test]
        fn reading_never_panics(value in "\\PC{0,300}") {
            let _key = parse_record(&value);
        }
    }
}
