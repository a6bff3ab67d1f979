//! Rules that leave no trace where they match but the place that they jump to. Where that is known when a phase begins,
//! they are not run.

use crate::seclang::program::{Link, Outcome, Program, Rule, SetName, SetTo};
use crate::seclang::template::{Part, Template};
use crate::seclang::variable::List;

/// Whether a rule that matches does no more than jump. What it matched is MATCHED_VAR then, see [`looks_back`].
pub(super) fn is_silent(rule: &Rule) -> bool {
    let acts = |link: &Link| !link.sets.is_empty() || !link.controls.is_empty() || link.capture;
    !rule.logs && rule.outcome == Outcome::Pass && !rule.links.iter().any(acts)
}

/// Whether a rule may ask what matched in an earlier one. Within a rule and its chain, its own matches come first.
pub(super) fn looks_back(program: &Program) -> bool {
    program.rules.iter().any(|rule| {
        let Some((first, rest)) = rule.links.split_first() else { return false };
        if first.targets.is_empty() {
            // It matches without a value, so whatever it says is said of the rule before.
            let texts = [&rule.message, &rule.log_data];
            return rule.links.iter().any(|link| tests_matched(link) || link_sets(link, &MATCHED))
                || texts.into_iter().flatten().any(|text| mentions(text, &MATCHED));
        }
        // MATCHED_VARS is what matched in the whole rule before, until this rule's end.
        tests_matched(first)
            || link_sets(first, &[List::Matched])
            || rest.iter().any(|link| link.targets.is_empty() && link_sets(link, &MATCHED))
    })
}

const MATCHED: [List; 2] = [List::Matched, List::LastMatched];

/// Whether what a rule looks at, or compares with, is what matched.
fn tests_matched(link: &Link) -> bool {
    link.targets.iter().any(|target| target.lists.iter().any(|list| MATCHED.contains(list)))
        || link.operator.argument().is_some_and(|argument| mentions(argument, &MATCHED))
}

fn link_sets(link: &Link, lists: &[List]) -> bool {
    link.sets.iter().any(|set| {
        let of_name = matches!(&set.name, SetName::Template(name) if mentions(name, lists));
        let of_value = match &set.to {
            SetTo::Nothing => false,
            SetTo::Text(text) | SetTo::Add(text) | SetTo::Subtract(text) => mentions(text, lists),
        };
        of_name || of_value
    })
}

fn mentions(template: &Template, lists: &[List]) -> bool {
    let is_of = |part: &Part| matches!(part, Part::Value(variable, _) if variable.lists.iter().any(|list| lists.contains(list)));
    template.parts.iter().any(is_of)
}
