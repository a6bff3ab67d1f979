//! What the dashboard and the alerts name exists: compared with what a running gateway shows after traffic.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cedargate_e2e::collector::Collector;
use cedargate_e2e::{World, WorldOptions};

/// What Prometheus itself adds to every series.
const ADDED_LABELS: [&str; 2] = ["instance", "job"];

/// What Prometheus itself counts.
const ADDED_METRICS: [&str; 1] = ["up"];

/// Labels whose values are a closed set of ours, there from the start or after the traffic below.
const CLOSED_LABELS: [&str; 8] = ["cache", "code", "limit", "outcome", "reason", "result", "signal", "state"];

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name)
}

/// What an expression selects: a metric, and matchers of its labels.
#[derive(Debug, PartialEq, Eq)]
struct Selector {
    metric: String,
    matchers: Vec<(String, String)>,
}

/// What an expression names.
#[derive(Debug, Default, PartialEq, Eq)]
struct Named {
    selectors: Vec<Selector>,
    /// Labels of `by (...)` and the like.
    grouped: BTreeSet<String>,
}

/// Reads an expression of PromQL as far as names go. What is no PromQL is for `promtool` to find.
fn names(expression: &str) -> Named {
    const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
    const WORDS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "atan2"];
    let mut named = Named::default();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            rest = rest[1..].split_once('"').unwrap().1;
        } else if first == '[' {
            rest = rest.split_once(']').unwrap().1;
        } else if first == '$' || first.is_ascii_digit() {
            rest = rest.trim_start_matches(|c: char| c == '$' || c == '.' || c == '_' || c.is_ascii_alphanumeric());
        } else if first == '_' || first == ':' || first.is_ascii_alphabetic() {
            let end = rest.find(|c: char| c != '_' && c != ':' && !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
            let word = &rest[..end];
            rest = rest[end..].trim_start();
            if GROUPING.contains(&word) {
                let (labels, behind) = rest.trim_start_matches('(').split_once(')').unwrap();
                named.grouped.extend(labels.split(',').map(|label| label.trim().to_owned()));
                rest = behind;
            } else if rest.starts_with('(') || WORDS.contains(&word) || GROUPING.iter().any(|g| rest.starts_with(g)) {
                // A function, an aggregation, or an operator.
            } else {
                let mut matchers = Vec::new();
                if let Some(inner) = rest.strip_prefix('{') {
                    let (text, behind) = inner.split_once('}').unwrap();
                    matchers.extend(text.split(',').map(|matcher| {
                        let (label, value) = matcher.split_once(['=', '!']).unwrap();
                        (label.trim().to_owned(), value.trim_matches(['=', '~', '"', ' ']).to_owned())
                    }));
                    rest = behind;
                }
                named.selectors.push(Selector { metric: word.to_owned(), matchers });
            }
        } else {
            rest = &rest[first.len_utf8()..];
        }
        rest = rest.trim_start();
    }
    named
}

#[test]
fn names_are_found_in_expressions() {
    let named = names(
        r#"histogram_quantile(0.99, sum by (le, route) (rate(a_bucket{instance=~"$instance", state="x"}[$__rate_interval]))) > 1 or b / on (job) c > 5m"#,
    );
    let selector = |metric: &str, matchers: &[(&str, &str)]| Selector {
        metric: metric.to_owned(),
        matchers: matchers.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect(),
    };
    let selectors =
        [selector("a_bucket", &[("instance", "$instance"), ("state", "x")]), selector("b", &[]), selector("c", &[])];
    assert_eq!(named.selectors, selectors);
    assert_eq!(named.grouped, ["job", "le", "route"].map(str::to_owned).into());
}

/// Label names and values of every series, by metric as it is sampled.
type Shown = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn shown(text: &str) -> Shown {
    let mut shown = Shown::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let series = line.rsplit_once(' ').unwrap().0;
        let (metric, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.trim_end_matches('}').split_terminator("\",");
        let of = shown.entry(metric.to_owned()).or_default();
        for (label, value) in labels.filter_map(|label| label.split_once("=\"")) {
            of.entry(label.to_owned()).or_default().insert(value.trim_end_matches('"').to_owned());
        }
    }
    shown
}

/// What is wrong with an expression; nothing where all that it names is there.
fn missing(expression: &str, shown: &Shown) -> Vec<String> {
    let named = names(expression);
    let mut missing = Vec::new();
    let mut labels: BTreeSet<&str> = ADDED_LABELS.into();
    for Selector { metric, matchers } in &named.selectors {
        if ADDED_METRICS.contains(&&**metric) {
            continue;
        }
        let Some(of) = shown.get(metric) else {
            missing.push(format!("no metric `{metric}`"));
            continue;
        };
        labels.extend(of.keys().map(String::as_str));
        for (label, value) in matchers.iter().filter(|(label, _)| !ADDED_LABELS.contains(&&**label)) {
            match of.get(label) {
                None => missing.push(format!("`{metric}` has no label `{label}`")),
                Some(values) if CLOSED_LABELS.contains(&&**label) && !values.contains(value) => {
                    missing.push(format!("`{metric}` has no `{label}=\"{value}\"`"));
                }
                Some(_) => {}
            }
        }
    }
    if named.selectors.is_empty() {
        missing.push("it selects nothing".to_owned());
    }
    missing.extend(named.grouped.iter().filter(|g| !labels.contains(&***g)).map(|g| format!("nothing has `{g}`")));
    missing
}

