//! The framing of a chunked body, checked octet by octet before any other parser reads it.
//!
//! Pingora's own parser finds out too late (the head has gone upstream) and lets things through that shift a body's
//! octets: a bare LF inside a chunk extension, for one. Here only what RFC 9112 §7.1 allows gets past, within bounds,
//! and the verdict does not depend on how the octets arrive in pieces.

use crate::stage::hygiene::{is_field_name, is_field_value, is_hop_by_hop, is_reserved_header};

/// Digits of a chunk's size: as many as a 64-bit number has.
const SIZE_DIGITS_MAX: u8 = 16;

/// A chunk extension, in octets, its `;` included. Nothing that we know of uses them; signatures of 81 octets occur.
const EXTENSION_BYTES_MAX: u16 = 256;

/// How many octets of extensions a body may be ahead of its payload: else a body of one-octet chunks with long
/// extensions costs much and says nothing (CVE-2023-39326).
const EXTENSION_DEBT_MAX: u64 = 4 * 1024;

/// All trailer fields together, in octets. Pingora allows 64 KiB and throws them away.
const TRAILER_BYTES_MAX: usize = 4 * 1024;

/// How many trailer fields.
const TRAILER_FIELDS_MAX: u8 = 16;

/// Watches one chunked body go by.
#[derive(Debug, Default)]
pub(crate) struct ChunkScreen {
    at: At,
    extension_debt: u64,
    trailer_fields: u8,
    trailer_bytes: usize,
    /// The trailer line under way.
    line: Vec<u8>,
}

/// Where in the grammar the next octet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum At {
    /// In the size of a chunk, after so many digits.
    #[default]
    SizeStart,
    Size {
        digits: u8,
        value: u64,
    },
    Extension {
        bytes: u16,
        value: u64,
    },
    SizeLf {
        value: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    Trailer,
    TrailerLf,
    Done,
    Failed(FramingError),
}

/// How far a body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// All octets fed belong to the body, and more must come.
    More,
    /// The body ended: of the octets fed last, so many belonged to it.
    Done {
        /// Octets of the last feed that were still the body's.
        consumed: usize,
    },
}

/// Why a chunked body is refused. Once refused, always refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FramingError {
    /// Not 1 to 16 hexadecimal digits, or more than half of what 64 bits hold.
    #[error("a chunk's size is not 1 to 16 hexadecimal digits, or too large")]
    Size,
    /// A line that does not end in exactly CR LF, or data that is not followed by it.
    #[error("a line of the chunked framing does not end in CR LF")]
    LineEnd,
    /// A control character or an octet beyond ASCII in a chunk extension.
    #[error("a chunk extension has a character that does not belong there")]
    ExtensionCharacter,
    /// An extension that is too long, or too much extension for the payload.
    #[error("the chunk extensions are too long")]
    ExtensionTooLong,
    /// A trailer that is no field line.
    #[error("a trailer is not a field line")]
    Trailer,
    /// A trailer field that says what only a header may say (RFC 9110 §6.5.1).
    #[error("a trailer sets a field that may stand in the head only")]
    TrailerForbidden,
    /// Too many trailers, or too large ones.
    #[error("the trailers are too large")]
    TrailerTooLarge,
}

impl ChunkScreen {
    /// Takes the next octets of the body, in any portions.
    ///
    /// # Errors
    /// The first thing that is wrong. None of the octets fed with it may be handed on.
    pub(crate) fn feed(&mut self, octets: &[u8]) -> Result<Progress, FramingError> {
        let mut rest = octets;
        while let [octet, behind @ ..] = rest {
            self.at = match self.at {
                At::Data { left } => {
                    let here = left.min(rest.len() as u64);
                    // `here` is at most the length of the slice, so it fits.
                    rest = rest.get(usize::try_from(here).unwrap_or(usize::MAX)..).unwrap_or_default();
                    self.at = if left == here { At::DataCr } else { At::Data { left: left - here } };
                    continue;
                }
                At::Done => break,
                At::Failed(error) => return Err(error),
                at => {
                    rest = behind;
                    match self.step(at, *octet) {
                        Ok(at) => at,
                        Err(error) => {
                            self.at = At::Failed(error);
                            return Err(error);
                        }
                    }
                }
            };
        }
        match self.at {
            At::Failed(error) => Err(error),
            At::Done => Ok(Progress::Done { consumed: octets.len() - rest.len() }),
            _ => Ok(Progress::More),
        }
    }

