//! Whether a password stands in a list of those that were stolen somewhere, asked without telling the list's keeper which one it is.
//!
//! The format is the k-anonymity range format that is common for this: passwords by the SHA-1 of their octets, in upper-case hexadecimal.
//! A range is named by the first five digits and has a line `REST:COUNT` for each. So a service that is asked learns one in a million
//! ranges, and a copy of all ranges is a directory of files. SHA-1 is the format's: nothing is kept or proved by it.
//!
//! Where the list cannot be asked, it is the configuration's to say what that means. To refuse is the default: a password that was not
//! looked for may be any.

mod directory;
mod service;

use std::path::PathBuf;

use sha1::{Digest, Sha1};

pub use directory::RangeFileError;
pub use service::{RangeService, RangeServiceError};

use crate::local::NewPassword;

/// How many digits name a range.
const PREFIX_DIGITS: usize = 5;

/// The longest range that is read. Those of 2026 have some 2,000 lines of at most 45 octets.
const RANGE_BYTES_MAX: usize = 512 * 1024;

/// A list of passwords that were stolen, or none.
#[derive(Debug)]
pub struct BreachedPasswords {
    source: BreachedSource,
    unavailable: WhenUnavailable,
}

/// Where the list is.
#[derive(Debug)]
pub enum BreachedSource {
    /// Nowhere: passwords are not looked for.
    Nowhere,
    /// In a directory, a file for each range: `0018A` or `0018A.txt`.
    Directory(PathBuf),
    /// At a service that answers `GET BASE/0018A`.
    Service(RangeService),
}

/// What becomes of a password that could not be looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenUnavailable {
    /// It is not set.
    #[default]
    Refuse,
    /// It is set all the same, and the log says so.
    Accept,
}

/// What the list says of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Breach {
    /// It was stolen somewhere: whoever guesses tries it early.
    Known,
    /// The list does not have it, or there is no list.
    NotKnown,
}

/// Why the list cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum BreachedError {
    /// The directory does not have the range.
    #[error("the range of stolen passwords cannot be read")]
    Directory(#[from] RangeFileError),
    /// The service does not have the range.
    #[error("the service that knows stolen passwords does not answer")]
    Service(#[from] RangeServiceError),
    /// What was found is no range.
    #[error("the range of stolen passwords is malformed")]
    Malformed,
}

impl BreachedPasswords {
    /// A list, and what it means that it cannot be asked.
    pub fn new(source: BreachedSource, unavailable: WhenUnavailable) -> Self {
        Self { source, unavailable }
    }

    /// No list.
    pub fn none() -> Self {
        Self::new(BreachedSource::Nowhere, WhenUnavailable::Refuse)
    }

    /// Looks for a password.
    ///
    /// # Errors
    /// [`BreachedError`] where the list cannot be asked and the password must then not be set.
    pub async fn look_for(&self, password: &NewPassword) -> Result<Breach, BreachedError> {
        let digest = hexadecimal(&Sha1::digest(password.to_octets().as_slice()));
        let (prefix, rest) = digest.split_at(PREFIX_DIGITS);
        match (self.range(prefix).await, self.unavailable) {
            (Ok(None), _) => Ok(Breach::NotKnown),
            (Ok(Some(range)), when) => match (find(&range, rest), when) {
                (Err(error), WhenUnavailable::Accept) => Ok(passed_over(&error)),
                (found, _) => found,
            },
            (Err(error), WhenUnavailable::Accept) => Ok(passed_over(&error)),
            (Err(error), WhenUnavailable::Refuse) => Err(error),
        }
    }

    async fn range(&self, prefix: &str) -> Result<Option<Vec<u8>>, BreachedError> {
        match &self.source {
            BreachedSource::Nowhere => Ok(None),
            BreachedSource::Directory(directory) => Ok(Some(directory::read(directory, prefix).await?)),
            BreachedSource::Service(service) => Ok(Some(service.fetch(prefix).await?)),
        }
    }
}

fn passed_over(error: &BreachedError) -> Breach {
    tracing::warn!(error = error as &dyn std::error::Error, "a password was not looked for among stolen ones");
    Breach::NotKnown
}

/// Looks for a line. An answer may be filled up with lines whose count is nought, so that its length says nothing.
fn find(range: &[u8], rest: &str) -> Result<Breach, BreachedError> {
    let text = std::str::from_utf8(range).map_err(|_| BreachedError::Malformed)?;
    let mut found = Breach::NotKnown;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (digits, count) = line.split_once(':').ok_or(BreachedError::Malformed)?;
        let count: u64 = count.trim().parse().map_err(|_| BreachedError::Malformed)?;
        if digits.len() != rest.len() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(BreachedError::Malformed);
        }
        if count > 0 && digits.eq_ignore_ascii_case(rest) {
            found = Breach::Known;
        }
    }
    Ok(found)
}

fn hexadecimal(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        // Writing to a `String` cannot fail.
        let _infallible = write!(text, "{octet:02X}");
        text
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REST: &str = "0123456789ABCDEF0123456789ABCDEF012";

    #[test]
    fn a_password_is_named_as_the_format_names_it() {
        assert_eq!(hexadecimal(&Sha1::digest("password")), "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8");
    }

    #[test]
    fn a_line_counts_unless_it_only_fills_up() {
        let other = REST.replace('0', "F");
        assert_eq!(find(format!("{other}:3\r\n{REST}:12\r\n").as_bytes(), REST).unwrap(), Breach::Known);
        assert_eq!(find(format!("{}:1", REST.to_lowercase()).as_bytes(), REST).unwrap(), Breach::Known);
        assert_eq!(find(format!("{other}:3\r\n{REST}:0\r\n").as_bytes(), REST).unwrap(), Breach::NotKnown);
        assert_eq!(find(b"", REST).unwrap(), Breach::NotKnown);
    }

    #[test]
    fn what_is_no_range_is_not_taken_for_one() {
        for range in ["<html>not found</html>", "0123:1", REST, &format!("{REST}:many"), "\u{e9}:1"] {
            assert!(matches!(find(range.as_bytes(), REST), Err(BreachedError::Malformed)), "{range}");
        }
        assert!(matches!(find(b"\xff\xfe", REST), Err(BreachedError::Malformed)));
    }

    proptest! {
        #[test]
        fn no_octets_are_more_than_refused(range in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _found_or_refused = find(&range, REST);
        }
    }
}
