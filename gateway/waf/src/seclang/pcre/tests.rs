use proptest::prelude::*;

use super::*;

fn matched(pattern: &str, text: &str) -> Option<String> {
    let groups = Pattern::new(pattern.as_bytes()).unwrap().groups(text.as_bytes(), &Steps::default()).unwrap()?;
    let (start, end) = groups[0].unwrap();
    Some(text[start..end].to_owned())
}

#[test]
fn patterns_match_as_in_pcre() {
    for (pattern, text, expected) in [
        ("a.c", "a\nc", Some("a\nc")),
        ("a$", "a\n", None),
        ("^b", "a\nb", None),
        ("(?m)^b$", "a\nb\nc", Some("b")),
        ("(?i)sel[e]ct", "SeLeCt", Some("SeLeCt")),
        ("a(?i)b", "aB", Some("aB")),
        ("(?i:a)b", "AB", None),
        ("[^]a]b", "a]xb", Some("xb")),
        ("[[:digit:]_-]+", "a1_-", Some("1_-")),
        ("x{2,3}", "xxxx", Some("xxx")),
        ("x{2,3}?", "xxxx", Some("xx")),
        ("a{,2}", "a{,2}", Some("a{,2}")),
        ("[a&&b]", "&", Some("&")),
        (r"\x5c\x{ff}?", "\\", Some("\\")),
        (r"[\w.-]+", "a.b-c d", Some("a.b-c")),
        (r"\<", "<", Some("<")),
        // What only the backtracking engine runs.
        (r"<\?(?!xml)", "<?php", Some("<?")),
        (r"<\?(?!xml)", "<?xml", None),
        (r"\b(\w+)\b=\b\1\b", "a=b c=c", Some("c=c")),
        (r"(?<!&amp|&lt);", "&amp;;", Some(";")),
        (r"(?<!&amp|&lt);", "&lt;", None),
        (r"\s*+;", "  ;", Some("  ;")),
        (r"a*+a", "aaa", None),
        (r"(?>a|ab)c", "abc", None),
        (r"(?=a)(?:a*)*b", "aab", Some("aab")),
    ] {
        assert_eq!(matched(pattern, text).as_deref(), expected, "{pattern} on {text:?}");
    }
}

#[test]
fn what_is_no_pattern_is_refused() {
    for pattern in ["(", ")", "[a", "*a", "a\\", "(?Pa)", r"\1", "a{3,2}", "[b-a]", r"\p{L}", r"(?<=a*)b"] {
        assert!(Pattern::new(pattern.as_bytes()).is_err(), "{pattern}");
    }
    assert!(Pattern::new("(".repeat(5000).as_bytes()).is_err());
}

#[test]
fn a_search_that_blows_up_is_ended() {
    let pattern = Pattern::new(br"(?=x)(?:x+x+)+y").unwrap();
    assert!(!pattern.is_linear());
    assert_eq!(pattern.is_match("x".repeat(5000).as_bytes(), &Steps::default()), Err(StepsExceeded));
}

#[test]
fn a_pattern_is_refused_before_it_takes_long_to_load() {
    let lengths = format!("(?<={})x", "(?:a|bb)".repeat(200));
    let nested = format!("{}y{}", "(?=(?:a{1000}){10})".repeat(100), "(?>b{1000})".repeat(1000));
    for pattern in ["(?=a)(?:(?:(?:){65535}){65535}){65535}", &lengths, &nested] {
        assert!(Pattern::new(pattern.as_bytes()).is_err());
    }
}

#[test]
fn literals_are_those_that_a_match_must_have() {
    let required = |pattern: &str| Required::of(Pattern::new(pattern.as_bytes()).unwrap().node());
    let texts = |of: &[&str]| Required::AnyOf(of.iter().map(|text| text.as_bytes().to_vec()).collect());
    assert_eq!(required(r"(?i)\bunion\s+select"), texts(&["select"]));
    assert_eq!(required("(?:foo|ba[rz])\\d+"), texts(&["bar", "baz", "foo"]));
    assert_eq!(required("a?b*"), Required::Nothing);
    assert_eq!(required("[0-9]+"), Required::Byte(ByteSet::range(b'0', b'9')));
}

use crate::seclang::bytes::ByteSet;

fn small_pattern() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[abAB]",
        Just("[^a]".to_owned()),
        Just(".".to_owned()),
        Just(r"\b".to_owned()),
        Just("^".to_owned()),
        Just("$".to_owned()),
        Just("(?i:ab)".to_owned())
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("({})", parts.join("|"))),
            (inner, "[*+?]|\\{1,2\\}").prop_map(|(part, times)| format!("(?:{part}){times}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn both_engines_find_the_same(pattern in small_pattern(), text in "[abAB \n]{0,12}") {
        let node = parse::parse(pattern.as_bytes(), false).unwrap();
        let automaton = automaton::build(&automaton::lower(&node).unwrap()).unwrap();
        let found = automaton.find(text.as_bytes()).map(|found| found.start());
        let program = backtrack::compile(&node).unwrap();
        let groups = program.search(text.as_bytes(), &Steps::default()).unwrap();
        // Where a match ends may differ: a repetition that could take nothing ends with PCRE and goes on with automata.
        prop_assert_eq!(found, groups.and_then(|groups| groups[0]).map(|(start, _)| start), "{}", pattern);
    }

    #[test]
    fn a_match_has_what_is_required(pattern in small_pattern(), text in "[abAB \n]{0,12}") {
        let pattern = Pattern::new(pattern.as_bytes()).unwrap();
        if pattern.is_match(text.as_bytes(), &Steps::default()).unwrap() {
            let lower = text.to_ascii_lowercase();
            match Required::of(pattern.node()) {
                Required::AnyOf(texts) => {
                    prop_assert!(texts.iter().any(|part| lower.contains(std::str::from_utf8(part).unwrap())))
                }
                Required::Byte(set) => prop_assert!(text.bytes().any(|byte| set.contains(byte))),
                Required::Nothing => {}
            }
        }
    }

    #[test]
    fn no_pattern_panics(pattern: Vec<u8>, text: Vec<u8>) {
        if let Ok(pattern) = Pattern::new(&pattern) {
            let _ = pattern.groups(&text, &Steps::default());
        }
    }
}
