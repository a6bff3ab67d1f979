use proptest::prelude::*;

use super::*;

fn apply(name: &str, text: &[u8]) -> Vec<u8> {
    let mut out = b"was here".to_vec();
    find(name).unwrap().apply(text, &mut out);
    out
}

#[test]
fn each_transformation_does_what_modsecurity_does() {
    let cases: &[(&str, &[u8], &[u8])] = &[
        ("base64Decode", b"VGVzdCE=", b"Test!"),
        ("base64Decode", b"VGVz-dCE", b"Tes"),
        ("base64DecodeExt", b"VG.Vz dA", b"Test"),
        ("base64Encode", b"Test", b"VGVzdA=="),
        ("cmdLine", b"C^md.e\"x\"e ,;\t/c (x)", b"cmd.exe/c(x)"),
        ("compressWhitespace", b"a \t\n b\xA0\xA0c", b"a b c"),
        ("cssDecode", b"\\6a avascript\\3a \\", b"javascript:"),
        ("cssDecode", b"\\ff0a\\x\\\ny", b"*xy"),
        ("escapeSeqDecode", b"a\\n\\x41\\101\\q\\\\", b"a\nAA\\q\\"),
        ("hexEncode", b"\x00\xAf", b"00af"),
        ("hexDecode", b"4142", b"AB"),
        ("htmlEntityDecode", b"&lt;&#x41&#66;&AMP;&nbsp;&nope;&", b"<AB&\xA0&nope;&"),
        ("jsDecode", b"\\u0061\\x62\\143\\n\\q\\uff1c\\", b"abc\nq<\\"),
        ("length", b"four", b"4"),
        ("md5", b"", b"\xd4\x1d\x8c\xd9\x8f\x00\xb2\x04\xe9\x80\x09\x98\xec\xf8\x42\x7e"),
        ("normalizePath", b"/a/./b//../c", b"/a/c"),
        ("normalizePath", b"/../../etc/passwd", b"/etc/passwd"),
        ("normalizePath", b"a/../../b/", b"../b/"),
        ("normalizePathWin", b"\\a\\..\\b\\", b"/b/"),
        ("removeComments", b"a/* x */b<!-- y -->c# z", b"abc"),
        ("removeCommentsChar", b"a/*b*/c--d#e", b"abcde"),
        ("removeNulls", b"a\0b", b"ab"),
        ("removeWhitespace", b" a\tb\xA0", b"ab"),
        ("replaceComments", b"a/**/b/*c", b"a b "),
        ("replaceNulls", b"a\0b", b"a b"),
        ("sqlHexDecode", b"0x414243 0xZ", b"ABC 0xZ"),
        ("trim", b" a b ", b"a b"),
        ("urlDecode", b"a%20b+c%u0041%4", b"a b c%u0041%4"),
        ("urlDecodeUni", b"%u0041%uff1c%41%uZZZZ+", b"A<A%uZZZZ "),
        ("utf8toUnicode", "aé€\u{1F600}".as_bytes(), b"a%u00e9%u20ac%u1f600"),
        ("utf8toUnicode", b"\xFFa", b"\xFFa"),
    ];
    for (name, text, expected) in cases {
        assert_eq!(apply(name, text).escape_ascii().to_string(), expected.escape_ascii().to_string(), "{name}");
    }
}

#[test]
fn names_stand_in_order_once() {
    assert!(TRANSFORMS.windows(2).all(|pair| pair[0].name < pair[1].name));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_may_not_change_does_not(text: Vec<u8>) {
        for row in TRANSFORMS {
            let transform = find(row.name).unwrap();
            let mut out = Vec::new();
            transform.apply(&text, &mut out);
            if !transform.may_change(&ByteSet::seen_in(&text)) {
                prop_assert_eq!(&out, &text, "{}", row.name);
            }
            // Nothing grows without bound: `%uHHHHHH` for four octets is the most.
            prop_assert!(out.len() <= 4 * text.len() + 64, "{}", row.name);
        }
    }
}
