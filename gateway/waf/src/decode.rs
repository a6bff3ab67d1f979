//! The forms of a value: what it says once each encoding that a service or a browser may undo is undone.
//!
//! Every decoder leaves what is malformed as it is, and borrows where there is nothing to decode.

use std::borrow::Cow;

/// How a value is encoded where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// Not at all: JSON strings after unescaping, header values.
    Plain,
    /// Percent-encoding: paths.
    Percent,
    /// Percent-encoding with `+` for a space: queries and forms.
    Form,
}

impl Coding {
    /// The value as the service reads it.
    pub(crate) fn decode(self, raw: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Plain => Cow::Borrowed(raw),
            Self::Percent => percent(raw),
            Self::Form if raw.contains(&b'+') => {
                let spaced: Vec<u8> = raw.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
                match percent(&spaced) {
                    Cow::Owned(decoded) => Cow::Owned(decoded),
                    Cow::Borrowed(_) => Cow::Owned(spaced),
                }
            }
            Self::Form => percent(raw),
        }
    }
}

/// The value with one more layer of whatever encoding is left undone; none where there is no such layer.
pub(crate) fn again(value: &[u8]) -> Option<Vec<u8>> {
    let mut form = Cow::Borrowed(value);
    for decoder in [percent, entities, escapes, folded] {
        if let Cow::Owned(decoded) = decoder(&form) {
            form = Cow::Owned(decoded);
        }
    }
    match form {
        Cow::Owned(decoded) => Some(decoded),
        Cow::Borrowed(_) => None,
    }
}

/// What a shell makes of a word: quotes, carets and backslashes gone, `$IFS` a space. None where nothing changes.
pub(crate) fn unquoted(value: &[u8]) -> Option<Vec<u8>> {
    let decoded = rewrite(value, |rest| match rest {
        [b'\'' | b'"' | b'^' | b'\\', ..] => Some((1, Replacement::Nothing)),
        [b'$', after @ ..] => {
            let name = after.strip_prefix(b"{").unwrap_or(after);
            let braced = after.len() - name.len();
            let (name, tail) = name.split_at_checked(3)?;
            if !name.eq_ignore_ascii_case(b"ifs") {
                return None;
            }
            let close = usize::from(braced == 1 && tail.first() == Some(&b'}'));
            Some((1 + braced + 3 + close, Replacement::Char(' ')))
        }
        _ => None,
    });
    match decoded {
        Cow::Owned(decoded) => Some(decoded),
        Cow::Borrowed(_) => None,
    }
}

/// Undoes `%41` and the `%u0041` that some servers accept.
fn percent(value: &[u8]) -> Cow<'_, [u8]> {
    rewrite(value, |rest| match rest {
        [b'%', b'u' | b'U', digits @ ..] => {
            let (digits, _) = digits.split_at_checked(4)?;
            Some((6, Replacement::code_point(digits)?))
        }
        [b'%', high, low, ..] => Some((3, Replacement::Octet(hex(*high)? << 4 | hex(*low)?))),
        _ => None,
    })
}

/// Undoes HTML character references: numeric ones with or without semicolon, and the names that matter in markup.
fn entities(value: &[u8]) -> Cow<'_, [u8]> {
    rewrite(value, |rest| match rest {
        [b'&', b'#', b'x' | b'X', digits @ ..] => {
            let digits = leading(digits, |byte| byte.is_ascii_hexdigit());
            Some((3 + digits.len() + semicolon(rest, 3 + digits.len()), Replacement::number(digits, 16)?))
        }
        [b'&', b'#', digits @ ..] => {
            let digits = leading(digits, |byte| byte.is_ascii_digit());
            Some((2 + digits.len() + semicolon(rest, 2 + digits.len()), Replacement::number(digits, 10)?))
        }
        [b'&', name @ ..] => {
            let name = leading(name, |byte| byte.is_ascii_alphabetic());
            if semicolon(rest, 1 + name.len()) == 0 {
                return None;
            }
            let &(_, char) = ENTITIES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))?;
            Some((2 + name.len(), Replacement::Char(char)))
        }
        _ => None,
    })
}

