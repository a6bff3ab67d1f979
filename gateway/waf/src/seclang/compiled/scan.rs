//! Scanning the values of a phase.

use std::ops::Range;

use super::bits::Bits;
use super::memo::{Hash, Memo};
use super::plan::{Nodes, OctetGate, PhasePlan, Source, node_bit};
use super::{Compiled, INDEX_MAX, Removed, key};
use crate::seclang::bytes::ByteSet;
use crate::seclang::operator::{may_be_sqli, may_be_xss};
use crate::seclang::pcre::Steps;
use crate::seclang::program::{Program, Select};
use crate::seclang::store::{Item, Store};
use crate::seclang::transaction::Scratch;
use crate::seclang::variable::{List, Part};

/// What a scan found: rules to visit, and for each the values that it may match.
#[derive(Debug, Default)]
pub(in crate::seclang) struct Found {
    rules: Bits,
    values: Vec<Vec<u64>>,
    touched: Vec<usize>,
    /// The text that each literal was last seen in.
    stamps: Vec<u32>,
    stamp: u32,
    /// A text for each node of a source's tree, and which of them stand for it.
    texts: Vec<Text>,
    memo: Memo,
    /// The rules that the value which is scanned may match.
    noted: Vec<usize>,
    /// Work so far, in octets, and how much may be done.
    work: usize,
    work_max: usize,
    /// What each text costs beside its octets.
    work_per_text: usize,
}

/// A text that a transformation made.
#[derive(Debug, Default)]
struct Text {
    /// The node whose text is the same; itself where it is a new one.
    same_as: usize,
    bytes: Vec<u8>,
    octets: ByteSet,
    nodes: Nodes,
    wanted: bool,
    /// The text whose scan is this one's, too: they differ in case alone, which literals do not see.
    scan_as: usize,
    scan_nodes: Nodes,
}

impl Text {
    /// The text of its own node, until it is known to be another's.
    fn begin(&mut self, index: usize) {
        let bit = node_bit(index);
        (self.nodes, self.scan_nodes, self.same_as, self.scan_as, self.wanted) = (bit, bit, index, index, false);
    }
}

/// How many octets one transaction may look at, all transformations and rules counted: so many, and so many more for each
/// that is inspected. A text that opens every gate of the Core Rule Set comes to about 300 for each octet of it.
const WORK_BYTES_BASE: usize = 8 << 20;
const WORK_PER_BYTE: usize = 512;
/// The same where it is to be brief. There each text counts for so much more, for many short ones take longer than one long one.
const BRIEF_WORK_BYTES: usize = 256 << 10;
const BRIEF_WORK_PER_TEXT: usize = 64;
/// Room for texts and for values of rules that is kept from one transaction to the next.
const TEXT_KEPT_MAX: usize = 64 << 10;
const VALUES_KEPT_MAX: usize = 4_096;

impl Found {
    /// Begins a transaction.
    pub(in crate::seclang) fn begin(&mut self) {
        self.clear();
        self.work = 0;
        (self.work_max, self.work_per_text) = (WORK_BYTES_BASE, 0);
    }

    /// Does no more than a fraction of a millisecond takes.
    pub(in crate::seclang) fn be_brief(&mut self) {
        (self.work_max, self.work_per_text) = (BRIEF_WORK_BYTES, BRIEF_WORK_PER_TEXT);
    }

    /// Allows for so many more octets that are inspected.
    pub(in crate::seclang) fn allow(&mut self, bytes: usize) {
        self.work_max = self.work_max.saturating_add(bytes.saturating_mul(WORK_PER_BYTE));
    }

    /// Whether more was done than may be, so that not all was looked at.
    pub(in crate::seclang) const fn is_exceeded(&self) -> bool {
        self.work > self.work_max
    }

    pub(in crate::seclang) fn spend(&mut self, bytes: usize) {
        self.work = self.work.saturating_add(bytes + self.work_per_text);
    }

    /// Lets go of what an unusual exchange took.
    pub(in crate::seclang) fn shrink(&mut self) {
        self.clear();
        for text in self.texts.iter_mut().filter(|text| text.bytes.capacity() > TEXT_KEPT_MAX) {
            text.bytes = Vec::new();
        }
    }

    fn clear(&mut self) {
        self.rules.clear();
        for rule in self.touched.drain(..) {
            if let Some(values) = self.values.get_mut(rule) {
                values.clear();
                values.shrink_to(VALUES_KEPT_MAX);
            }
        }
    }

