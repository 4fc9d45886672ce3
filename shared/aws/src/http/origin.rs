//! Where a request comes from: through the firewall, or past it.
//!
//! The firewall (`infra/edge.yaml`) adds a secret header to each request that it lets through. A request to a public
//! operation without it went to the API's own host, where no limit applies to one caller.

use http::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::{Choice, ConstantTimeEq as _};

use super::problem::Problem;
use crate::config::OriginSecrets;

/// The header that the firewall adds. `CloudFront` replaces what a client sends under this name.
pub const ORIGIN_VERIFY: &str = "x-origin-verify";

/// Makes sure that a request came through the firewall, if there is one.
///
/// # Errors
/// [`Problem::WrongHost`] unless the header has one of the two values.
pub(super) fn require_firewall(headers: &HeaderMap, secrets: Option<&OriginSecrets>) -> Result<(), Problem> {
    let Some(OriginSecrets { current, previous }) = secrets else { return Ok(()) };
    let mut given = headers.get_all(ORIGIN_VERIFY).iter();
    // The firewall sends one. The gateway joins several with commas, which no secret has.
    let (Some(given), None) = (given.next(), given.next()) else { return Err(Problem::WrongHost) };
    let is = |secret: &SecretString| given.as_bytes().ct_eq(secret.expose_secret().as_bytes());
    // Both are always compared, so that the time taken does not tell which one is close.
    let admitted = is(current) | previous.as_ref().map_or(Choice::from(0), is);
    if bool::from(admitted) { Ok(()) } else { Err(Problem::WrongHost) }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const CURRENT: &str = "current-0123456789abcdef01234567";
    const PREVIOUS: &str = "previous-123456789abcdef01234567";

    fn secrets(previous: Option<&str>) -> OriginSecrets {
        OriginSecrets { current: CURRENT.into(), previous: previous.map(SecretString::from) }
    }

    fn admitted(given: &[&[u8]], secrets: Option<&OriginSecrets>) -> bool {
        let header = |value: &&[u8]| (HeaderName::from_static(ORIGIN_VERIFY), HeaderValue::from_bytes(value).unwrap());
        let headers = given.iter().map(header).fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        });
        match require_firewall(&headers, secrets) {
            Ok(()) => true,
            Err(problem) => {
                assert_eq!(problem.code().name(), "wrong_host");
                false
            }
        }
    }

    #[test]
    fn without_a_firewall_every_request_is_admitted() {
        assert!(admitted(&[], None));
        assert!(admitted(&[b"anything"], None));
    }

    #[test]
    fn the_current_value_is_admitted_and_the_previous_one_while_it_is_set() {
        for previous in [None, Some(PREVIOUS)] {
            let secrets = secrets(previous);
            assert!(admitted(&[CURRENT.as_bytes()], Some(&secrets)));
            assert_eq!(admitted(&[PREVIOUS.as_bytes()], Some(&secrets)), previous.is_some());
        }
    }

    #[test]
    fn nothing_else_is_admitted() {
        let secrets = secrets(Some(PREVIOUS));
        let both = format!("{CURRENT},{PREVIOUS}");
        let twice = format!("{CURRENT}, {CURRENT}");
        for given in [
            &b""[..],
            b"x",
            CURRENT.to_uppercase().as_bytes(),
            &CURRENT.as_bytes()[1..],
            &CURRENT.as_bytes()[..31],
            format!("{CURRENT}x").as_bytes(),
            both.as_bytes(),
            twice.as_bytes(),
            b"\xff\xfe",
        ] {
            assert!(!admitted(&[given], Some(&secrets)), "{given:?}");
        }
        assert!(!admitted(&[], Some(&secrets)));
        assert!(!admitted(&[CURRENT.as_bytes(), CURRENT.as_bytes()], Some(&secrets)));
        assert!(!admitted(&[b"x", CURRENT.as_bytes()], Some(&secrets)));
    }
}
