//! The tags of an invitation mail. SES repeats them in every event about the mail, where they identify the record.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use portal::ids::RecordKey;

use crate::store::keys;

/// The id of the invitation.
pub const INVITATION: &str = "invitation";
/// The number of the sending attempt.
pub const ATTEMPT: &str = "attempt";
/// The record, as encoded by [`encode_record`].
pub const RECORD: &str = "record";
/// The configuration set of the mail. SES adds this tag.
pub const CONFIGURATION_SET: &str = "ses:configuration-set";

/// Encodes a record as a tag value. SES accepts at most 256 letters, digits and `_ . @ -`; ids can contain `:`, and a
/// separator is needed that no id contains.
#[must_use]
pub fn encode_record(key: &RecordKey) -> String {
    URL_SAFE_NO_PAD.encode(keys::holder(key))
}

/// Decodes [`encode_record`]. `None` if the value is invalid.
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
    fn a_record_has_this_encoding() {
        assert_eq!(encode_record(&samples::key("lakeside", "p-1001")), "bGFrZXNpZGUjcC0xMDAx");
    }

    #[test]
    fn an_invalid_tag_is_no_record() {
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
        fn a_record_can_be_decoded_and_ses_accepts_its_tag(practice in "[A-Za-z0-9._:-]{1,64}", patient in "[A-Za-z0-9._:-]{1,64}") {
            let key = samples::key(&practice, &patient);
            let tag = encode_record(&key);
            prop_assert!(tag.len() <= 256 && tag.chars().all(|c| c.is_ascii_alphanumeric() || "_.@-".contains(c)));
            prop_assert_eq!(parse_record(&tag), Some(key));
        }

        #[test]
        fn decoding_never_panics(value in "\\PC{0,300}") {
            let _key = parse_record(&value);
        }
    }
}