    /// Moves on by one octet that is not payload.
    fn step(&mut self, at: At, octet: u8) -> Result<At, FramingError> {
        match at {
            At::SizeStart => Ok(At::Size { digits: 1, value: hex(octet).ok_or(FramingError::Size)? }),
            At::Size { digits, value } => match (octet, hex(octet)) {
                (b'\r', _) => Ok(At::SizeLf { value: self.sized(value, 0)? }),
                (b'\n', _) => Err(FramingError::LineEnd),
                (b';', _) => Ok(At::Extension { bytes: 1, value }),
                (_, Some(digit)) if digits < SIZE_DIGITS_MAX => {
                    Ok(At::Size { digits: digits + 1, value: value << 4 | digit })
                }
                _ => Err(FramingError::Size),
            },
            At::Extension { bytes, value } => match octet {
                b'\r' => Ok(At::SizeLf { value: self.sized(value, u64::from(bytes))? }),
                b'\n' => Err(FramingError::LineEnd),
                _ if bytes >= EXTENSION_BYTES_MAX => Err(FramingError::ExtensionTooLong),
                b' '..=b'~' => Ok(At::Extension { bytes: bytes + 1, value }),
                _ => Err(FramingError::ExtensionCharacter),
            },
            At::SizeLf { value } => match (octet, value) {
                (b'\n', 0) => Ok(At::Trailer),
                (b'\n', left) => Ok(At::Data { left }),
                _ => Err(FramingError::LineEnd),
            },
            At::DataCr if octet == b'\r' => Ok(At::DataLf),
            At::DataLf if octet == b'\n' => Ok(At::SizeStart),
            At::DataCr | At::DataLf => Err(FramingError::LineEnd),
            At::Trailer => self.trailer(octet),
            At::TrailerLf if octet != b'\n' => Err(FramingError::LineEnd),
            At::TrailerLf if self.line.is_empty() => Ok(At::Done),
            At::TrailerLf => {
                check_trailer(&self.line)?;
                self.line.clear();
                Ok(At::Trailer)
            }
            // `feed` keeps these to itself.
            At::Data { .. } | At::Done | At::Failed(_) => Ok(at),
        }
    }

    /// A chunk's line is complete: holds its size to the bounds, and its extension to what the payload allows.
    fn sized(&mut self, value: u64, extension_bytes: u64) -> Result<u64, FramingError> {
        // Half of the range, since others keep it in a signed integer.
        if i64::try_from(value).is_err() {
            return Err(FramingError::Size);
        }
        self.extension_debt = self.extension_debt.saturating_add(extension_bytes).saturating_sub(value);
        if self.extension_debt > EXTENSION_DEBT_MAX {
            return Err(FramingError::ExtensionTooLong);
        }
        Ok(value)
    }

    fn trailer(&mut self, octet: u8) -> Result<At, FramingError> {
        match octet {
            b'\r' => Ok(At::TrailerLf),
            b'\n' => Err(FramingError::LineEnd),
            _ => {
                self.trailer_fields += u8::from(self.line.is_empty());
                self.trailer_bytes += 1;
                if self.trailer_bytes > TRAILER_BYTES_MAX || self.trailer_fields > TRAILER_FIELDS_MAX {
                    return Err(FramingError::TrailerTooLarge);
                }
                self.line.push(octet);
                Ok(At::Trailer)
            }
        }
    }
}

fn hex(octet: u8) -> Option<u64> {
    char::from(octet).to_digit(16).map(u64::from)
}