/// Every rule's name and expression.
fn alerts() -> Vec<(String, String)> {
    let text = fs::read_to_string(deploy("prometheus/cedargate.rules.yml")).unwrap();
    let rules: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    let groups = rules["groups"].as_sequence().unwrap().clone();
    let rules = groups.into_iter().flat_map(|group| group["rules"].as_sequence().unwrap().clone());
    rules.map(|rule| (rule["alert"].as_str().unwrap().to_owned(), rule["expr"].as_str().unwrap().to_owned())).collect()
}

/// Every panel's title and expressions.
fn panels() -> Vec<(String, String)> {
    let text = fs::read_to_string(deploy("grafana/cedargate.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut panels = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            panels.push((panel["title"].as_str().unwrap().to_owned(), target["expr"].as_str().unwrap().to_owned()));
        }
    }
    panels
}

#[test]
fn everything_that_dashboard_and_alerts_name_is_shown_by_a_running_gateway() {
    let collector = Collector::start().unwrap();
    let told = Some((collector.url(), "trace_sample_ratio = 1"));
    let world = World::start(&WorldOptions { collector: told, ..WorldOptions::default() }).unwrap();
    let clerk = world.sign_in("clerk", "acme");
    for target in ["/echo/a", "/inventory/items", "/nowhere"] {
        world.get(&clerk, target);
    }
    world.stop_echo().unwrap();
    assert!(world.get(&clerk, "/echo/a").status >= 502);
    // The outcome is counted a moment after the answer.
    let shown = (0..500)
        .find_map(|_| {
            let shown = shown(&world.admin("/metrics").unwrap().text());
            let is_there = |metric| shown.contains_key(metric);
            let all = ["cedargate_upstream_errors_total", "cedargate_stage_duration_seconds_bucket"].map(is_there);
            std::thread::sleep(std::time::Duration::from_millis(10));
            (all == [true; 2]).then_some(shown)
        })
        .unwrap();

    let expressions: Vec<_> = alerts().into_iter().chain(panels()).collect();
    assert!(expressions.len() > 60, "they are found at all");
    let wrong: Vec<_> = expressions
        .iter()
        .flat_map(|(whose, expression)| {
            missing(expression, &shown).into_iter().map(move |why| format!("{whose}: {why}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");

    // And the other way round: what is documented is shown, and what is shown is documented.
    let page = fs::read_to_string(deploy("../docs/reference/metrics.md")).unwrap();
    let mut documented: BTreeSet<_> =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    // This gateway has no certificate.
    assert!(documented.remove("tls_certificate_expiry_timestamp_seconds"));
    let text = world.admin("/metrics").unwrap().text();
    let families: BTreeSet<_> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert_eq!(families, documented);
}

#[test]
fn what_is_not_there_is_noticed() {
    let shown = shown("a_total{code=\"x\",route=\"r\"} 1\nb 2\n");
    for good in
        ["rate(a_total[5m]) > 1", "a_total{code=\"x\"}", "sum by (route, job) (a_total) / b", "a_total{route=\"?\"}"]
    {
        assert_eq!(missing(good, &shown), Vec::<String>::new(), "{good}");
    }
    for bad in ["c_total", "a_total{other=\"x\"}", "a_total{code=\"y\"}", "sum by (service) (a_total)", "1 > 0"] {
        assert_eq!(missing(bad, &shown).len(), 1, "{bad}");
    }
}

#[test]
fn every_alert_has_its_entry_in_the_runbook() {
    let runbook = fs::read_to_string(deploy("../docs/guides/runbook.md")).unwrap();
    let entries: Vec<_> = runbook.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let alerts: Vec<_> = alerts().into_iter().map(|(name, _)| name).collect();
    assert_eq!(alerts, entries);
}

#[test]
fn prometheus_takes_the_rules_and_they_fire_when_they_should() {
    let promtool =
        |arguments: &[&str]| Command::new("promtool").args(arguments).current_dir(deploy("prometheus")).output();
    if promtool(&["--version"]).is_err() {
        println!("skipped: `promtool` is not there (Debian has it in the package prometheus)");
        return;
    }
    for arguments in [
        &["check", "rules", "cedargate.rules.yml"][..],
        &["check", "config", "prometheus.example.yml"],
        &["test", "rules", "cedargate.rules.test.yml"],
    ] {
        let output = promtool(arguments).unwrap();
        let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(output.status.success(), "promtool {arguments:?}: {told}");
    }
}