/// Undoes `\x41`, `\u0041` and `\u{41}` of script and JSON strings.
fn escapes(value: &[u8]) -> Cow<'_, [u8]> {
    rewrite(value, |rest| match rest {
        // Not a null octet, which `\x00` in a text about code is not.
        [b'\\', b'x' | b'X', high, low, ..] => match hex(*high)? << 4 | hex(*low)? {
            0 => None,
            octet => Some((4, Replacement::Octet(octet))),
        },
        [b'\\', b'u', b'{', digits @ ..] => {
            let digits = leading(digits, |byte| byte.is_ascii_hexdigit());
            if rest.get(3 + digits.len()) != Some(&b'}') {
                return None;
            }
            Some((4 + digits.len(), Replacement::number(digits, 16)?))
        }
        [b'\\', b'u' | b'U', digits @ ..] => {
            let (digits, _) = digits.split_at_checked(4)?;
            Some((6, Replacement::code_point(digits)?))
        }
        _ => None,
    })
}

/// Turns overlong and full-width forms into the ASCII characters that lenient decoders make of them, and drops 0xFF,
/// which no UTF-8 text has and which some tokenizers take for the end.
fn folded(value: &[u8]) -> Cow<'_, [u8]> {
    rewrite(value, |rest| match *rest {
        [lead @ (0xC0 | 0xC1), trail @ 0x80..=0xBF, ..] => {
            Some((2, Replacement::Octet((lead & 1) << 6 | (trail & 0x3F))))
        }
        // U+FF01 to U+FF5E are `!` to `~`.
        [0xEF, 0xBC, trail @ 0x81..=0xBF, ..] => Some((3, Replacement::Octet(trail - 0x80 + 0x20))),
        [0xEF, 0xBD, trail @ 0x80..=0x9E, ..] => Some((3, Replacement::Octet(trail - 0x80 + 0x60))),
        [0xFF, ..] => Some((1, Replacement::Nothing)),
        _ => None,
    })
}

/// What an encoded character stands for.
enum Replacement {
    Nothing,
    Octet(u8),
    Char(char),
}

impl Replacement {
    /// The character of four hexadecimal digits. Half a surrogate pair stands for something that is not ASCII.
    fn code_point(digits: &[u8]) -> Option<Self> {
        let all_hex = digits.iter().all(u8::is_ascii_hexdigit);
        if all_hex { Self::number(digits, 16) } else { None }
    }

    fn number(digits: &[u8], radix: u32) -> Option<Self> {
        if digits.is_empty() {
            return None;
        }
        let value = std::str::from_utf8(digits).ok().and_then(|digits| u32::from_str_radix(digits, radix).ok());
        match value.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER) {
            '\0' => None,
            char => Some(Self::Char(char)),
        }
    }
}

const ENTITIES: [(&str, char); 24] = [
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("amp", '&'),
    ("colon", ':'),
    ("semi", ';'),
    ("lpar", '('),
    ("rpar", ')'),
    ("lsqb", '['),
    ("rsqb", ']'),
    ("lcub", '{'),
    ("rcub", '}'),
    ("sol", '/'),
    ("bsol", '\\'),
    ("equals", '='),
    ("num", '#'),
    ("dollar", '$'),
    ("grave", '`'),
    ("period", '.'),
    ("comma", ','),
    ("tab", '\t'),
    ("newline", '\n'),
    ("nbsp", ' '),
];

