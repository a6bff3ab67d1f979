use std::path::Path;

use proptest::prelude::*;

use super::table::Call;
use super::*;
use crate::seclang::parse::InMemory;

fn holds(name: &str, argument: &str, value: &[u8]) -> bool {
    let files = InMemory::new([("r/x.data", "# no\n\nevil word\nOther \n"), ("r/ips", "10.0.0.0/8\n::1\n")]);
    let operator = build(&Call { name, argument, file: Path::new("r/a.conf"), files: &files }).unwrap();
    let argument = operator.argument().and_then(Template::fixed).unwrap_or_default();
    operator.test(value, argument, None, &Steps::default()).unwrap()
}

#[test]
fn each_operator_holds_for_what_it_says_and_not_beside() {
    let cases: &[(&str, &str, &[u8], &[u8])] = &[
        ("beginsWith", "ab", b"abc", b"cab"),
        ("contains", "b", b"abc", b"acc"),
        ("containsWord", "or", b"a or b", b"floor"),
        ("detectSQLi", "", b"1' OR '1'='1", b"O'Brien"),
        ("detectXSS", "", b"<script>", b"a < b"),
        ("endsWith", "bc", b"abc", b"bca"),
        ("eq", "5", b"5x", b"6"),
        ("ge", "5", b"5", b"4"),
        ("gt", "5", b"6", b"5"),
        ("ipMatch", "192.168.0.0/16,2001:db8::/32", b"192.168.3.4", b"192.169.0.1"),
        ("ipMatch", "192.168.0.0/16,2001:db8::/32", b"2001:db8::1", b"x"),
        ("ipMatchFromFile", "ips", b"10.1.2.3", b"11.1.2.3"),
        ("le", "5", b"5", b"6"),
        ("lt", "5", b"", b"5"),
        ("pm", "union select", b"SELECT", b"sel ect"),
        ("pm", "a|20 41|b", b"x A AB", b"aab"),
        ("pmFromFile", "x.data", b"an EVIL WORD", b"evil"),
        ("rx", "^a.c$", b"a\nc", b"a\nc\n"),
        ("streq", "a", b"a", b"A"),
        ("validateByteRange", "32-126,10", b"\t", b"a\n"),
        ("validateUrlEncoding", "", b"%4", b"%41"),
        ("validateUtf8Encoding", "", b"\xC0\x80", "é".as_bytes()),
        ("verifyCC", r"\d{16}", b"4111111111111111", b"4111111111111112"),
        ("verifyCPF", r"[\d.-]{14}", b"529.982.247-25", b"529.982.247-24"),
        ("within", "GET POST", b"POST", b"PUT"),
    ];
    for (name, argument, yes, no) in cases {
        assert!(holds(name, argument, yes), "{name} {argument}");
        assert!(!holds(name, argument, no), "{name} {argument}");
    }
}

#[test]
fn names_stand_in_order_once() {
    assert!(OPERATORS.windows(2).all(|pair| pair[0].name.to_lowercase() < pair[1].name.to_lowercase()));
}

#[test]
fn what_is_not_supported_is_refused() {
    let files = InMemory::default();
    for (name, argument) in [
        ("rsub", "x"),
        ("nothing", ""),
        ("rx", "("),
        ("rx", "%{nothing.x}"),
        ("pmf", "none"),
        ("ipMatch", "x"),
        ("validateByteRange", "1-256"),
    ] {
        assert!(build(&Call { name, argument, file: Path::new("a"), files: &files }).is_err(), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn libinjection_is_passed_over_only_where_it_finds_nothing(
        value in prop_oneof!["[a-zA-Z_]{0,12}", "[0-9]{0,24}", "[ -;?-~]{0,24}", "(select|union|or|and|a|on[a-z]{4}|javascript:|style|[ '\"`/;:(){}*-])*", "(select|union|all|or|not|like|in|is|null|group|by|order|x|item5|5e1|0x1f|true|[0-9]|[ .,:;+/=_-]){0,9}"]
    ) {
        let seen = ByteSet::seen_in(value.as_bytes());
        prop_assert!(may_be_sqli(value.as_bytes(), &seen) || injection::sqli(value.as_bytes()).is_none(), "{}", value);
        prop_assert!(may_be_xss(&seen) || !injection::is_xss(value.as_bytes()), "{}", value);
    }
}
