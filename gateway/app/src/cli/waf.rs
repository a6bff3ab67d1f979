//! `cedargate waf`.

use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{fmt, fs};

use cedargate_waf::seclang::{Disk, EngineMode, LimitReached, Matched, RuleMatch, RuleSet};
use cedargate_waf_conformance::{Corpus, Failure as CaseFailure, Tally, inspect, rules, run};
use clap::Subcommand;
use serde::Serialize;

use super::output::Output;
use super::waf_exclude::Exclude;
use super::{Common, Ending, Failure};

#[derive(Debug, Subcommand)]
pub(crate) enum WafCommand {
    /// Check rule files: every mistake with its file and line, and what has less effect here than it says
    ///
    /// Files are read one after the other, as a web server's `Include`s would be: a setup file before the rules.
    Check {
        /// The rule files, in order
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Say so many of the dearest rules, too: what each takes for a text of a KiB where nothing lets it be passed over
        #[arg(long, value_name = "COUNT", default_value_t = 10)]
        costs: usize,
        /// Answer as JSON: {"rules", "gated", "mistakes", "warnings", "costs": [{"rule", "nanoseconds", "gated"}]}
        #[arg(long)]
        json: bool,
    },
    /// Say what rules make of a request
    ///
    /// What matched, on which variables, and the scores; never the values. Rules detect, and block nothing. The request is inspected as
    /// on a route that has its method and says nothing else.
    Try {
        /// The rule files, in order
        #[arg(long = "rules", value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// A file with a raw request: its line, header fields, an empty line, and its body
        #[arg(value_name = "REQUEST")]
        request: PathBuf,
        /// The rules' paranoia level
        #[arg(long, value_name = "LEVEL", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=4))]
        paranoia: u8,
        /// Answer as JSON: {"matches": [{"rule", "message", "variables", "tags"}], "inbound_score", "limit", "microseconds"}
        #[arg(long)]
        json: bool,
    },
    /// Propose exclusions for false positives that the record has seen
    ///
    /// The narrowest that a rule set can say: one rule, one variable, one route of one tenant; with the decisions that are the
    /// reason. The output is a file of rules for somebody to read, and to put beside the rule set's `main.conf`.
    Exclude(Exclude),
    /// Run a corpus of go-ftw cases against a rule set, and list the cases that fail
    ///
    /// Rules detect at paranoia level 4, with the limits on arguments that the Core Rule Set's own tests set. A case without an
    /// expectation on rule ids does not count.
    Conformance {
        /// The rules' folder, with `crs-setup.conf` or its `.example` in it or in its parent
        #[arg(value_name = "RULES")]
        rules: PathBuf,
        /// A tree of YAML files
        #[arg(value_name = "CORPUS")]
        corpus: PathBuf,
        /// Answer as JSON: {"passed", "failed", "failures": [{"rule", "case", "missing", "unexpected"}]}
        #[arg(long)]
        json: bool,
    },
}

impl WafCommand {
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Exclude(exclude) => exclude.json(),
            Self::Check { json, .. } | Self::Try { json, .. } | Self::Conformance { json, .. } => *json,
        }
    }

    pub(crate) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        match self {
            Self::Check { files, costs, .. } => {
                let answer = Checked::of(&files, costs);
                output.answer(&answer, &answer);
                Ok(Ending::yes_if(answer.mistakes.is_empty()))
            }
            Self::Try { files, request, paranoia, .. } => {
                let answer = Tried::of(&files, &request, paranoia)?;
                output.answer(&answer, &answer);
                Ok(Ending::Done)
            }
            Self::Exclude(exclude) => exclude.run(common, output),
            Self::Conformance { rules: folder, corpus, .. } => {
                let rules = rules(&folder).map_err(|error| Failure::mistaken(&error))?;
                let corpus = Corpus::read(&corpus).map_err(|error| Failure::mistaken(&error))?;
                let answer = Conformance::of(&run(&rules, &corpus));
                output.answer(&answer, &answer);
                Ok(Ending::yes_if(answer.failures.is_empty()))
            }
        }
    }
}

/// What is to be said of rule files.
#[derive(Debug, Default, Serialize)]
struct Checked {
    rules: usize,
    gated: usize,
    mistakes: Vec<String>,
    warnings: Vec<String>,
    costs: Vec<Cost>,
}

#[derive(Debug, Serialize)]
struct Cost {
    rule: u64,
    nanoseconds: u64,
    gated: bool,
}

impl Checked {
    fn of(files: &[PathBuf], costs: usize) -> Self {
        match RuleSet::load(&Disk, files) {
            Ok(rules) => Self {
                rules: rules.len(),
                gated: rules.gated(),
                mistakes: Vec::new(),
                warnings: warnings(&rules),
                costs: dearest(&rules, costs),
            },
            Err(errors) => {
                Self { mistakes: errors.iter().map(|error| super::chain(error)).collect(), ..Self::default() }
            }
        }
    }
}

