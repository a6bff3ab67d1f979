use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

const CLIENT: (IpAddr, u16) = (IpAddr::V4(Ipv4Addr::LOCALHOST), 50_000);

fn rules(text: &str) -> RuleSet {
    let files = InMemory::new([("main.conf", text), ("words.data", "evil\n")]);
    RuleSet::load(&files, &[PathBuf::from("main.conf")]).map_err(|errors| errors[0].to_string()).unwrap()
}

/// What rules find in a request, by both ways.
fn report(rules: &RuleSet, target: &str, headers: &[(&str, &str)], body: &str) -> Report {
    let run = |way| {
        let mut scratch = rules.scratch();
        let mut transaction = rules.begin(&mut scratch, way);
        transaction.request_head(&RequestHead {
            client: CLIENT,
            server: (CLIENT.0, 80),
            method: b"POST",
            target: target.as_bytes(),
            protocol: b"HTTP/1.1",
            headers: &headers.to_vec(),
            id: "id",
        });
        transaction.request_body(body.as_bytes());
        transaction.response_head(200, b"HTTP/1.1", &Vec::<(&str, &str)>::new());
        transaction.response_body(b"");
        transaction.finish()
    };
    let plain = run(Way::Plain);
    assert_eq!(plain, run(Way::Compiled));
    plain
}

