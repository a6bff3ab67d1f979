//! Work is bounded, and what exceeds a bound says so.

use cedargate_waf::{Body, BuildError, Engine, Inspected, Limits, Mode, Scope, Settings, Subject, Threshold, Verdict};

use crate::sender::{body, engine, query, scope};

fn small(limits: Limits) -> Engine {
    Engine::new(Settings { limits, ..Settings::default() }).unwrap()
}

fn json(engine: &Engine, text: &str) -> Inspected {
    engine.inspect_body(
        &Body { content_type: Some("application/json"), bytes: text.as_bytes(), complete: true },
        &scope(),
    )
}

fn assert_limit(inspected: &Inspected, rule: &str) {
    assert!(inspected.rules().iter().any(|found| **found == *rule), "{rule}: {:?}", inspected.rules());
    assert_eq!(inspected.verdict(Threshold::default()), Verdict::Block);
}

#[test]
fn each_bound_is_a_finding_that_blocks() {
    let limits = Limits::default();
    let many = small(Limits { values_max: 5, ..limits });
    assert_eq!(json(&many, r#"["a","b","c","d","e"]"#).findings(), []);
    assert_limit(&json(&many, r#"["a","b","c","d","e","f"]"#), "limits/values");

    let flat = small(Limits { json_depth_max: 2, ..limits });
    assert_eq!(json(&flat, "[[1]]").findings(), []);
    assert_limit(&json(&flat, "[[[1]]]"), "limits/json-depth");

    let idle = small(Limits { work_bytes_max: 200, ..limits });
    assert_eq!(json(&idle, &format!("[\"{}\"]", "a".repeat(150))).findings(), []);
    assert_limit(&json(&idle, &format!("[\"{}\"]", "a b".repeat(50))), "limits/work");
    assert_limit(&json(&idle, &format!("[\"{}\"]", "a".repeat(201))), "limits/work");

    let two = small(Limits { findings_max: 2, ..limits });
    assert_limit(&json(&two, r#"["{{1*1}}","{{1*1}}","{{1*1}}"]"#), "limits/findings");

    assert_limit(&query("q=%252525252527"), "limits/decodings");
    assert_eq!(query("q=%25252520").findings(), []);
}

#[test]
fn a_limit_of_zero_is_refused() {
    let limits = Limits { work_bytes_max: 0, ..Limits::default() };
    let refused = Engine::new(Settings { limits, ..Settings::default() });
    assert!(matches!(refused, Err(BuildError::LimitZero { limit: "work_bytes_max" })));
}

#[test]
fn modes_do_what_they_say() {
    let attack = |mode| {
        let subject = Subject {
            method: "GET",
            target: "/?q=<script>",
            path: "/",
            query: Some("q=<script>"),
            headers: &[("host", "a"); 1],
            body: None,
        };
        engine().inspect(&subject, &Scope::new(mode))
    };
    assert_eq!(attack(Mode::Block).verdict(Threshold::default()), Verdict::Block);
    assert_eq!(attack(Mode::Score).verdict(Threshold::default()), Verdict::Pass);
    assert_eq!(attack(Mode::Score).score(), attack(Mode::Block).score());
    assert_eq!(attack(Mode::Off).score(), 0);
}

#[test]
fn scores_of_head_and_body_add_up() {
    let head = query("q={{7*7}}");
    let inspected = head.clone().and(body("application/json", b"{"));
    assert_eq!((head.score(), inspected.score()), (5, 8));
    assert_eq!(inspected.tags().iter().map(|tag| &**tag).collect::<Vec<_>>(), ["protocol", "rce", "template"]);
    let summary = inspected.summary().unwrap();
    assert_eq!(
        summary.rules.iter().map(|rule| &**rule).collect::<Vec<_>>(),
        ["body/malformed-json", "template/expression"]
    );
    assert_eq!(query("q=1").summary(), None);
    assert_eq!(inspected.verdict(Threshold::new(9).unwrap()), Verdict::Pass);
    assert_eq!(Threshold::new(0), None);
}

/// Inputs on which some tokenizers and expressions take quadratic time. Each is inspected as far as the bound on work
/// allows; a quadratic step would make this test hang, not fail by a clock.
#[test]
fn hostile_repetition_stays_within_bounds() {
    for unit in [
        "(",
        "'",
        "\"",
        "`",
        "<",
        "<a ",
        "<a/",
        "&#",
        "%25",
        "../",
        "{{",
        "${",
        "$a$",
        "/*",
        "-- ",
        "\\",
        "[",
        "{",
        "@@",
        ";cat ",
        "<!--",
        "-\0",
        "onx=1 ",
        "a=1 ",
        "union select ",
        "\\u00",
        "&lt;",
        "1,",
        "'||'",
        "q'(",
        "0x",
        "<%",
        "javascript:",
        "`a",
        "a.",
        "<a onx=",
    ] {
        let text = unit.repeat(65_536 / unit.len());
        for content_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/json",
            "application/xml",
            "application/zip",
        ] {
            let _ = body(content_type, text.as_bytes());
        }
    }
}
