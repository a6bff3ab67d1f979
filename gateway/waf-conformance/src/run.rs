//! Playing cases through the engine.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use cedargate_waf::seclang::{EngineMode, LimitReached, Report, RequestHead, RuleSet, Scratch, Setup, Told, Way};

use crate::backend;
use crate::corpus::{Case, Corpus, Stage};
use crate::request::{self, Request};

/// What came of a corpus.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many cases passed.
    pub passed: usize,
    /// Those that did not, in the corpus's order.
    pub failures: Vec<Failure>,
    /// How many say nothing about rules, and do not count.
    pub without_expectation: usize,
}

/// A case that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The rule that it is about.
    pub rule: u64,
    /// Its number among that rule's cases.
    pub number: u64,
    /// Rules that should have matched.
    pub missing: Vec<u64>,
    /// Rules that should not have.
    pub unexpected: Vec<u64>,
}

/// Runs every case that says something about rules.
pub fn run(rules: &RuleSet, corpus: &Corpus) -> Tally {
    let mut scratch = rules.scratch();
    let mut tally = Tally::default();
    for case in &corpus.cases {
        if !case.counts() {
            tally.without_expectation += 1;
            continue;
        }
        match fails(rules, &mut scratch, case) {
            Some(failure) => tally.failures.push(failure),
            None => tally.passed += 1,
        }
    }
    tally
}

/// The cases of which the compiled and the plain way do not find the same, by rule and number: there must be none.
pub fn differences(rules: &RuleSet, corpus: &Corpus) -> Vec<(u64, u64)> {
    let mut scratch = rules.scratch();
    let mut differ = |stage: &Stage| {
        let compiled = play(rules, &mut scratch, stage, Way::Compiled);
        let mut plain = play(rules, &mut scratch, stage, Way::Plain);
        // A pattern that is run on fewer values takes fewer steps.
        if compiled.limit.is_none() && plain.limit == Some(LimitReached::Steps) {
            plain.limit = None;
        }
        compiled != plain
    };
    let cases = corpus.cases.iter().filter(|case| case.stages.iter().any(&mut differ));
    cases.map(|case| (case.rule, case.number)).collect()
}

fn fails(rules: &RuleSet, scratch: &mut Scratch, case: &Case) -> Option<Failure> {
    let mut failure = Failure { rule: case.rule, number: case.number, missing: Vec::new(), unexpected: Vec::new() };
    for stage in &case.stages {
        let log = &stage.output.log;
        let matched: BTreeSet<u64> = play(rules, scratch, stage, Way::Compiled).ids().collect();
        failure.missing.extend(log.expect_ids.iter().filter(|id| !matched.contains(id)));
        failure.unexpected.extend(log.no_expect_ids.iter().filter(|id| matched.contains(id)));
    }
    (!failure.missing.is_empty() || !failure.unexpected.is_empty()).then_some(failure)
}

/// What is found in a request of these octets by a gateway whose route has its method, at a paranoia level; it is answered with
/// nothing. None where they are no request.
pub fn inspect(rules: &RuleSet, scratch: &mut Scratch, octets: &[u8], paranoia: &str) -> Option<Report> {
    let request = request::parse(octets)?;
    let method = String::from_utf8_lossy(&request.method);
    let told = Told { paranoia, method: &method, ..Told::STOCK };
    let members = told.members();
    let setup = Setup { tx: told.of(&members), reads_texts: true, ..Setup::of(EngineMode::DetectionOnly) };
    Some(play_request(rules, scratch, &request, Way::Compiled, Some(setup)))
}

/// What is found in a stage's exchange.
fn play(rules: &RuleSet, scratch: &mut Scratch, stage: &Stage, way: Way) -> Report {
    let Some(request) = request::make(&stage.input) else { return Report::default() };
    play_request(rules, scratch, &request, way, None)
}

fn play_request(
    rules: &RuleSet,
    scratch: &mut Scratch,
    request: &Request,
    way: Way,
    setup: Option<Setup<'_>>,
) -> Report {
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut transaction = rules.begin(scratch, way);
    if let Some(setup) = setup {
        transaction = transaction.set_up(setup);
    }
    transaction.request_head(&RequestHead {
        // Not the loopback address: CRS lets that one ask for `/` without being looked at.
        client: (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 50_000),
        server: (localhost, 80),
        method: &request.method,
        target: &request.target,
        protocol: &request.protocol,
        headers: &request.headers,
        id: "conformance",
    });
    transaction.request_body(&request.body);
    let response = backend::answer(request);
    transaction.response_head(response.status, b"HTTP/1.1", &response.headers);
    transaction.response_body(&response.body);
    transaction.finish()
}