    /// How much room is held, in octets.
    #[cfg(test)]
    pub(in crate::seclang) fn held(&self) -> usize {
        let texts: usize = self.texts.iter().map(|text| text.bytes.capacity()).sum();
        texts + self.values.iter().map(|values| values.capacity() * 8).sum::<usize>()
    }

    /// The first rule from `at` on that is to be visited.
    pub(in crate::seclang) fn next(&self, at: usize, end: usize) -> Option<usize> {
        self.rules.next(at, end)
    }

    /// Which of a rule's values are parts of members of a list.
    pub(in crate::seclang) fn span(&self, rule: usize, list: List, part: Part) -> Range<usize> {
        let values = self.values.get(rule).map_or(&[] as &[u64], Vec::as_slice);
        let (first, last) = (key(list, part, 0), key(list, part, INDEX_MAX));
        values.partition_point(|value| *value < first)..values.partition_point(|value| *value <= last)
    }

    /// The place in its list of a rule's value.
    pub(in crate::seclang) fn place(&self, rule: usize, at: usize) -> Option<usize> {
        let value = self.values.get(rule)?.get(at)?;
        usize::try_from(*value).ok().map(|value| value & INDEX_MAX)
    }

    fn note(&mut self, rule: usize, value: u64) {
        if rule >= self.values.len() {
            self.values.resize_with(rule + 1, Vec::new);
        }
        let Some(values) = self.values.get_mut(rule) else { return };
        if values.is_empty() {
            self.touched.push(rule);
            self.rules.insert(rule);
        }
        if values.last() != Some(&value) {
            values.push(value);
            self.noted.push(rule);
        }
    }
}

impl Compiled {
    /// Scans the values that a phase's rules look at.
    pub(in crate::seclang) fn scan(&self, program: &Program, phase: u8, removed: &Removed<'_>, scratch: &mut Scratch) {
        let (store, found, steps) = (&scratch.store, &mut scratch.found, &scratch.steps);
        found.clear();
        let Some(plans) = self.phases.get(usize::from(phase).wrapping_sub(1)) else { return };
        let plan = plans.choose(program, &self.gates, store, removed);
        found.rules.copy(&plan.always);
        found.stamps.resize(plan.literals_len.max(found.stamps.len()), 0);
        for source in &plan.sources {
            source.scan(plan, store, steps, found);
        }
        for rule in &found.touched {
            if let Some(values) = found.values.get_mut(*rule) {
                values.sort_unstable();
                values.dedup();
            }
        }
    }
}

impl Source {
    fn scan(&self, plan: &PhasePlan, store: &Store, steps: &Steps, found: &mut Found) {
        let items = store.list(self.list);
        let range = match self.select {
            Select::At(index) => index..(index + 1).min(items.len()),
            _ => 0..items.len(),
        };
        let is_many = range.len() > 1;
        if is_many {
            found.memo.begin();
        }
        for index in range {
            if found.is_exceeded() {
                return; // The exchange is refused whatever else it has.
            }
            let Some(item) = items.get(index).filter(|item| item.present && self.selects(store, item, steps)) else {
                continue;
            };
            let value = store.text(item.span(self.part));
            let key = key(self.list, self.part, index);
            found.noted.clear();
            if !is_many {
                self.scan_value(plan, value, key, found);
                continue;
            }
            let hash = Hash::of(value);
            let is_same =
                |member: usize| items.get(member).is_some_and(|item| store.text(item.span(self.part)) == value);
            if let Some((_, rules)) = found.memo.find(hash).filter(|(member, _)| is_same(*member)) {
                for at in rules {
                    if let Some(rule) = found.memo.rule(at) {
                        found.note(rule, key);
                    }
                }
                continue;
            }
            self.scan_value(plan, value, key, found);
            found.memo.keep(hash, index, &found.noted);
        }
    }

    fn selects(&self, store: &Store, item: &Item, steps: &Steps) -> bool {
        match &self.select {
            Select::All | Select::At(_) => true,
            Select::Name(name) => store.text(item.name).eq_ignore_ascii_case(name),
            Select::Pattern(pattern) => pattern.is_match(store.text(item.name), steps).unwrap_or(true),
        }
    }

