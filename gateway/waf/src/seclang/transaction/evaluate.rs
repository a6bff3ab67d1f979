//! Whether a rule matches.

use super::Transaction;
use crate::seclang::bytes::ByteSet;
use crate::seclang::compiled::Hash;
use crate::seclang::program::{Link, Rule, Select, Target};
use crate::seclang::store::{Item, Span};
use crate::seclang::transform::Transform;
use crate::seclang::variable::List;

/// Where a rule has matched: the variable's name, and the place in its value.
type Variables = Vec<(Span, Option<usize>)>;

/// A value that a target means.
#[derive(Clone, Copy)]
struct Subject<'p> {
    target: &'p Target,
    name: Span,
    value: Span,
}

impl<'s> Transaction<'s> {
    /// Runs a rule and its chain; whether all of it matched.
    pub(super) fn evaluate(&mut self, at: usize, rule: &'s Rule) -> bool {
        let mut variables = std::mem::take(&mut self.scratch.buffers.variables);
        let matched = self.evaluate_links(at, rule, &mut variables);
        if matched {
            self.full_match(rule, &variables);
        }
        self.scratch.buffers.variables = variables;
        matched
    }

    fn evaluate_links(&mut self, at: usize, rule: &'s Rule, variables: &mut Variables) -> bool {
        for (depth, link) in rule.links.iter().enumerate() {
            variables.clear();
            let only_found = depth == 0 && self.compiled.is_some_and(|compiled| compiled.is_gated(at));
            if !self.link((at, only_found), rule, link, variables) {
                return false;
            }
        }
        true
    }

    /// Runs one rule of a chain on every value of its targets; with `only_found`, on those that a scan found for it.
    fn link(
        &mut self,
        (at, only_found): (usize, bool),
        rule: &'s Rule,
        link: &'s Link,
        variables: &mut Variables,
    ) -> bool {
        if link.targets.is_empty() {
            self.set_variables(rule, link);
            return true;
        }
        let mut matched = false;
        self.scratch.buffers.matched.clear();
        self.scratch.buffers.failed.begin();
        for target in &link.targets {
            if target.count {
                let count = self.count(target);
                let value = self.scratch.store.number(count);
                let subject = Subject { target, name: Span::default(), value };
                matched |= self.subject(rule, link, subject, variables);
                continue;
            }
            for &list in target.lists {
                let indices = match target.select {
                    _ if only_found => self.scratch.found.span(at, list, target.part),
                    Select::At(index) => index..index + 1,
                    _ => 0..self.scratch.store.list(list).len(),
                };
                for index in indices {
                    if self.is_exhausted() {
                        return false;
                    }
                    let place = if only_found { self.scratch.found.place(at, index) } else { Some(index) };
                    let Some(index) = place else { continue };
                    if matches!(target.select, Select::At(at) if at != index) {
                        continue;
                    }
                    let Some(item) = self.scratch.store.list(list).get(index).copied().filter(|item| item.present)
                    else {
                        continue;
                    };
                    if self.selects(target, &item, false) && !self.is_excepted(at, link, target, list, &item, index) {
                        let subject = Subject { target, name: item.name, value: item.span(target.part) };
                        matched |= match only_found {
                            true => self.subject_found(rule, link, subject, variables),
                            false => self.subject(rule, link, subject, variables),
                        };
                    }
                }
            }
        }
        if matched {
            self.scratch.store.clear_list(List::Matched);
            let pending = std::mem::take(&mut self.scratch.buffers.matched);
            for (name, value) in &pending {
                self.scratch.store.add(List::Matched, *name, *value);
            }
            self.scratch.buffers.matched = pending;
        }
        matched
    }

    fn count(&self, target: &Target) -> i64 {
        let mut count = 0;
        for &list in target.lists {
            let items = self.scratch.store.list(list).iter().enumerate();
            let counts = |(index, item): &(usize, &Item)| {
                item.present
                    && !matches!(target.select, Select::At(at) if at != *index)
                    && self.selects(target, item, false)
            };
            count += items.filter(counts).count();
        }
        i64::try_from(count).unwrap_or(i64::MAX)
    }

    fn selects(&self, target: &Target, item: &Item, is_exception: bool) -> bool {
        match &target.select {
            Select::All | Select::At(_) => true,
            Select::Name(name) => self.scratch.store.text(item.name).eq_ignore_ascii_case(name),
            // A search that was ended selects: rather one value too many. It leaves out nothing.
            Select::Pattern(pattern) => {
                pattern.is_match(self.scratch.store.text(item.name), &self.scratch.steps).unwrap_or(!is_exception)
            }
        }
    }

    /// Whether a value is left out, by the rule or by a control that ran before.
    fn is_excepted(&self, at: usize, link: &Link, target: &Target, list: List, item: &Item, index: usize) -> bool {
        let means = |exception: &Target| {
            exception.name == target.name
                && exception.lists.contains(&list)
                && !matches!(exception.select, Select::At(place) if place != index)
                && self.selects(exception, item, true)
        };
        link.exceptions.iter().any(means)
            || self
                .removed_targets
                .iter()
                .any(|(rules, exception)| rules.binary_search(&at).is_ok() && means(exception))
    }

