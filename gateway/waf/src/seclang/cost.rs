//! What rules cost: each is run on a text, alone, as often as it takes to know.

use std::time::{Duration, Instant};

use super::compiled::Compiled;
use super::pcre::Steps;
use super::program::{Link, Program};
use super::template::Template;

/// What a rule costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleCost {
    /// Its id.
    pub rule: u64,
    /// How long its first test takes for a text of a KiB, with its transformations: what it costs where nothing lets it be passed over.
    pub nanoseconds: u64,
    /// Whether it is passed over for values that cannot match.
    pub is_gated: bool,
}

/// Runs of which the fastest counts: whatever else the machine does makes it slower.
const RUNS: usize = 5;
/// The text: prose with what opens the gates of rules in it, cut to a KiB.
const PROSE: &str = "Please select an option from the list (5 < 6 & 7 > 3), and update 'O\'Brien' where needed; see https://www.example.com/a?b=c%20d. ";
const TEXT_BYTES: usize = 1024;

/// What each rule costs, in the order of the files.
pub(super) fn of(program: &Program, compiled: &Compiled) -> Vec<RuleCost> {
    let text: Vec<u8> = PROSE.bytes().cycle().take(TEXT_BYTES).collect();
    let cost = |(index, rule): (usize, &super::program::Rule)| {
        let link = rule.links.first().filter(|link| !link.targets.is_empty());
        let took = link.map_or(Duration::ZERO, |link| (0..RUNS).map(|_| run(link, &text)).min().unwrap_or_default());
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        RuleCost { rule: rule.id, nanoseconds, is_gated: compiled.is_gated(index) }
    };
    program.rules.iter().enumerate().map(cost).collect()
}

fn run(link: &Link, text: &[u8]) -> Duration {
    let steps = Steps::default();
    let (mut value, mut next) = (text.to_vec(), Vec::new());
    let begun = Instant::now();
    for step in &link.transforms {
        step.apply(&value, &mut next);
        std::mem::swap(&mut value, &mut next);
    }
    let argument = link.operator.argument().and_then(Template::fixed).unwrap_or_default();
    // What it finds is nobody's concern; only that it looked.
    let _ = std::hint::black_box(link.operator.test(&value, argument, None, &steps));
    begun.elapsed()
}