    fn scan_value(&self, plan: &PhasePlan, value: &[u8], key: u64, found: &mut Found) {
        let mut texts = std::mem::take(&mut found.texts);
        if texts.len() < self.tree.len() {
            texts.resize_with(self.tree.len(), Text::default);
        }
        let Some(first) = texts.first_mut() else { return };
        first.begin(0);
        first.bytes.clear();
        first.bytes.extend_from_slice(value);
        first.octets = ByteSet::seen_in(value);
        first.wanted = true;
        if first.octets.meets(&self.sensitive) {
            for index in 1..self.tree.len() {
                self.make_text(index, false, &mut texts, found);
            }
            for index in 0..self.tree.len() {
                self.judge(plan, index, &texts, key, found);
            }
        } else {
            first.nodes = self.quiet;
            first.scan_nodes = self.quiet;
            for &index in &self.loud {
                self.make_text(index, true, &mut texts, found);
            }
            self.judge(plan, 0, &texts, key, found);
            for &index in &self.loud {
                self.judge(plan, index, &texts, key, found);
            }
        }
        found.texts = texts;
    }

    /// Makes the text of a node; one that is the same as its parent's is not made. With `is_loud`, quiet nodes' texts are
    /// the value.
    fn make_text(&self, index: usize, is_loud: bool, texts: &mut [Text], found: &mut Found) {
        let bit = node_bit(index);
        let (before, from) = texts.split_at_mut(index);
        let (Some(node), Some(text)) = (self.tree.get(index), from.first_mut()) else { return };
        text.begin(index);
        let is_quiet = is_loud && !self.loud.contains(&node.parent);
        let parent_at = if is_quiet { 0 } else { before.get(node.parent).map_or(0, |parent| parent.same_as) };
        let (Some(transform), Some(parent)) = (node.transform, before.get_mut(parent_at)) else { return };
        let mut unchanged = !transform.may_change(&parent.octets);
        if !unchanged {
            transform.apply(&parent.bytes, &mut text.bytes);
            found.spend(parent.bytes.len());
            unchanged = text.bytes == parent.bytes;
        }
        let scan_as = parent.scan_as;
        if unchanged {
            text.same_as = parent_at;
            parent.nodes |= bit;
            parent.wanted |= node.wanted;
        } else {
            text.octets = ByteSet::seen_in(&text.bytes);
            text.wanted = node.wanted;
        }
        if unchanged || transform.is_case() {
            text.scan_as = scan_as;
            if let Some(scanned) = before.get_mut(scan_as).filter(|_| node.wanted) {
                scanned.scan_nodes |= bit;
            }
        }
    }

    /// Notes the rules that a node's text may match, unless another's is the same.
    fn judge(&self, plan: &PhasePlan, index: usize, texts: &[Text], key: u64, found: &mut Found) {
        let Some(text) = texts.get(index) else { return };
        if text.wanted {
            self.judge_octets(text, key, found);
        }
        // Where a text is on the way to others alone, it is scanned if one of them is the same but for case.
        if text.scan_as == index && text.scan_nodes & self.literal_nodes != 0 {
            self.scan_literals(plan, text, key, found);
        }
    }

    /// Notes the rules that one text may match by its octets.
    fn judge_octets(&self, text: &Text, key: u64, found: &mut Found) {
        for (gate, rule, nodes) in &self.octets {
            let open = nodes & text.nodes != 0
                && match gate {
                    OctetGate::Any(set) => set.meets(&text.octets),
                    OctetGate::Sqli => may_be_sqli(&text.bytes, &text.octets),
                    OctetGate::Xss => may_be_xss(&text.octets),
                };
            if open {
                found.note(*rule, key);
            }
        }
    }

    /// Notes the rules that one text may match by the literals that it has.
    fn scan_literals(&self, plan: &PhasePlan, text: &Text, key: u64, found: &mut Found) {
        let Some(literals) = &plan.literals else { return };
        found.spend(text.bytes.len());
        found.stamp = found.stamp.wrapping_add(1);
        for hit in literals.find_overlapping_iter(&text.bytes) {
            let literal = hit.pattern().as_usize();
            match found.stamps.get_mut(literal) {
                Some(stamp) if *stamp == found.stamp => continue,
                Some(stamp) => *stamp = found.stamp,
                None => {}
            }
            for rule in plan.needed_by.get(literal).into_iter().flatten() {
                if self.rules.get(*rule - plan.begin).is_some_and(|nodes| nodes & text.scan_nodes != 0) {
                    found.note(*rule, key);
                }
            }
        }
    }
}