/// Copies `value` with every place replaced where `decode` says how many octets stand for what.
fn rewrite(value: &[u8], decode: impl Fn(&[u8]) -> Option<(usize, Replacement)>) -> Cow<'_, [u8]> {
    let mut out: Option<Vec<u8>> = None;
    let mut rest = value;
    while let Some((&first, after)) = rest.split_first() {
        // Most octets stand for themselves: no decoder begins with a letter, a digit or a space.
        let decoded = if first.is_ascii_alphanumeric() || first == b' ' { None } else { decode(rest) };
        match decoded {
            Some((len, replacement)) => {
                let out = out.get_or_insert_with(|| {
                    let mut out = Vec::with_capacity(value.len());
                    out.extend_from_slice(value.get(..value.len() - rest.len()).unwrap_or_default());
                    out
                });
                match replacement {
                    Replacement::Nothing => {}
                    Replacement::Octet(octet) => out.push(octet),
                    Replacement::Char(char) => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
                }
                rest = rest.get(len..).unwrap_or_default();
            }
            None => {
                if let Some(out) = &mut out {
                    out.push(first);
                }
                rest = after;
            }
        }
    }
    out.map_or(Cow::Borrowed(value), Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn leading(bytes: &[u8], belongs: impl Fn(&u8) -> bool) -> &[u8] {
    // No character reference or escape that means anything is longer.
    const DIGITS_MAX: usize = 16;
    let len = bytes.iter().take(DIGITS_MAX).take_while(|byte| belongs(byte)).count();
    bytes.get(..len).unwrap_or_default()
}

fn semicolon(rest: &[u8], at: usize) -> usize {
    usize::from(rest.get(at) == Some(&b';'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(bytes: Option<Vec<u8>>) -> Option<String> {
        bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    #[test]
    fn form_values_are_decoded_as_a_service_does() {
        assert_eq!(*Coding::Form.decode(b"a+b%20c%2B"), *b"a b c+");
        assert_eq!(*Coding::Percent.decode(b"a+b%20c"), *b"a+b c");
        assert_eq!(*Coding::Plain.decode(b"a+b%20c"), *b"a+b%20c");
    }

    #[test]
    fn malformed_encodings_stand_for_themselves() {
        for malformed in [
            "100%",
            "100%z",
            "%u00",
            "&;",
            "&#;",
            "&#x;",
            "\\u12",
            "\\x1",
            "\\u{zz}",
            "\\x00",
            "\\u0000",
            "&#0;",
            "&unknown;",
            "%",
            "\\",
        ] {
            assert_eq!(text(again(malformed.as_bytes())), None, "{malformed}");
        }
    }

    #[test]
    fn every_layer_is_undone_once() {
        for (encoded, decoded) in [
            ("%2527", "%27"),
            ("%u003cscript%U003E", "<script>"),
            ("&lt;a&#62;&#x3e&quot;", "<a>>\""),
            ("\\x3cscript\\u003e\\u{2f}", "<script>/"),
            ("\u{ff1c}script\u{ff1e}", "<script>"),
            ("%26lt;", "<"),
        ] {
            assert_eq!(text(again(encoded.as_bytes())).as_deref(), Some(decoded), "{encoded}");
        }
        assert_eq!(again(b"\xc0\xae\xc0\xae\xc0\xaf").as_deref(), Some(b"../".as_slice()));
        assert_eq!(again(b"<\xffsvg").as_deref(), Some(b"<svg".as_slice()));
    }

    #[test]
    fn a_shell_sees_through_quotes() {
        assert_eq!(text(unquoted(b"c'a't${IFS}/e\\tc$IFS^x\"\"")).as_deref(), Some("cat /etc x"));
        assert_eq!(unquoted(b"$HOME and ${x}"), None);
    }

    proptest! {
        #[test]
        fn percent_encoding_is_undone(value: Vec<u8>) {
            let encoded: String = value.iter().map(|byte| format!("%{byte:02x}")).collect();
            let decoded = Coding::Percent.decode(encoded.as_bytes());
            prop_assert_eq!(&*decoded, &*value);
        }

        #[test]
        fn decoding_ends_and_never_panics(value: Vec<u8>) {
            let mut form = value;
            for _ in 0..2000 {
                match again(&form) {
                    Some(next) => form = next,
                    None => return Ok(()),
                }
            }
            prop_assert!(false, "still changing");
        }
    }
}
