//! What a rule does when it matches.

use super::{Interruption, Matched, RuleMatch, Transaction};
use crate::seclang::ast::{EngineMode, Severity};
use crate::seclang::bytes::integer;
use crate::seclang::operator::Captured;
use crate::seclang::program::{Control, Link, Outcome, Rule, Set, SetName, SetTo};
use crate::seclang::store::Span;
use crate::seclang::template::{Field, Part, Template};
use crate::seclang::variable::{self, List, Part as ItemPart};

/// How many captures there are: `TX:0` to `TX:9`.
const CAPTURES: usize = 10;
/// How many matches a report keeps.
const MATCHES_MAX: usize = 1_000;

impl<'s> Transaction<'s> {
    /// Sets TX:0 to TX:9.
    pub(super) fn capture(&mut self, captured: &Captured, value: Span) {
        let store = &mut self.scratch.store;
        if let Some(text) = &captured.text {
            let span = store.push(text);
            store.set_at(List::Tx, 0, Some(span));
            return;
        }
        for index in 0..CAPTURES {
            let group = captured.groups.get(index).copied().flatten();
            store.set_at(List::Tx, index, group.map(|(start, end)| value.part(start, end)));
        }
    }

    /// `setvar`: for every match, whether or not the rest of the chain matches.
    pub(super) fn set_variables(&mut self, rule: &'s Rule, link: &'s Link) {
        let mut text = std::mem::take(&mut self.scratch.buffers.set);
        for set in &link.sets {
            text.clear();
            self.set_variable(rule, set, &mut text);
        }
        self.scratch.buffers.set = text;
    }

    fn set_variable(&mut self, rule: &'s Rule, set: &'s Set, text: &mut Vec<u8>) {
        let place = match &set.name {
            SetName::At(index) => *index,
            SetName::Template(template) => {
                self.expand(rule, template, text);
                text.make_ascii_lowercase();
                let numbered = if set.list == List::Tx { self.program.tx_places.get(text.as_slice()) } else { None };
                match numbered.copied().or_else(|| self.scratch.store.place(set.list, text)) {
                    Some(place) => place,
                    None => return,
                }
            }
        };
        let was = self.scratch.store.at(set.list, place).map_or(0, |span| integer(self.scratch.store.text(span)));
        text.clear();
        let value = match &set.to {
            SetTo::Nothing => None,
            SetTo::Text(template) => {
                self.expand(rule, template, text);
                Some(self.scratch.store.push(text))
            }
            SetTo::Add(template) => {
                self.expand(rule, template, text);
                Some(self.scratch.store.number(was.saturating_add(integer(text))))
            }
            SetTo::Subtract(template) => {
                self.expand(rule, template, text);
                Some(self.scratch.store.number(was.saturating_sub(integer(text))))
            }
        };
        // What did not fit leaves the value as it was: a score that is too low is better than none.
        let is_lost = matches!(set.to, SetTo::Add(_) | SetTo::Subtract(_)) && value.is_some_and(|span| span.len() == 0);
        if !is_lost {
            self.scratch.store.set_at(set.list, place, value);
        }
    }

    /// Appends a template's text.
    pub(super) fn expand(&self, rule: &Rule, template: &Template, into: &mut Vec<u8>) {
        let store = &self.scratch.store;
        for part in &template.parts {
            match part {
                Part::Text(text) => into.extend_from_slice(text),
                Part::Tx(index) => {
                    if let Some(span) = store.at(List::Tx, *index) {
                        into.extend_from_slice(store.text(span));
                    }
                }
                Part::Value(variable, name) => {
                    if let Some(span) = self.first(variable, name.as_deref()) {
                        into.extend_from_slice(store.text(span));
                    }
                }
                Part::Rule(Field::Id) => into.extend_from_slice(itoa::Buffer::new().format(rule.id).as_bytes()),
                Part::Rule(Field::Severity) => into.extend_from_slice(severity(rule.severity).as_bytes()),
                Part::Rule(Field::Message) => {
                    if let Some(message) = rule.message.as_ref().and_then(Template::fixed) {
                        into.extend_from_slice(message);
                    }
                }
            }
        }
    }