/// A field line by the grammar of the head, with a name that may stand in a trailer.
fn check_trailer(line: &[u8]) -> Result<(), FramingError> {
    let mut parts = line.splitn(2, |b| *b == b':');
    let (Some(name), Some(value)) = (parts.next(), parts.next()) else { return Err(FramingError::Trailer) };
    if !is_field_name(name) || !is_field_value(value) {
        return Err(FramingError::Trailer);
    }
    if may_stand_in_a_trailer(&String::from_utf8_lossy(name)) { Ok(()) } else { Err(FramingError::TrailerForbidden) }
}

/// Whether a field of this name may follow a body.
pub(crate) fn may_stand_in_a_trailer(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    !(is_reserved_header(&name) || is_hop_by_hop(&name) || is_head_only(&name))
}

/// Names that a recipient may merge from trailers into the head at its peril: framing, routing, modifiers of the
/// request, credentials, and the description of content that was read by then.
fn is_head_only(name: &str) -> bool {
    const PREFIXES: [&str; 5] = ["access-control-", "content-", "if-", "proxy-", "sec-"];
    const NAMES: [&str; 16] = [
        "accept",
        "age",
        "authorization",
        "cache-control",
        "cookie",
        "date",
        "expect",
        "host",
        "location",
        "max-forwards",
        "origin",
        "pragma",
        "range",
        "referer",
        "set-cookie",
        "vary",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stage::hygiene::reference;

    fn verdict(body: &[u8]) -> Result<Progress, FramingError> {
        ChunkScreen::default().feed(body)
    }

    /// Bodies that parsers were seen to disagree about, each with the reason for which it is refused.
    const SMUGGLING: &[(&str, &[u8], FramingError)] = &[
        ("bare LF behind a size", b"5\nhello\r\n0\r\n\r\n", FramingError::LineEnd),
        ("bare LF in an extension", b"2;\nxx\r\n4c\r\n0\r\n\r\n", FramingError::LineEnd),
        ("bare CR in an extension", b"2;a\rb\r\nxx\r\n0\r\n\r\n", FramingError::LineEnd),
        ("NUL in an extension", b"2;a\0\r\nxx\r\n0\r\n\r\n", FramingError::ExtensionCharacter),
        ("tab in an extension", b"2;a\tb\r\nxx\r\n0\r\n\r\n", FramingError::ExtensionCharacter),
        ("an octet beyond ASCII in an extension", b"2;\x80\r\nxx\r\n0\r\n\r\n", FramingError::ExtensionCharacter),
        ("no size", b"\r\n", FramingError::Size),
        ("an extension without size", b";a\r\n", FramingError::Size),
        ("hexadecimal prefix", b"0x2\r\nxx\r\n0\r\n\r\n", FramingError::Size),
        ("plus", b"+2\r\nxx\r\n0\r\n\r\n", FramingError::Size),
        ("minus", b"-2\r\nxx\r\n0\r\n\r\n", FramingError::Size),
        ("space before a size", b" 2\r\nxx\r\n0\r\n\r\n", FramingError::Size),
        ("space behind a size", b"2 \r\nxx\r\n0\r\n\r\n", FramingError::Size),
        ("tab behind a size", b"2\t\r\nxx\r\n0\r\n\r\n", FramingError::Size),
        ("space before an extension", b"2 ;a\r\nxx\r\n0\r\n\r\n", FramingError::Size),
        ("underscore", b"1_0\r\n", FramingError::Size),
        ("seventeen digits", b"00000000000000002\r\nxx\r\n", FramingError::Size),
        ("a size that wraps", b"fffffffffffffffe\r\n", FramingError::Size),
        ("a size that is negative to some", b"8000000000000000\r\n", FramingError::Size),
        ("two CRs", b"2\r\r\nxx\r\n0\r\n\r\n", FramingError::LineEnd),
        ("more data than said", b"2\r\nxxx\r\n0\r\n\r\n", FramingError::LineEnd),
        ("less data than said", b"3\r\nxx\r\n0\r\n\r\n", FramingError::LineEnd),
        ("bare LF behind data", b"2\r\nxx\n0\r\n\r\n", FramingError::LineEnd),
        ("bare LF for the end", b"0\r\n\n", FramingError::LineEnd),
        ("bare LF behind the last size", b"0\n\r\n", FramingError::LineEnd),
        ("a request for a trailer", b"0\r\nGET /admin HTTP/1.1\r\n\r\n", FramingError::Trailer),
        ("a trailer with space before the colon", b"0\r\nx : y\r\n\r\n", FramingError::Trailer),
        ("a folded trailer", b"0\r\nx: y\r\n z\r\n\r\n", FramingError::Trailer),
        ("a bare CR in a trailer", b"0\r\nx: y\rz\r\n\r\n", FramingError::LineEnd),
        ("a NUL in a trailer", b"0\r\nx: \0\r\n\r\n", FramingError::Trailer),
        ("a trailer without name", b"0\r\n: y\r\n\r\n", FramingError::Trailer),
        ("framing in a trailer", b"0\r\nContent-Length: 5\r\n\r\n", FramingError::TrailerForbidden),
        ("transfer-encoding in a trailer", b"0\r\ntransfer_encoding: x\r\n\r\n", FramingError::TrailerForbidden),
        ("host in a trailer", b"0\r\nHOST: x\r\n\r\n", FramingError::TrailerForbidden),
        ("cookie in a trailer", b"0\r\nCookie: a=b\r\n\r\n", FramingError::TrailerForbidden),
        ("authorization in a trailer", b"0\r\nAuthorization: x\r\n\r\n", FramingError::TrailerForbidden),
        ("identity in a trailer", b"0\r\nCedargate_Identity: x\r\n\r\n", FramingError::TrailerForbidden),
        ("an address in a trailer", b"0\r\nX-Forwarded-For: ::1\r\n\r\n", FramingError::TrailerForbidden),
    ];

    #[test]
    fn what_parsers_disagree_about_is_refused() {
        for (name, body, why) in SMUGGLING {
            assert_eq!(verdict(body), Err(*why), "{name}");
        }
    }

    #[test]
    fn a_refused_body_stays_refused() {
        let mut screen = ChunkScreen::default();
        assert_eq!(screen.feed(b"2 "), Err(FramingError::Size));
        assert_eq!(screen.feed(b""), Err(FramingError::Size));
        assert_eq!(screen.feed(b"2\r\nxx\r\n0\r\n\r\n"), Err(FramingError::Size));
    }

    #[test]
    fn bounds_hold_to_the_octet() {
        let extension = |bytes: usize| [b"400;".as_slice(), &vec![b'a'; bytes - 1], b"\r\n"].concat();
        assert_eq!(verdict(&extension(256)), Ok(Progress::More));
        assert_eq!(verdict(&extension(257)), Err(FramingError::ExtensionTooLong));

        let tiny = [b"1;".as_slice(), &[b'a'; 255], b"\r\nx\r\n"].concat();
        assert_eq!(verdict(&tiny.repeat(16)), Ok(Progress::More));
        assert_eq!(verdict(&tiny.repeat(17)), Err(FramingError::ExtensionTooLong));

        let trailers = |count: usize| [b"0\r\n".to_vec(), b"a: b\r\n".repeat(count), b"\r\n".to_vec()].concat();
        assert!(matches!(verdict(&trailers(16)), Ok(Progress::Done { .. })));
        assert_eq!(verdict(&trailers(17)), Err(FramingError::TrailerTooLarge));

        let long = |bytes: usize| [b"0\r\na:".as_slice(), &vec![b'b'; bytes - 2], b"\r\n\r\n"].concat();
        assert!(matches!(verdict(&long(4096)), Ok(Progress::Done { .. })));
        assert_eq!(verdict(&long(4097)), Err(FramingError::TrailerTooLarge));
        assert_eq!(verdict(b"7fffffffffffffff\r\n"), Ok(Progress::More));
    }

    #[test]
    fn the_end_is_found_to_the_octet() {
        for body in [
            &b"0\r\n\r\n"[..],
            b"5\r\nhello\r\n0\r\n\r\n",
            b"00005\r\nhello\r\n0000000000000000\r\n\r\n",
            b"a;name=\"quoted; value\"\r\n0123456789\r\n0;x\r\nX-Checksum: 5\r\nServer-Timing: a\r\n\r\n",
            b"4\r\n\r\n\r\n\r\n0\r\n\r\n",
        ] {
            let next = [body, b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(verdict(&next), Ok(Progress::Done { consumed: body.len() }));
            assert_eq!(verdict(&body[..body.len() - 1]), Ok(Progress::More));
        }
        let mut screen = ChunkScreen::default();
        screen.feed(b"5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n").unwrap();
        assert_eq!(screen.feed(b"more"), Ok(Progress::Done { consumed: 0 }), "what follows is not the body's");
    }

    /// The payload of a well-formed body, by the plainest reading.
    fn payload(mut body: &[u8]) -> Vec<u8> {
        let mut payload = Vec::new();
        loop {
            let end = body.iter().position(|b| *b == b'\n').unwrap();
            let digits = body[..end].iter().take_while(|b| b.is_ascii_hexdigit()).count();
            let size = usize::from_str_radix(std::str::from_utf8(&body[..digits]).unwrap(), 16).unwrap();
            if size == 0 {
                return payload;
            }
            payload.extend(&body[end + 1..][..size]);
            body = &body[end + 1 + size + 2..];
        }
    }

    /// Feeds `body` cut at `cuts`; the verdict, and how many octets belonged to the body.
    fn in_pieces(body: &[u8], cuts: &[usize]) -> (Result<bool, FramingError>, usize) {
        let mut screen = ChunkScreen::default();
        let mut fed = 0;
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).chain([body.len()]).collect();
        cuts.sort_unstable();
        for cut in cuts {
            match screen.feed(&body[fed..cut.max(fed)]) {
                Ok(Progress::More) => fed = cut.max(fed),
                Ok(Progress::Done { consumed }) => return (Ok(true), fed + consumed),
                Err(error) => return (Err(error), 0),
            }
        }
        (Ok(false), fed)
    }

    fn chunked() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            8 => (prop::collection::vec(any::<u8>(), 1..40), "(;[a-z=\" ]{0,20})?").prop_map(|(data, extension)| {
                [format!("{:x}{extension}\r\n", data.len()).as_bytes(), &data, b"\r\n"].concat()
            }),
            1 => prop::collection::vec(any::<u8>(), 0..4),
            1 => prop::sample::select(SMUGGLING).prop_map(|(_, body, _)| body.to_vec()),
        ];
        (prop::collection::vec(piece, 0..8), "0\r\n(x-[a-z]{1,5}: [a-z]{0,9}\r\n){0,3}\r\n", "[a-z\r\n]{0,6}")
            .prop_map(|(pieces, end, next)| [pieces.concat(), end.into_bytes(), next.into_bytes()].concat())
    }

    proptest! {
        #[test]
        fn the_verdict_does_not_depend_on_the_pieces(body in chunked(), cuts in prop::collection::vec(0usize..400, 0..12)) {
            prop_assert_eq!(in_pieces(&body, &cuts), in_pieces(&body, &[]));
            let every: Vec<usize> = (0..body.len()).collect();
            prop_assert_eq!(in_pieces(&body, &every), in_pieces(&body, &[]));
        }

        #[test]
        fn arbitrary_octets_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = verdict(&body);
        }

        #[test]
        fn a_plain_body_passes(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..9)) {
            let mut body = Vec::new();
            for chunk in &chunks {
                body.extend(format!("{:X}\r\n", chunk.len()).bytes());
                body.extend(chunk);
                body.extend(b"\r\n");
            }
            body.extend(b"0\r\n\r\n");
            prop_assert_eq!(verdict(&body), Ok(Progress::Done { consumed: body.len() }));
        }

        /// INVARIANT (one reading): Pingora reads the payload that this screen saw go by.
        #[test]
        fn what_passes_is_read_alike_by_pingora(body in chunked()) {
            if let Ok(Progress::Done { consumed }) = verdict(&body) {
                let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
                let read = reference::read(head, &body[..consumed]).map_err(|error| TestCaseError::fail(error.to_string()))?;
                prop_assert_eq!(read.body, payload(&body[..consumed]));
            }
        }
    }
}