fn ids(text: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Vec<u64> {
    report(&rules(text), target, headers, body).ids().collect()
}

#[test]
fn every_matching_value_scores() {
    let text = "SecAction \"id:1,phase:1,nolog,pass,setvar:tx.score=1\"\n\
        SecRule ARGS \"@rx evil\" \"id:2,phase:2,pass,t:lowercase,setvar:tx.score=+2\"\n\
        SecRule TX:score \"@eq 5\" \"id:3,phase:2,pass\"";
    assert_eq!(ids(text, "/?a=EVIL&b=evil&c=good", &[], ""), [2, 3]);
}

#[test]
fn a_chain_matches_as_a_whole_and_sees_what_matched_before() {
    let text = "SecRule ARGS \"@rx ^(\\w+)=(\\d)$\" \"id:1,phase:2,pass,capture,chain,setvar:tx.seen=1\"\n\
        SecRule TX:2 \"@eq 7\" \"chain\"\n\
        SecRule MATCHED_VARS_NAMES \"@streq TX:2\" \"setvar:tx.whole=1\"\n\
        SecRule TX:seen \"@eq 1\" \"id:2,phase:2,pass\"\n\
        SecRule TX:whole \"@eq 1\" \"id:3,phase:2,pass\"";
    assert_eq!(ids(text, "/?q=a%3D7", &[], ""), [1, 2, 3]);
    assert_eq!(ids(text, "/?q=a%3D8", &[], ""), [2]);
}

#[test]
fn targets_are_counted_selected_and_left_out() {
    let text = "SecRule &ARGS \"@eq 3\" \"id:1,phase:1,pass\"\n\
        SecRule ARGS|!ARGS:/^b/ \"@streq x\" \"id:2,phase:1,pass\"\n\
        SecRule REQUEST_HEADERS:user-AGENT \"@contains curl\" \"id:3,phase:1,pass\"\n\
        SecRule ARGS_NAMES \"@streq Bad\" \"id:4,phase:1,pass\"\n\
        SecRule &REQUEST_HEADERS:Nothing \"@eq 0\" \"id:5,phase:1,pass\"";
    assert_eq!(ids(text, "/?a=y&Bad=x&c=1", &[("User-Agent", "curl/8")], ""), [1, 3, 4, 5]);
    assert_eq!(ids(text, "/?a=x", &[], ""), [2, 5]);
}

#[test]
fn rules_are_skipped_removed_and_updated() {
    let text = "SecAction \"id:1,phase:2,pass,nolog,skipAfter:END\"\n\
        SecAction \"id:2,phase:2,pass\"\n\
        SecMarker END\n\
        SecAction \"id:3,phase:2,pass,ctl:ruleRemoveById=4-5,ctl:ruleRemoveTargetByTag=attack;ARGS:a\"\n\
        SecAction \"id:4,phase:2,pass\"\n\
        SecAction \"id:6,phase:2,pass,tag:gone\"\n\
        SecRule ARGS \"@rx x\" \"id:7,phase:2,pass,tag:attack/sql\"\n\
        SecRule ARGS \"@rx x\" \"id:8,phase:2,pass\"\n\
        SecRuleRemoveByTag gone\n\
        SecRuleUpdateTargetById 8 !ARGS:a";
    assert_eq!(ids(text, "/?a=x", &[], ""), [3]);
    assert_eq!(ids(text, "/?b=x", &[], ""), [3, 7, 8]);
}

#[test]
fn bodies_are_read_by_what_they_are() {
    let text = "SecRule ARGS:json.a \"@streq é\" \"id:1,phase:2,pass\"\n\
        SecRule XML:/* \"@rx evil\" \"id:2,phase:2,pass\"\n\
        SecRule FILES \"@endsWith .php\" \"id:3,phase:2,pass\"\n\
        SecRule REQUEST_BODY \"@contains a=1\" \"id:4,phase:2,pass\"\n\
        SecRule REQBODY_ERROR \"@eq 1\" \"id:5,phase:2,pass\"";
    let of = |content_type, body| ids(text, "/", &[("Content-Type", content_type)], body);
    assert_eq!(of("application/json", r#"{"a":["\u00e9"]}"#), [1]);
    assert_eq!(of("text/xml", "<a>evil</a>"), [2]);
    let form = "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.php\"\r\n\r\n1\r\n--x--\r\n";
    assert_eq!(of("multipart/form-data; boundary=x", form), [3]);
    assert_eq!(of("application/x-www-form-urlencoded", "a=1"), [4]);
    assert_eq!(of("application/json", "{"), [5]);
    assert_eq!(of("text/plain", "a=1"), [0_u64; 0]);
}

#[test]
fn only_blocking_rules_in_blocking_mode_end_an_exchange() {
    let text = |mode| {
        format!(
            "SecRuleEngine {mode}\nSecDefaultAction \"phase:2,log,deny,status:418\"\n\
            SecRule ARGS \"@rx x\" \"id:1,phase:2,pass\"\nSecRule ARGS \"@rx x\" \"id:2,phase:2,block\"\n\
            SecAction \"id:3,phase:2,pass\"\nSecAction \"id:4,phase:5,pass\""
        )
    };
    let blocking = report(&rules(&text("On")), "/?a=x", &[], "");
    assert_eq!(blocking.interruption, Some(Interruption::Rule { rule: 2, status: 418 }));
    assert_eq!(blocking.ids().collect::<Vec<_>>(), [1, 2, 4]);
    let detecting = report(&rules(&text("DetectionOnly")), "/?a=x", &[], "");
    assert_eq!((detecting.interruption, detecting.matches.len()), (None, 4));
    assert_eq!(report(&rules(&text("Off")), "/?a=x", &[], "").matches, []);
}

#[test]
fn every_step_is_tested_where_a_rule_asks_for_it() {
    let rule =
        |multi| format!("SecRule ARGS \"@streq a%20b\" \"id:1,phase:1,pass,t:urlDecode,t:removeWhitespace{multi}\"");
    assert_eq!(ids(&rule(""), "/?q=a%2520b", &[], ""), [0_u64; 0]);
    assert_eq!(ids(&rule(",multiMatch"), "/?q=a%2520b", &[], ""), [1]);
}

#[test]
fn a_message_names_variables_and_never_their_values() {
    let text = "SecRule ARGS \"@pmFromFile words.data\" \"id:1,phase:1,pass,capture,msg:'%{rule.id} in %{MATCHED_VAR_NAME}: %{TX.0} %{MATCHED_VAR}'\"";
    let report = report(&rules(text), "/?q=so-evil", &[], "");
    assert_eq!(report.matches[0].message, "1 in ARGS:q: (value) (value)");
    assert_eq!(report.matches[0].variables, [Matched { variable: "ARGS:q".to_owned(), offset: Some(3) }]);
}

#[test]
fn a_pattern_may_have_macros() {
    let text = "SecAction \"id:1,phase:1,nolog,pass,setvar:tx.allowed=a|b\"\n\
        SecRule ARGS \"!@rx ^(?:%{tx.allowed})$\" \"id:2,phase:1,pass\"";
    assert_eq!(ids(text, "/?q=b", &[], ""), [0_u64; 0]);
    assert_eq!(ids(text, "/?q=c", &[], ""), [2]);
}

#[test]
fn a_malformed_body_is_known_whatever_rules_say() {
    let rules = rules("SecRule ARGS \"@rx evil\" \"id:1,phase:2,pass\"");
    let limit = |content_type, body| report(&rules, "/", &[("Content-Type", content_type)], body).limit;
    for body in ["/**/{\"q\":\"evil\"}", "{\"a\":01,\"q\":\"evil\"}", "{q:\"evil\"}"] {
        assert_eq!(limit("application/json", body), Some(LimitReached::Malformed), "{body}");
    }
    assert_eq!(limit("text/xml", "<a b=c>evil</a>"), Some(LimitReached::Malformed));
    assert_eq!(limit("multipart/form-data", "evil"), Some(LimitReached::Malformed));
    let marked = report(&rules, "/", &[("Content-Type", "application/json")], "\u{FEFF}{\"q\":\"evil\",\"evil\":{}}");
    assert_eq!((marked.limit, marked.ids().collect::<Vec<_>>()), (None, vec![1]));
}

#[test]
fn a_target_keeps_its_query_in_every_form() {
    let text = "SecRule ARGS \"@streq evil\" \"id:1,phase:1,pass\"\nSecRule REQUEST_FILENAME \"@streq /p\" \"id:2,phase:1,pass\"";
    assert_eq!(ids(text, "http://localhost?q=evil", &[], ""), [1]);
    assert_eq!(ids(text, "http://h/p?x=/y&q=evil", &[], ""), [1, 2]);
    assert_eq!(ids(text, "/p?a=1#x&q=evil", &[], ""), [1, 2]);
}

#[test]
fn what_is_skipped_is_skipped_both_ways_alike() {
    let block = "SecRule TX:pl \"@lt 1\" \"id:3,phase:2,pass,nolog,skipAfter:END\"\n\
        SecRule ARGS \"@rx evil\" \"id:4,phase:2,pass\"\nSecMarker END";
    let set = "SecAction \"id:1,phase:1,pass,nolog,setvar:tx.pl=0\"\n";
    assert_eq!(ids(&format!("{set}{block}"), "/?a=evil", &[], ""), [0_u64; 0]);
    let jumped = "SecRule REQUEST_METHOD \"@streq POST\" \"id:2,phase:2,pass,nolog,skip:1\"\n";
    assert_eq!(ids(&format!("{set}{jumped}{block}"), "/?a=evil", &[], ""), [4]);
    for phase in [1, 2] {
        let blinded = format!("SecAction \"id:2,phase:{phase},pass,nolog,ctl:ruleRemoveTargetById=3;TX:pl\"\n");
        assert_eq!(ids(&format!("{set}{blinded}{block}"), "/?a=evil", &[], ""), [4]);
    }
}

#[test]
fn an_exclusion_whose_search_is_ended_leaves_nothing_out() {
    let text = "SecRule ARGS|!ARGS:/^(?!z)(?:(?:x+)+)+y$/ \"@rx evil\" \"id:1,phase:1,pass\"";
    assert_eq!(ids(text, &format!("/?{}=evil", "x".repeat(60)), &[], ""), [1]);
}

#[test]
fn a_body_that_fills_the_store_ends_the_exchange() {
    let text = "SecRuleEngine On\nSecAction \"id:1,phase:1,pass,nolog,setvar:tx.anomaly_score=0\"\n\
        SecRule ARGS \"@rx evil\" \"id:2,phase:2,pass,setvar:tx.anomaly_score=+5\"";
    let filler: String =
        [50_000, 2_000, 200, 20, 2, 1].map(|len| format!(",\"{}\":[{}1]", "k".repeat(len), "1,".repeat(100))).concat();
    let body = format!("{{\"q\":\"evil\"{filler}}}");
    let report = report(&rules(text), "/", &[("Content-Type", "application/json")], &body);
    assert_eq!(report.interruption, Some(Interruption::Limit(LimitReached::Values)));
    assert_eq!((report.limit, report.ids().count()), (Some(LimitReached::Values), 0));
}

#[test]
fn what_rules_name_after_arguments_is_one_member_for_each_name() {
    let text = "SecRule ARGS \"@rx .\" \"id:1,phase:1,pass,nolog,setvar:'tx.seen_%{MATCHED_VAR_NAME}=+1'\"\n\
        SecRule TX:/^seen_/ \"@eq 2\" \"id:2,phase:1,pass\"\n\
        SecRule &TX:/^seen_/ \"@eq 6000\" \"id:3,phase:1,pass\"\n\
        SecRule TX:seen_args:n7 \"@eq 2\" \"id:4,phase:1,pass\"";
    let query: String = (0..6000).map(|n| format!("n{n}=1&")).collect();
    assert_eq!(ids(text, &format!("/?{query}N7=1"), &[], ""), [2, 3, 4]);
    assert_eq!(ids(text, &format!("/?{query}n6000=1"), &[], ""), [0_u64; 0]);
}

#[test]
fn searches_share_the_steps_of_one_transaction() {
    let rules = rules("SecRule ARGS \"@rx ^(?!z)(?:(?:x+)+)+y$\" \"id:1,phase:1,pass\"");
    // Each is another one: what did not match once is not searched again.
    let argument = |number: usize| format!("a={}yz{number}&", "x".repeat(7));
    let query = |count| format!("/?{}", (0..count).map(argument).collect::<String>());
    assert_eq!(report(&rules, &query(10), &[], "").limit, None);
    assert_eq!(report(&rules, &query(2000), &[], "").limit, Some(LimitReached::Steps));
}

#[test]
fn a_limit_ends_the_exchange_by_its_own_code() {
    let text = "SecRuleEngine On\nSecRule ARGS \"@rx ^(?!z)(?:(?:x+)+)+y$\" \"id:1,phase:1,pass\"\n\
        SecAction \"id:2,phase:1,pass\"\nSecAction \"id:3,phase:5,pass\"";
    let report = report(&rules(text), &format!("/?a={}yz", "x".repeat(60)), &[], "");
    assert_eq!(report.interruption, Some(Interruption::Limit(LimitReached::Steps)));
    assert_eq!(report.ids().count(), 0);
}

#[test]
fn memory_is_let_go_of_with_the_exchange_that_took_it() {
    let rules = rules("SecRule ARGS|REQUEST_BODY \"@rx (evil|wicked)\" \"id:1,phase:2,pass,t:lowercase,t:urlDecode\"");
    let mut scratch = rules.scratch();
    let mut inspect = |body: &str| {
        let mut transaction = rules.begin(&mut scratch, Way::Compiled);
        transaction.request_head(&RequestHead {
            client: CLIENT,
            server: CLIENT,
            method: b"POST",
            target: b"/",
            protocol: b"HTTP/1.1",
            headers: &[("Content-Type", "application/x-www-form-urlencoded")],
            id: "id",
        });
        transaction.request_body(body.as_bytes());
        drop(transaction.finish());
        scratch.held()
    };
    assert!(inspect(&"A%41&".repeat(15_000)) < 3 << 20);
    assert!(inspect(&format!("a={}", "EVIL%20".repeat(100_000))) < 3 << 20);
}

#[test]
fn a_response_over_its_limit_is_inspected_in_part_where_rules_say_so() {
    let limit = |action: &str| {
        let rules = rules(&format!("SecResponseBodyLimit 4\nSecResponseBodyLimitAction {action}"));
        let mut scratch = rules.scratch();
        let mut transaction = rules.begin(&mut scratch, Way::Compiled);
        transaction.response_head(200, b"HTTP/1.1", &[("content-type", "text/plain")]);
        transaction.response_body(b"12345");
        transaction.finish().limit
    };
    assert_eq!((limit("Reject"), limit("ProcessPartial")), (Some(LimitReached::Body), None));
}

/// What rules find in a request that is inspected so, whether its body is whole, and by both ways.
fn set_up(
    rules: &RuleSet,
    setup: Setup<'_>,
    headers: &[(&str, &str)],
    body: (&str, bool),
) -> (Vec<u64>, Option<LimitReached>) {
    let run = |way| {
        let mut scratch = rules.scratch();
        let mut transaction = rules.begin(&mut scratch, way).set_up(setup);
        transaction.request_head(&RequestHead {
            client: CLIENT,
            server: CLIENT,
            method: b"POST",
            target: b"/",
            protocol: b"HTTP/1.1",
            headers: &headers.to_vec(),
            id: "id",
        });
        match body {
            (body, true) => transaction.request_body(body.as_bytes()),
            (body, false) => transaction.request_body_beginning(body.as_bytes()),
        }
        let report = transaction.finish();
        (report.ids().collect(), report.limit)
    };
    assert_eq!(run(Way::Plain), run(Way::Compiled));
    run(Way::Compiled)
}

#[test]
fn a_route_sets_what_rules_only_give_a_default() {
    let text = "SecRuleEngine Off\nSecRule &TX:level \"@eq 0\" \"id:1,phase:1,pass,nolog,setvar:tx.level=1\"\n\
        SecRule TX:level \"@gt 1\" \"id:2,phase:1,pass\"";
    let rules = rules(text);
    let ids = |tx| set_up(&rules, Setup { tx, ..Setup::of(EngineMode::On) }, &[], ("", true)).0;
    assert_eq!((ids(&[]), ids(&[("LEVEL", "2"), ("unheard_of", "1")])), (vec![], vec![2]));
}

#[test]
fn exempt_fields_and_own_cookies_are_not_looked_at() {
    let rules = rules("SecRule ARGS|REQUEST_COOKIES|REQUEST_BODY \"@rx evil\" \"id:1,phase:2,pass\"");
    let ids = |content_type, body| {
        let exempt_fields = ["password".to_owned(), "/user/pass~1word".to_owned()];
        let setup = Setup { exempt_fields: &exempt_fields, own_cookies: &["own"], ..Setup::of(EngineMode::On) };
        set_up(&rules, setup, &[("Content-Type", content_type), ("Cookie", "own=evil")], (body, true)).0
    };
    let form = "application/x-www-form-urlencoded";
    for (content_type, body, expected) in [
        (form, "password=evil&a=1", vec![]),
        (form, "password=x&password=evil", vec![1]),
        (form, "password=evil&other=evil", vec![1]),
        ("application/json", r#"{"password":"evil"}"#, vec![]),
        ("application/json", r#"{"user":{"pass/word":"evil"}}"#, vec![]),
        ("application/json", r#"{"password":["x","evil"]}"#, vec![1]),
        ("application/json", r#"{"user":{"password":"evil"}}"#, vec![1]),
        ("application/json", r#"{"password":["evil"]}"#, vec![1]),
        ("application/json", r#"[{"password":"evil"}]"#, vec![1]),
        ("application/json", r#"{"password":"x","password":"evil"}"#, vec![1]),
        ("application/json", r#"{"user.pass/word":"evil"}"#, vec![1]),
        ("application/json", r#"{"a":[{"b":{}}],"password":"evil"}"#, vec![]),
        (form, "json.password=evil", vec![1]),
    ] {
        assert_eq!(ids(content_type, body), expected, "{body}");
    }
}

#[test]
fn texts_are_read_where_a_route_asks_for_it() {
    let rules = rules("SecRule ARGS \"@streq evil\" \"id:1,phase:2,pass\"");
    let ids = |reads_texts, content_type: &str, body| {
        let setup = Setup { reads_texts, ..Setup::of(EngineMode::On) };
        set_up(&rules, setup, &[("Content-Type", content_type)], (body, true)).0
    };
    for (content_type, body) in [
        ("text/plain", "evil"),
        ("text/plain; charset=utf-8", "q=%65vil"),
        ("application/x-ndjson", "evil"),
        ("", "evil"),
        ("application/octet-stream", r#"{"q":"evil"}"#),
        ("text/csv", r#"["evil"]"#),
    ] {
        assert_eq!(ids(true, content_type, body), [1], "{content_type} {body}");
        assert_eq!(ids(false, content_type, body), [0_u64; 0], "{content_type} {body}");
    }
    // Escapes that YAML and GraphQL know.
    assert_eq!(ids(true, "application/yaml", "\\u0065vil"), [1]);
    assert_eq!(ids(true, "image/png", "evil"), [0_u64; 0]);
}

#[test]
fn the_beginning_of_a_body_is_read_as_far_as_it_goes() {
    let rules = rules("SecRule ARGS \"@rx evil\" \"id:1,phase:2,pass\"");
    let of = |body| set_up(&rules, Setup::of(EngineMode::On), &[("Content-Type", "application/json")], (body, false));
    assert_eq!(of(r#"{"a":"evil","b":"#), (vec![1], None));
    assert_eq!(of(r#"{"a":"evi"#), (vec![], None));
    assert_eq!(of(r#"{"a":"evil"#), (vec![1], None));
}

#[test]
fn arguments_are_counted_alone() {
    let rules =
        rules("SecArgumentsLimit 3\nSecRule ARGS \"@rx .\" \"id:1,phase:1,pass,setvar:'tx.%{MATCHED_VAR_NAME}=1'\"");
    let cookies = format!("a={}", "1; b=".repeat(500));
    let limit = |query| report(&rules, query, &[("Cookie", cookies.as_str())], "").limit;
    assert_eq!((limit("/?a=1&b=1&c=1"), limit("/?a&b&c&d")), (None, Some(LimitReached::Values)));
}

#[test]
fn reaching_a_limit_is_known() {
    let text = "SecRequestBodyLimit 4\nSecArgumentsLimit 1\nSecRule ARGS \"@rx (?=x)(?:x+x+)+y\" \"id:1,phase:2,pass\"";
    let rules = rules(text);
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(report(&rules, "/", &form, "a=1&b").limit, Some(LimitReached::Body));
    let many = format!("/?{}", "a&".repeat(9000));
    assert_eq!(report(&rules, &many, &[], "").limit, Some(LimitReached::Values));
    let blown = format!("/?a=y{}", "x".repeat(5000));
    assert_eq!(report(&rules, &blown, &[], "").limit, Some(LimitReached::Steps));
    assert_eq!(report(&rules, "/?a=1", &[], "").limit, None);
}

#[test]
fn what_cannot_be_linked_is_refused_with_its_place() {
    for (text, expected) in [
        ("SecAction \"pass\"", "main.conf:1: the rule has no `id`"),
        (
            "SecAction \"id:1,pass\"\nSecAction \"id:1,pass\"",
            "main.conf:2: rule 1: the id is that of the rule at main.conf:1, too",
        ),
        ("SecAction \"id:1,chain\"", "main.conf:1: rule 1: the chain has no next rule"),
        ("SecAction \"id:1,skipAfter:X\"", "main.conf:1: rule 1: there is no `SecMarker X` behind this rule"),
        ("SecRule ARGS \"@rx (\" \"id:1\"", "main.conf:1: rule 1: the pattern cannot be used"),
    ] {
        let files = InMemory::new([("main.conf", text)]);
        let errors = RuleSet::load(&files, &[PathBuf::from("main.conf")]).unwrap_err();
        assert_eq!(errors[0].to_string(), expected);
    }
}

#[test]
fn rules_that_would_take_too_much_to_load_are_refused() {
    let phrases: String = (0..150_000).map(|number| format!("phrase{number} ")).collect();
    for (rule, expected) in [
        ("SecRule ARGS \"@rx (?:[a-z]{1000}){1000}\" \"id:1\"".to_owned(), "the pattern cannot be used"),
        ("SecRule ARGS \"@rx (?:(?:a?){65535}){65535}\" \"id:1\"".to_owned(), "the pattern cannot be used"),
        (
            format!("SecRule ARGS \"@pm {phrases}\" \"id:1\""),
            "there are more than 1048576 octets of phrases in one rule",
        ),
    ] {
        let files = InMemory::new([("main.conf", rule)]);
        let errors = RuleSet::load(&files, &[PathBuf::from("main.conf")]).unwrap_err();
        assert_eq!(errors[0].to_string(), format!("main.conf:1: rule 1: {expected}"));
    }
}

/// A rule of the kinds that a rule set has.
fn any_rule() -> impl Strategy<Value = String> {
    let targets = prop::sample::select(vec![
        "ARGS",
        "ARGS_NAMES",
        "ARGS|!ARGS:a",
        "ARGS:a",
        "REQUEST_COOKIES",
        "REQUEST_HEADERS:x-a",
        "REQUEST_URI",
        "REQUEST_BODY",
        "ARGS|REQUEST_COOKIES_NAMES|REQUEST_HEADERS",
        "TX:last",
        "MATCHED_VARS",
        "MATCHED_VAR",
        "&ARGS:a",
    ]);
    let operators = prop::sample::select(vec![
        "@rx (?i)union\\\\s+select",
        "@rx ^[ab]+$",
        "@rx a(b|c)d?",
        "@rx <[^>]*on\\\\w+=",
        "!@rx ^a",
        "@pm select evil",
        "@detectSQLi",
        "@detectXSS",
        "@contains b",
        "@streq a",
        "@within abc def",
        "@validateByteRange 32-126",
        "@validateUrlEncoding",
        "@gt 1",
        "@rx (\\\\w)\\\\1",
        "@endsWith c",
    ]);
    let transforms = prop::sample::subsequence(
        vec![
            "urlDecodeUni",
            "lowercase",
            "htmlEntityDecode",
            "removeWhitespace",
            "jsDecode",
            "replaceComments",
            "base64Decode",
        ],
        0..4,
    );
    let actions = prop::sample::subsequence(
        vec![
            "multiMatch",
            "capture",
            "setvar:tx.score=+1",
            "setvar:tx.last=%{MATCHED_VAR}",
            "ctl:ruleRemoveTargetById=3;ARGS:a",
            "ctl:ruleRemoveTargetById=2-5;TX:pl",
            "ctl:ruleRemoveById=2-4",
            "nolog",
        ],
        0..4,
    );
    (targets, operators, transforms, actions, 1..3_u8).prop_map(|(target, operator, transforms, actions, phase)| {
        let transforms: String = transforms.iter().map(|name| format!(",t:{name}")).collect();
        let actions: String = actions.iter().map(|action| format!(",{action}")).collect();
        format!(
            "SecRule {target} \"{}\" \"id:ID,phase:{phase},pass{transforms}{actions}\"",
            operator.replace("\\\\", "\\")
        )
    })
}

/// A rule that only compares a number and jumps, as those between paranoia levels do.
fn any_switch() -> impl Strategy<Value = String> {
    let members = prop::sample::select(vec!["TX:pl", "TX:score", "&TX:last"]);
    let tests = prop::sample::select(vec!["@lt 1", "@ge 1", "@eq 0", "!@lt 2"]);
    let jumps = prop::sample::select(vec!["skip:1", "skip:2", "skipAfter:END", "skipAfter:END,setvar:tx.jumped=1"]);
    let logs = prop::sample::select(vec!["log", "nolog"]);
    (members, tests, jumps, logs, 1..3_u8).prop_map(|(member, test, jump, log, phase)| {
        format!("SecRule {member} \"{test}\" \"id:ID,phase:{phase},pass,{log},{jump}\"")
    })
}

fn any_value() -> impl Strategy<Value = String> {
    prop::string::string_regex(
        "([abc]|select|union|UNION |evil|%3C|<x onx=|%26lt;|'|%20| or 1=1|\\\\u0061|/\\*\\*/|=|&|;|aa){0,6}",
    )
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn compiled_and_plain_find_the_same(
        rules_text in prop::collection::vec(prop_oneof![3 => any_rule(), 1 => any_switch()], 1..8),
        pl in 0..3_u8,
        (query, cookie, header, body) in (any_value(), any_value(), any_value(), any_value()),
    ) {
        let text: Vec<_> = rules_text.iter().zip(1..).map(|(rule, id)| rule.replace("ID", &id.to_string())).collect();
        let text = format!(
            "SecAction \"id:98,phase:1,pass,nolog,setvar:tx.pl={pl}\"\n{}\nSecMarker END\n\
            SecRule TX:score \"@ge 2\" \"id:99,phase:2,pass,msg:'%{{tx.score}}'\"",
            text.join("\n")
        );
        let cookie = format!("a={cookie}");
        let headers = [("Cookie", cookie.as_str()), ("X-A", &header), ("Content-Type", "application/x-www-form-urlencoded")];
        // `report` compares the two.
        report(&rules(&text), &format!("/?a={query}&b={body}"), &headers, &format!("a={body}&b={body}&c={query}&d={body}"));
    }
}

fn briefly(rules: &RuleSet, budget: Budget, target: &str, body: &str) -> Report {
    let mut scratch = rules.scratch();
    let setup = Setup { budget, ..Setup::of(EngineMode::On) };
    let mut transaction = rules.begin(&mut scratch, Way::Compiled).set_up(setup);
    transaction.request_head(&RequestHead {
        client: CLIENT,
        server: CLIENT,
        method: b"POST",
        target: target.as_bytes(),
        protocol: b"HTTP/1.1",
        headers: &[("Content-Type", "application/json")],
        id: "id",
    });
    transaction.request_body(body.as_bytes());
    transaction.finish()
}

#[test]
fn a_brief_budget_is_enough_for_what_is_ordinary_and_cuts_short_what_is_not() {
    let rules = rules(
        "SecRule ARGS|ARGS_NAMES|REQUEST_HEADERS \"@rx (?:select|union)\\s+\\w+\" \"id:1,phase:2,deny,t:urlDecodeUni,t:lowercase\"\n\
         SecRule ARGS \"@rx (?<=x)(?:a+)+b\" \"id:2,phase:2,pass\"",
    );
    let report = |budget, body: &str| briefly(&rules, budget, "/?a=1", body);
    let ordinary = r#"{"name":"Jo","note":"select two","lines":[1,2,3]}"#;
    assert!(!report(Budget::Brief, ordinary).is_cut_short);
    assert_eq!(report(Budget::Brief, ordinary), report(Budget::Whole, ordinary));
    let many: String = (0..10_000).map(|index| format!("\"%41{index}\",")).collect();
    for hostile in [format!(r#"["x{}cb"]"#, "a".repeat(60)), format!("[{many}1]")] {
        assert!(report(Budget::Brief, &hostile).is_cut_short, "{hostile:.60}");
        assert!(!report(Budget::Whole, &hostile).is_cut_short);
    }
}

#[test]
fn rules_that_nothing_should_rely_on_are_known() {
    const SUM: &str = "SecAction \"id:10,phase:2,pass,nolog,setvar:tx.anomaly_score=+%{tx.anomaly_score_pl1}\"";
    const COUNT: &str =
        "SecRule ARGS \"@rx (?i)union select|<script|etc/passwd\" \"id:1,phase:2,pass,setvar:tx.anomaly_score_pl1=+5\"";
    const END: &str = "SecRule TX:anomaly_score \"@ge 5\" \"id:20,phase:2,deny\"";
    for (text, expected) in [
        (String::new(), vec![Weakness::NothingEnds]),
        ("SecAction \"id:1,phase:1,pass\"".to_owned(), vec![Weakness::NothingEnds]),
        ("SecRule ARGS evil \"id:1,phase:2,pass\"".to_owned(), vec![Weakness::NothingEnds]),
        ("SecRule ARGS evil \"id:1,phase:2,deny\"".to_owned(), vec![]),
        ("SecRule ARGS evil \"id:1,phase:2,pass,setvar:tx.anomaly_score=+5\"".to_owned(), vec![]),
        ("SecRequestBodyAccess Off\nSecRule ARGS evil \"id:1,phase:2,deny\"".to_owned(), vec![Weakness::BodiesUnread]),
        (format!("{COUNT}\n{SUM}\n{END}"), vec![]),
        (format!("{COUNT}\n{END}"), vec![Weakness::NothingSumsUp]),
    ] {
        assert_eq!(rules(&text).weaknesses(), expected, "{text}");
    }
    assert_eq!(rules(&format!("{COUNT}\n{SUM}\n{END}")).stops(), 3);
}

#[test]
fn a_member_without_a_name_is_not_all_of_its_collection() {
    let rules = rules(
        "SecRule ARGS evil \"id:1,phase:2,pass\"\nSecRule &ARGS \"@gt 0\" \"id:2,phase:2,pass\"\nSecRule REQUEST_URI evil \"id:3,phase:2,pass\"",
    );
    let variables: Vec<_> = briefly(&rules, Budget::Whole, "/?=evil", "")
        .matches
        .into_iter()
        .flat_map(|matched| matched.variables)
        .collect();
    let names: Vec<_> = variables.iter().map(|matched| matched.variable.as_str()).collect();
    assert_eq!(names, ["ARGS:", "ARGS", "REQUEST_URI"]);
}