    /// Tests a value that a scan found for the rule. Whether such a rule matches depends on the text alone, so one that did
    /// not match for another value is not tested again.
    fn subject_found(
        &mut self,
        rule: &'s Rule,
        link: &'s Link,
        subject: Subject<'s>,
        variables: &mut Variables,
    ) -> bool {
        let (store, failed) = (&self.scratch.store, &self.scratch.buffers.failed);
        let text = store.text(subject.value);
        let hash = Hash::of(text);
        if failed.find(hash).is_some_and(|other| store.text(other) == text) {
            return false;
        }
        let matched = self.subject(rule, link, subject, variables);
        if !matched {
            self.scratch.buffers.failed.keep(hash, subject.value);
        }
        matched
    }

    /// Tests one value, transformed; where it matches, does what the rule does for each match.
    fn subject(&mut self, rule: &'s Rule, link: &'s Link, subject: Subject<'s>, variables: &mut Variables) -> bool {
        if link.multi_match {
            return self.subject_each_step(rule, link, subject, variables);
        }
        let mut text = std::mem::take(&mut self.scratch.buffers.text);
        let mut next = std::mem::take(&mut self.scratch.buffers.next);
        self.scratch.found.spend(subject.value.len());
        let value = self.scratch.store.text(subject.value);
        let changed = transform(&link.transforms, value, &mut text, &mut next, self.compiled.is_some());
        let matched = self.test(rule, link, subject, changed.then_some(text.as_slice()), variables);
        self.scratch.buffers.text = text;
        self.scratch.buffers.next = next;
        matched
    }

    /// The same for `multiMatch`: before the first transformation, and after each that changed the value.
    fn subject_each_step(
        &mut self,
        rule: &'s Rule,
        link: &'s Link,
        subject: Subject<'s>,
        variables: &mut Variables,
    ) -> bool {
        let mut matched = self.test(rule, link, subject, None, variables);
        let mut text = std::mem::take(&mut self.scratch.buffers.text);
        let mut next = std::mem::take(&mut self.scratch.buffers.next);
        text.clear();
        text.extend_from_slice(self.scratch.store.text(subject.value));
        for step in &link.transforms {
            step.apply(&text, &mut next);
            if next != text {
                std::mem::swap(&mut text, &mut next);
                matched |= self.test(rule, link, subject, Some(&text), variables);
            }
        }
        self.scratch.buffers.text = text;
        self.scratch.buffers.next = next;
        matched
    }

    /// Tests a text; none is the value as it is.
    fn test(
        &mut self,
        rule: &'s Rule,
        link: &'s Link,
        subject: Subject<'s>,
        text: Option<&[u8]>,
        variables: &mut Variables,
    ) -> bool {
        let mut argument = std::mem::take(&mut self.scratch.buffers.argument);
        let fixed = match link.operator.argument() {
            None => Some(b"".as_slice()),
            Some(template) => template.fixed().or_else(|| {
                argument.clear();
                self.expand(rule, template, &mut argument);
                None
            }),
        };
        let mut captured = std::mem::take(&mut self.scratch.buffers.captured);
        captured.groups.clear();
        captured.text = None;
        let value = text.unwrap_or_else(|| self.scratch.store.text(subject.value));
        let wanted = (link.capture && !link.negated).then_some(&mut captured);
        let holds = link.operator.test(value, fixed.unwrap_or(&argument), wanted, &self.scratch.steps);
        // What was ended has no answer, negated or not: the transaction ends with it.
        let matched = holds.is_ok_and(|holds| holds != link.negated);
        if matched {
            let value = match text {
                Some(text) => self.scratch.store.push(text),
                None => subject.value,
            };
            if link.capture && !link.negated {
                self.capture(&captured, value);
            }
            let offset = captured.groups.first().copied().flatten().map(|(start, _)| start);
            let name = self.note_match(subject, value);
            if rule.logs {
                variables.push((name, offset));
            }
            self.set_variables(rule, link);
        }
        self.scratch.buffers.captured = captured;
        self.scratch.buffers.argument = argument;
        matched
    }

    /// Makes the value MATCHED_VAR, and one of MATCHED_VARS for the rule behind this. Returns the span of its full name.
    fn note_match(&mut self, subject: Subject<'_>, value: Span) -> Span {
        let store = &mut self.scratch.store;
        let begin = store.begin();
        store.write(subject.target.name.as_bytes());
        // A member without a name is still one member: `ARGS:`, which is not all of `ARGS`.
        let is_member = !subject.target.count && subject.target.lists.iter().any(|list| list.has_names());
        if is_member {
            store.write(b":");
            store.copy(subject.name);
        }
        let name = store.end(begin);
        store.clear_list(List::LastMatched);
        store.add(List::LastMatched, name, value);
        self.scratch.buffers.matched.push((name, value));
        name
    }
}

/// Transforms a value; whether it changed, and so stands in `text`. With `quick`, steps that cannot change it are passed over.
fn transform(steps: &[Transform], value: &[u8], text: &mut Vec<u8>, next: &mut Vec<u8>, quick: bool) -> bool {
    let mut changed = false;
    let mut seen: Option<ByteSet> = None;
    for step in steps {
        let current = if changed { text.as_slice() } else { value };
        if quick && !step.may_change(seen.get_or_insert_with(|| ByteSet::seen_in(current))) {
            continue;
        }
        step.apply(current, next);
        if next.as_slice() != current {
            std::mem::swap(text, next);
            changed = true;
            seen = None;
        }
    }
    changed
}