    /// The first value of a variable, or of its member of this name.
    fn first(&self, variable: variable::Variable, name: Option<&str>) -> Option<Span> {
        let store = &self.scratch.store;
        if !variable.is_collection {
            return store.at(List::Scalars, variable::row_of(variable));
        }
        let named = |item: &&crate::seclang::store::Item| {
            item.present && name.is_none_or(|name| store.text(item.name).eq_ignore_ascii_case(name.as_bytes()))
        };
        variable.lists.iter().find_map(|list| store.list(*list).iter().find(named)).map(|item| item.span(variable.part))
    }

    /// What is done once a rule and its chain have matched.
    pub(super) fn full_match(&mut self, rule: &'s Rule, variables: &[(Span, Option<usize>)]) {
        for control in rule.links.iter().flat_map(|link| &link.controls) {
            self.control(control);
        }
        if rule.logs && self.report.matches.len() < MATCHES_MAX {
            let message = rule.message.as_ref().map(|message| self.message(rule, message)).unwrap_or_default();
            let tags = std::sync::Arc::clone(&rule.tags);
            let text = |name: Span| String::from_utf8_lossy(self.scratch.store.text(name)).into_owned();
            let matched = |(name, offset): &(Span, Option<usize>)| Matched { variable: text(*name), offset: *offset };
            let variables = variables.iter().map(matched).collect();
            self.report.matches.push(RuleMatch { rule: rule.id, message, severity: rule.severity, tags, variables });
        }
        match rule.outcome {
            Outcome::Pass => {}
            Outcome::Allow(how) if self.mode == EngineMode::On => self.allowed = Some(how),
            Outcome::Deny { status } if self.mode == EngineMode::On => {
                self.report.interruption.get_or_insert(Interruption::Rule { rule: rule.id, status });
            }
            Outcome::Deny { .. } | Outcome::Allow(_) => {}
        }
    }

    /// A message: of what a request may put in, only TX's numbers and names of variables.
    fn message(&self, rule: &Rule, template: &Template) -> String {
        let mut text = Vec::new();
        for part in &template.parts {
            let is_value = match part {
                Part::Value(variable, _) => variable.part == ItemPart::Value,
                Part::Tx(index) => self
                    .scratch
                    .store
                    .at(List::Tx, *index)
                    .is_some_and(|span| self.scratch.store.text(span).iter().any(|byte| !byte.is_ascii_digit())),
                Part::Text(_) | Part::Rule(_) => false,
            };
            if is_value {
                text.extend_from_slice(b"(value)");
            } else {
                self.expand(rule, &Template { parts: vec![part.clone()] }, &mut text);
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    fn control(&mut self, control: &'s Control) {
        match control {
            Control::Mode(mode) => self.mode = *mode,
            Control::RemoveRules(rules) => rules.iter().for_each(|rule| self.removed_rules.insert(*rule)),
            Control::RemoveTargets(rules, target) => self.removed_targets.push((rules.clone(), target.clone())),
            Control::Processor(processor) => {
                self.processor = Some(*processor);
                let name = self.scratch.store.push(processor.name().as_bytes());
                self.scratch.store.set_scalar(variable::scalar::REQBODY_PROCESSOR, name);
            }
            Control::ForceBodyVariable(on) => self.force_body_variable = *on,
            Control::RequestBody(on) => self.request_body = *on,
            Control::ResponseBody(on) => self.response_body = *on,
        }
    }
}

fn severity(severity: Option<Severity>) -> &'static str {
    match severity {
        None => "",
        Some(Severity::Emergency) => "0",
        Some(Severity::Alert) => "1",
        Some(Severity::Critical) => "2",
        Some(Severity::Error) => "3",
        Some(Severity::Warning) => "4",
        Some(Severity::Notice) => "5",
        Some(Severity::Info) => "6",
        Some(Severity::Debug) => "7",
    }
}