/// What has less effect than it says, and why no gateway would take the rules, if none would.
fn warnings(rules: &RuleSet) -> Vec<String> {
    let weaknesses = rules.weaknesses();
    let weaknesses = weaknesses.iter().map(|weakness| format!("no gateway takes these rules: {weakness}"));
    weaknesses.chain(rules.warnings().iter().map(ToString::to_string)).collect()
}

/// The rules that cost most, those first that are visited for every value.
fn dearest(rules: &RuleSet, count: usize) -> Vec<Cost> {
    let mut costs: Vec<_> = rules
        .costs()
        .into_iter()
        .map(|cost| Cost { rule: cost.rule, nanoseconds: cost.nanoseconds, gated: cost.is_gated })
        .collect();
    costs.sort_by_key(|cost| (cost.gated, std::cmp::Reverse(cost.nanoseconds)));
    costs.truncate(count);
    costs
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        for mistake in &self.mistakes {
            writeln!(f, "{mistake}")?;
        }
        for Cost { rule, nanoseconds, gated } in &self.costs {
            let when = if *gated { "where a value may match" } else { "for every value" };
            writeln!(f, "rule {rule}: {nanoseconds} ns for a KiB, {when}")?;
        }
        match self.mistakes.len() {
            0 => write!(f, "{} rules, of which {} are visited only where a value may match", self.rules, self.gated),
            1 => write!(f, "1 mistake"),
            many => write!(f, "{many} mistakes"),
        }
    }
}

/// What rules make of a request.
#[derive(Debug, Serialize)]
struct Tried {
    matches: Vec<TriedRule>,
    inbound_score: i64,
    limit: Option<&'static str>,
    microseconds: u128,
}

#[derive(Debug, Serialize)]
struct TriedRule {
    rule: u64,
    message: String,
    variables: Vec<String>,
    tags: Vec<String>,
}

impl Tried {
    fn of(files: &[PathBuf], request: &Path, paranoia: u8) -> Result<Self, Failure> {
        let octets = fs::read(request)
            .map_err(|error| Failure::unavailable_because(format!("`{}` cannot be read", request.display()), &error))?;
        let rules = RuleSet::load(&Disk, files).map_err(|errors| {
            let mistakes: Vec<_> = errors.iter().map(|error| super::chain(error)).collect();
            Failure::mistake(mistakes.join("\n"))
        })?;
        let rules = rules.with_mode(EngineMode::DetectionOnly);
        let mut scratch = rules.scratch();
        // The first time fills caches, and is not what a request costs.
        let paranoia = paranoia.to_string();
        let _ = inspect(&rules, &mut scratch, &octets, &paranoia);
        let began = Instant::now();
        let report = inspect(&rules, &mut scratch, &octets, &paranoia);
        let microseconds = began.elapsed().as_micros();
        let report = report.ok_or_else(|| Failure::mistake(format!("`{}` is no request", request.display())))?;
        let matches = report.matches.iter().map(TriedRule::of).collect();
        let limit = report.limit.map(LimitReached::code);
        Ok(Self { matches, inbound_score: report.inbound_score, limit, microseconds })
    }
}

impl TriedRule {
    fn of(matched: &RuleMatch) -> Self {
        let place = |matched: &Matched| match matched.offset {
            Some(offset) => format!("{} at {offset}", matched.variable),
            None => matched.variable.clone(),
        };
        Self {
            rule: matched.rule,
            message: matched.message.clone(),
            variables: matched.variables.iter().map(place).collect(),
            tags: matched.tags.iter().map(ToString::to_string).collect(),
        }
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for matched in &self.matches {
            writeln!(f, "{} {} ({})", matched.rule, matched.message, matched.variables.join(", "))?;
        }
        if let Some(limit) = self.limit {
            writeln!(f, "not inspected to its end: {limit}")?;
        }
        write!(f, "score {}, in {} microseconds", self.inbound_score, self.microseconds)
    }
}

/// What came of a corpus.
#[derive(Debug, Serialize)]
struct Conformance {
    passed: usize,
    failed: usize,
    failures: Vec<FailedCase>,
}

#[derive(Debug, Serialize)]
struct FailedCase {
    rule: u64,
    case: u64,
    missing: Vec<u64>,
    unexpected: Vec<u64>,
}

impl Conformance {
    fn of(tally: &Tally) -> Self {
        let mut failures: Vec<_> = tally.failures.iter().map(FailedCase::of).collect();
        failures.sort_by_key(|failure| (failure.rule, failure.case));
        Self { passed: tally.passed, failed: failures.len(), failures }
    }
}

impl FailedCase {
    fn of(failure: &CaseFailure) -> Self {
        let (missing, unexpected) = (failure.missing.clone(), failure.unexpected.clone());
        Self { rule: failure.rule, case: failure.number, missing, unexpected }
    }
}

impl fmt::Display for Conformance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            write!(f, "{}-{}:", failure.rule, failure.case)?;
            for (ids, what) in [(&failure.missing, "did not match"), (&failure.unexpected, "matched")] {
                if !ids.is_empty() {
                    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
                    write!(f, " {} {what}", ids.join(", "))?;
                }
            }
            writeln!(f)?;
        }
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}
