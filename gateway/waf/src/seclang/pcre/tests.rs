use proptest::prelude::*;

use super::*;

fn matched(pattern: &str, text: &str) -> Option<String> {
    let mut groups = Vec::new();
    let matches =
        Pattern::new(pattern.as_bytes()).unwrap().groups(text.as_bytes(), &mut groups, &Steps::default()).unwrap();
    let (start, end) = if matches { groups[0].unwrap() } else { return None };
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
    let any_of = |literals: &[&str], octets| {
        Some(Required { literals: literals.iter().map(|text| text.as_bytes().to_vec()).collect(), octets })
    };
    assert_eq!(required(r"(?i)\bunion\s+select"), any_of(&["union"], ByteSet::EMPTY));
    assert_eq!(required("(?:foo|ba[rz])\\d+"), any_of(&["bar", "baz", "foo"], ByteSet::EMPTY));
    assert_eq!(required("a?b*"), None);
    assert_eq!(required("[0-9]+"), any_of(&[], ByteSet::range(b'0', b'9')));
    assert_eq!(required("(?:javascript:|@\\s*i|[;&]x?)"), any_of(&["javascript:"], ByteSet::of(b"@;&")));
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
        let automaton = Automaton::new(&automaton::lower(&node).unwrap()).unwrap();
        let mut found = Vec::new();
        prop_assert_eq!(automaton.groups(text.as_bytes(), &mut found), automaton.is_match(text.as_bytes()));
        let found = found.first().map(|whole| whole.unwrap().0);
        let program = backtrack::compile(&node).unwrap();
        // Some of these patterns take backtracking more steps than there are.
        let Ok(groups) = program.search(text.as_bytes(), &Steps::default()) else { return Ok(()) };
        // Where a match ends may differ: a repetition that could take nothing ends with PCRE and goes on with automata.
        prop_assert_eq!(found, groups.and_then(|groups| groups[0]).map(|(start, _)| start), "{}", pattern);
    }

    #[test]
    fn a_match_has_what_is_required(pattern in small_pattern(), text in "[abAB \n]{0,12}") {
        let pattern = Pattern::new(pattern.as_bytes()).unwrap();
        if pattern.is_match(text.as_bytes(), &Steps::default()).unwrap() {
            let lower = text.to_ascii_lowercase();
            if let Some(required) = Required::of(pattern.node()) {
                let has = |part: &Vec<u8>| memchr::memmem::find(lower.as_bytes(), part).is_some();
                let has_octet = text.bytes().any(|byte| required.octets.contains(byte));
                prop_assert!(has_octet || required.literals.iter().any(has), "{:?}", required);
            }
        }
    }

    #[test]
    fn no_pattern_panics(pattern: Vec<u8>, text: Vec<u8>) {
        if let Ok(pattern) = Pattern::new(&pattern) {
            let _ = pattern.groups(&text, &mut Vec::new(), &Steps::default());
        }
    }
}
