//! Nothing that is read is without a bound, and what is within its bounds is read, checked and evaluated to the end.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;
use std::thread;

use cedargate_model::{Caller, DecisionId, Micros};
use cedargate_policy::{Context, Decisions, Query, Snapshot, Sources, TenantScope, WafFindings};
use uuid::Uuid;

/// A proxy thread's stack is four times as large, and a request's walk takes some of it.
const STACK_BYTES: usize = 512 << 10;

fn texts(more: &[(&str, String)]) -> Vec<(String, String)> {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies"));
    let mut texts = Vec::new();
    for folder in ["platform", "directory"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            texts.push((format!("{folder}/{name}"), std::fs::read_to_string(root.join(folder).join(name)).unwrap()));
        }
    }
    texts.extend(more.iter().map(|(path, text)| ((*path).to_owned(), text.clone())));
    texts
}

/// Builds and decides on a thread with little stack.
fn on_a_small_stack(condition: String) -> Result<&'static str, String> {
    let run = move || {
        let policy = format!("@id(\"directory/x\")\nforbid (principal, action, resource) when {{ {condition} }};\n");
        let sources = Sources::from_texts(texts(&[("directory/x.cedar", policy)])).unwrap();
        let snapshot = Snapshot::build(&sources, &TenantScope::bare_host()).map_err(|problems| problems.to_string())?;
        let routed = snapshot.routes().address("Directory::Action::\"ListTenants\"", "Directory::Page::\"tenants\"");
        let context = Context {
            now: Micros(0),
            client: IpAddr::from([127, 0, 0, 1]),
            certificate: None,
            waf: WafFindings::default(),
        };
        let query = Query { caller: &Caller::Anonymous, routed: &routed.unwrap(), context: &context };
        Ok(Decisions::new(0).decide(&snapshot, &query, DecisionId(Uuid::nil())).as_str())
    };
    thread::Builder::new().stack_size(STACK_BYTES).spawn(run).unwrap().join().unwrap()
}

/// Conditions that are as deep as they may be around what stands in the middle.
fn deepest(middle: &str) -> Vec<String> {
    let around = |n: usize, open: &str, close: &str| format!("{}{middle}{}", open.repeat(n), close.repeat(n));
    vec![
        around(23, "(", ")"),
        around(23, "if principal has tenant then ", " else false"),
        around(23, "if context.waf.score > 5 then true else ", ""),
        around(11, "(if principal has tenant then ", " else false)"),
        around(1, &"principal has tenant && ".repeat(60), ""),
        around(1, "", &" || context.waf.score > 1".repeat(35)),
        around(1, "", &" && 1 + 1 == 2".repeat(45)),
    ]
}

#[test]
fn what_is_as_deep_as_it_may_be_is_validated_and_evaluated_to_the_end() {
    for condition in deepest("principal has tenant") {
        let verdict = on_a_small_stack(condition.clone());
        assert!(matches!(verdict.as_deref(), Ok("sign_in")), "{verdict:?}: {condition}");
    }
    // Cedar's validator says nothing of what it had not the stack to look at. Within the bounds it looks at everything.
    for condition in deepest("context.nonsense") {
        let problems = on_a_small_stack(condition.clone()).expect_err(&condition);
        assert!(problems.contains("`nonsense`"), "{problems}: {condition}");
    }
}

#[test]
fn what_is_deeper_is_refused_before_cedar_sees_it() {
    for condition in [
        format!("{}true{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("{}1{} == 1", "[".repeat(100_000), "]".repeat(100_000)),
        format!("{}1{} == 1", "{a: ".repeat(100_000), "}".repeat(100_000)),
        format!("{}true", "if true then true else ".repeat(20_000)),
        vec!["principal has tenant"; 20_000].join(" && "),
        vec!["1"; 20_000].join(" + "),
        format!("context{}", ".a".repeat(20_000)),
        format!("context{}", "[\"a\"]".repeat(20_000)),
        format!("context{}", ".contains(1)".repeat(20_000)),
        "!".repeat(100_000),
        "(".repeat(300_000),
        format!("\"{}", "(".repeat(300_000)),
    ] {
        let shown: String = condition.chars().take(20).collect();
        let problems = on_a_small_stack(condition).expect_err(&shown);
        assert!(problems.starts_with("directory/x.cedar:2:") || shown.starts_with('"'), "{shown}: {problems}");
    }
}

#[test]
fn a_condition_of_a_matrix_and_a_schema_have_the_same_bound() {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(50_000), close.repeat(50_000));
    let matrix = format!("action anonymous member\nListTenants c -\n\nwhen c:\n    {}\n", deep("(", ")"));
    let schema = format!("namespace Directory {{ type T = {}; }}", deep("Set<", ">"));
    for (path, text) in [("directory/matrix.txt", matrix), ("directory/schema.cedarschema", schema)] {
        let mut all = texts(&[]);
        all.retain(|(other, _)| other != path);
        all.push((path.to_owned(), text));
        let problems = Snapshot::build(&Sources::from_texts(all).unwrap(), &TenantScope::bare_host()).unwrap_err();
        let said = problems.to_string();
        assert!(said.contains(path) && said.contains("more than 24 brackets"), "{said}");
    }
}

#[test]
fn mistakes_without_number_are_told_up_to_a_thousand() {
    let text = "permit (principal, action, resource);\n".repeat(5_000);
    let sources = Sources::from_texts(texts(&[("directory/x.cedar", text)])).unwrap();
    let problems = Snapshot::build(&sources, &TenantScope::bare_host()).unwrap_err();
    assert_eq!(problems.iter().count(), 1_000);
}

#[test]
fn more_than_can_be_reviewed_is_refused() {
    let policy = |n: usize| {
        format!("@id(\"directory/p{n}\")\nforbid (principal, action, resource) when {{ context.waf.score > {n} }};\n")
    };
    let many: Vec<(String, String)> = (0..6)
        .map(|file| (format!("directory/f{file}.cedar"), (0..2_000).map(|n| policy(file * 2_000 + n)).collect()))
        .collect();
    let sources = Sources::from_texts(texts(&[]).into_iter().chain(many)).unwrap();
    let said = Snapshot::build(&sources, &TenantScope::bare_host()).unwrap_err().to_string();
    assert!(said.starts_with(".:1:1: 12"), "{said}");
    assert!(said.ends_with("policies with the matrices' cells; at most 10000"), "{said}");

    let large = "# \n".repeat(330_000);
    let files = (0..40).map(|n| (format!("directory/f{n}.cedar"), large.clone()));
    assert_eq!(
        Sources::from_texts(files).unwrap_err().to_string(),
        ".:1:1: more than 33554432 octets in all files together"
    );
    let said = Sources::from_texts([("directory/x.cedar", "# \n".repeat(400_000))]).unwrap_err().to_string();
    assert_eq!(said, "directory/x.cedar:1:1: larger than 1048576 octets");
}
