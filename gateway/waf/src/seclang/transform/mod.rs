//! Transformations: what undoes an encoding or takes away what attackers vary. Each is one function in one table.

mod code;
mod digest;
mod encode;
mod html;
mod path;
mod script;
mod space;
mod url;

pub(crate) use self::script::js_decode;
pub(crate) use self::url::is_malformed as is_bad_url_encoding;
use super::bytes::ByteSet;

/// A transformation, by its row in [`TRANSFORMS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Transform(u8);

/// What is known of a transformation.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its name as rules write it.
    pub(crate) name: &'static str,
    /// Puts the transformed text behind what stands in the buffer, which is empty.
    apply: fn(&[u8], &mut Vec<u8>),
    /// A text that has none of these octets stays as it is; none where every text may change.
    changes: Option<ByteSet>,
    /// What it does, for the reference page.
    pub(crate) about: &'static str,
}

const fn row(
    name: &'static str,
    apply: fn(&[u8], &mut Vec<u8>),
    changes: Option<&'static [u8]>,
    about: &'static str,
) -> Row {
    let changes = match changes {
        Some(bytes) => Some(ByteSet::of(bytes)),
        None => None,
    };
    Row { name, apply, changes, about }
}

const fn of_set(name: &'static str, apply: fn(&[u8], &mut Vec<u8>), changes: ByteSet, about: &'static str) -> Row {
    Row { name, apply, changes: Some(changes), about }
}

const UPPER: ByteSet = ByteSet::range(b'A', b'Z');
const LOWER: ByteSet = ByteSet::range(b'a', b'z');

/// Every transformation. To add one: a function, and a row here.
pub(crate) static TRANSFORMS: &[Row] = &[
    row("base64Decode", encode::base64_decode, None, "decodes Base64 up to the first octet that is none"),
    row("base64DecodeExt", encode::base64_decode_lenient, None, "decodes Base64, passing over what is none"),
    row("base64Encode", encode::base64_encode, None, "encodes as Base64"),
    of_set(
        "cmdLine",
        code::cmd_line,
        UPPER.union(ByteSet::of(b"\\\"'^,; \t\r\n/(")),
        "writes a command line one way: no quotes and carets, single spaces, lower case",
    ),
    row(
        "compressWhitespace",
        space::compress_whitespace,
        Some(b"\t\n\x0B\x0C\r \xA0"),
        "makes each run of white space one space",
    ),
    row("cssDecode", script::css_decode, Some(b"\\"), "undoes CSS escapes"),
    row("escapeSeqDecode", script::escape_seq_decode, Some(b"\\"), "undoes C's escapes"),
    row("hexDecode", encode::hex_decode, None, "decodes pairs of hexadecimal digits"),
    row("hexEncode", encode::hex_encode, None, "writes each octet as two hexadecimal digits"),
    row("htmlEntityDecode", html::entity_decode, Some(b"&"), "undoes HTML's character references"),
    row("jsDecode", script::js_decode, Some(b"\\"), "undoes JavaScript's escapes"),
    row("length", digest::length, None, "the number of octets"),
    of_set("lowercase", code::lowercase, UPPER, "ASCII letters in lower case"),
    row("md5", digest::md5, None, "the MD5 digest"),
    row("normalisePath", path::normalize_path, Some(b"/."), "the same as `normalizePath`"),
    row("normalisePathWin", path::normalize_path_win, Some(b"/.\\"), "the same as `normalizePathWin`"),
    row("normalizePath", path::normalize_path, Some(b"/."), "resolves `.`, `..` and repeated slashes"),
    row("normalizePathWin", path::normalize_path_win, Some(b"/.\\"), "the same, with backslashes as slashes"),
    of_set("parityZero7bit", encode::parity_zero, ByteSet::range(0x80, 0xFF), "clears each octet's highest bit"),
    row("removeComments", code::remove_comments, Some(b"/<-#"), "takes away comments of C, HTML, SQL and shells"),
    row("removeCommentsChar", code::remove_comments_char, Some(b"/*-#<"), "takes away the marks of comments"),
    row("removeNulls", space::remove_nulls, Some(b"\0"), "takes away NUL"),
    row("removeWhitespace", space::remove_whitespace, Some(b"\t\n\x0B\x0C\r \xA0"), "takes away white space"),
    row("replaceComments", code::replace_comments, Some(b"/"), "makes each C comment one space"),
    row("replaceNulls", space::replace_nulls, Some(b"\0"), "makes each NUL a space"),
    row("sha1", digest::sha1, None, "the SHA-1 digest"),
    row("sqlHexDecode", encode::sql_hex_decode, Some(b"xX"), "decodes SQL's `0x...`"),
    row("trim", space::trim, Some(b"\t\n\x0B\x0C\r "), "takes away white space at both ends"),
    row("trimLeft", space::trim_left, Some(b"\t\n\x0B\x0C\r "), "takes away white space at the beginning"),
    row("trimRight", space::trim_right, Some(b"\t\n\x0B\x0C\r "), "takes away white space at the end"),
    of_set("uppercase", code::uppercase, LOWER, "ASCII letters in upper case"),
    row("urlDecode", url::decode, Some(b"%+"), "undoes percent-encoding"),
    row("urlDecodeUni", url::decode_uni, Some(b"%+"), "the same, with `%uHHHH`"),
    row("urlEncode", url::encode, None, "percent-encodes"),
    of_set("utf8toUnicode", url::utf8_to_unicode, ByteSet::range(0x80, 0xFF), "writes what is not ASCII as `%uHHHH`"),
];

/// The transformation of this name, in any case.
pub(crate) fn find(name: &str) -> Option<Transform> {
    let index = TRANSFORMS.iter().position(|row| row.name.eq_ignore_ascii_case(name))?;
    u8::try_from(index).ok().map(Transform)
}

impl Transform {
    /// Puts the transformed text into the buffer, in place of what was there.
    pub(crate) fn apply(self, text: &[u8], into: &mut Vec<u8>) {
        into.clear();
        if let Some(row) = TRANSFORMS.get(usize::from(self.0)) {
            (row.apply)(text, into);
        }
    }

    /// Whether it changes nothing but the case of ASCII letters.
    pub(crate) fn is_case(self) -> bool {
        TRANSFORMS.get(usize::from(self.0)).is_some_and(|row| matches!(row.name, "lowercase" | "uppercase"))
    }

    /// The octets without which a text stays as it is; none where every text may change.
    pub(crate) fn changes(self) -> Option<ByteSet> {
        TRANSFORMS.get(usize::from(self.0)).and_then(|row| row.changes)
    }

    /// Whether a text with these octets may change.
    pub(crate) fn may_change(self, seen: &ByteSet) -> bool {
        self.changes().is_none_or(|changes| changes.meets(seen))
    }
}

#[cfg(test)]
mod tests;
