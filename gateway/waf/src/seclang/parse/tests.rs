use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

fn parse_text(text: &str) -> Parsed {
    parse(&InMemory::new([("rules/main.conf", text)]), &[PathBuf::from("rules/main.conf")])
}

#[test]
fn every_mistake_is_reported_with_its_place_and_rule() {
    let parsed = parse_text(
        "SecRule ARGS \"@rx a\" \"id:1,deny\"\nSecRule ARGZ \"@rx a\" \"id:2\"\n\nSecFrob On\nSecRule ARGS \\\n  \"@rx\" \"id:3,exec:x\"",
    );
    assert_eq!(parsed.directives.len(), 1);
    let texts: Vec<_> = parsed.errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "rules/main.conf:2: rule 2: there is no variable `ARGZ`",
            "rules/main.conf:4: `SecFrob` is no directive; see the reference for those there are",
            "rules/main.conf:5: rule 3: the action `exec` is not supported: nothing here runs programs",
        ]
    );
}

#[test]
fn files_are_included_in_order_and_relative_to_the_file() {
    let files = InMemory::new([
        ("a/main.conf", "Include sub/*.conf\nSecMarker END"),
        ("a/sub/2.conf", "SecMarker TWO"),
        ("a/sub/1.conf", "SecMarker ONE"),
        ("a/sub/1.data", "nothing"),
    ]);
    let parsed = parse(&files, &[PathBuf::from("a/main.conf")]);
    assert!(parsed.errors.is_empty(), "{:?}", parsed.errors);
    let markers: Vec<_> = parsed.directives.iter().map(|directive| format!("{:?}", directive.kind)).collect();
    assert_eq!(markers, ["Marker(\"ONE\")", "Marker(\"TWO\")", "Marker(\"END\")"]);
}

#[test]
fn files_that_include_each_other_are_refused() {
    let files = InMemory::new([("a.conf", "Include b.conf"), ("b.conf", "Include a.conf")]);
    assert!(matches!(parse(&files, &[PathBuf::from("a.conf")]).errors[0].reason, Reason::IncludedTooDeep(_)));
}

#[test]
fn an_include_that_finds_nothing_is_a_mistake_unless_it_is_optional() {
    for (text, mistakes) in [
        ("Include sub/*.conf", 1),
        ("Include sub/1.conf", 1),
        ("IncludeOptional sub/*.conf", 0),
        ("IncludeOptional sub/1.conf", 0),
    ] {
        assert_eq!(parse_text(text).errors.len(), mistakes, "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "(Sec(Rule|Action|Marker)|ARGS|[ -~\n]{0,9}|\"|id:|,|'|\\\\)*") {
        parse_text(&text);
    }
}
