//! What a transaction knows: lists of named values, all in one buffer of octets that is used again.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use super::variable::{LISTS, List, Part, VARIABLES};

/// Where a text stands in the buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

impl Span {
    pub(crate) const fn len(self) -> usize {
        self.len as usize
    }

    /// A part of it.
    pub(crate) fn part(self, from: usize, to: usize) -> Self {
        let from = u32::try_from(from).unwrap_or(self.len).min(self.len);
        let to = u32::try_from(to).unwrap_or(self.len).clamp(from, self.len);
        Self { start: self.start + from, len: to - from }
    }
}

/// A value and its name.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Item {
    pub(crate) name: Span,
    pub(crate) value: Span,
    /// Whether there is a value: scalars and numbered members of TX have their places before.
    pub(crate) present: bool,
}

impl Item {
    pub(crate) const fn span(&self, part: Part) -> Span {
        match part {
            Part::Name => self.name,
            Part::Value => self.value,
        }
    }
}

/// The values of one transaction.
#[derive(Debug)]
pub(crate) struct Store {
    text: Vec<u8>,
    lists: [Vec<Item>; LISTS],
    items: usize,
    /// How many of the members are arguments.
    arguments: usize,
    /// Where the members are that rules have named, by a keyed hash of list and name: who sends the names cannot make it slow.
    named: HashMap<u64, usize>,
    hasher: RandomState,
    text_max: usize,
    arguments_max: usize,
    full: bool,
    /// What bodies and heads leave to rules.
    kept: usize,
}

/// The buffer's least bound: a request's head and what rules write fit many times.
const TEXT_BYTES_MIN: usize = 1 << 20;
/// Members beyond those that arguments lead to: header fields, cookies, and what rules set.
const ITEMS_MIN: usize = 4_096;
/// Each argument may be set and matched once.
const ITEMS_PER_ARGUMENT: usize = 3;
/// Room that is kept from one transaction to the next.
const TEXT_KEPT_MAX: usize = 1 << 20;
const ITEMS_KEPT_MAX: usize = 4_096;

impl Store {
    pub(crate) fn new(arguments_max: usize) -> Self {
        let mut store = Self {
            text: Vec::new(),
            lists: std::array::from_fn(|_| Vec::new()),
            items: 0,
            arguments: 0,
            named: HashMap::new(),
            hasher: RandomState::new(),
            text_max: TEXT_BYTES_MIN,
            arguments_max,
            full: false,
            kept: 0,
        };
        store.clear(&[], arguments_max);
        store
    }

    /// Forgets everything but its capacity, for a transaction with so many arguments at most. `tx` are the names of TX's
    /// numbered members.
    pub(crate) fn clear(&mut self, tx: &[Box<str>], arguments_max: usize) {
        self.text.clear();
        self.lists.iter_mut().for_each(Vec::clear);
        self.named.clear();
        (self.items, self.arguments, self.arguments_max) = (0, 0, arguments_max);
        self.full = false;
        self.kept = 0;
        self.text_max = TEXT_BYTES_MIN;
        if let Some(scalars) = self.lists.get_mut(List::Scalars as usize) {
            scalars.resize(VARIABLES.len(), Item::default());
        }
        for name in tx {
            let name = self.push(name.as_bytes());
            if let Some(list) = self.lists.get_mut(List::Tx as usize) {
                list.push(Item { name, ..Item::default() });
            }
        }
    }

    /// Lets go of what an unusual exchange took.
    pub(crate) fn shrink(&mut self) {
        self.text.clear();
        self.text.shrink_to(TEXT_KEPT_MAX);
        for list in &mut self.lists {
            list.clear();
            list.shrink_to(ITEMS_KEPT_MAX);
        }
        self.named.clear();
        self.named.shrink_to(ITEMS_KEPT_MAX);
    }

    /// How much room is held, in octets.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        let items: usize = self.lists.iter().map(Vec::capacity).sum();
        self.text.capacity() + (items + self.named.capacity()) * size_of::<Item>()
    }

    /// Allows for so many more octets: a body's share of the buffer is linear in it.
    pub(crate) fn allow(&mut self, bytes: usize) {
        self.text_max = self.text_max.saturating_add(bytes).min(u32::MAX as usize);
    }

    /// While an exchange's own values are filled in, keeps half of the least bound for what rules set.
    pub(crate) const fn keep_for_rules(&mut self, keep: bool) {
        self.kept = if keep { TEXT_BYTES_MIN / 2 } else { 0 };
    }

    /// Whether something did not fit. What did not is missing, so the transaction is no longer to be trusted to pass.
    pub(crate) const fn is_full(&self) -> bool {
        self.full
    }

    pub(crate) fn text(&self, span: Span) -> &[u8] {
        let start = span.start as usize;
        self.text.get(start..start + span.len as usize).unwrap_or_default()
    }

    pub(crate) fn list(&self, list: List) -> &[Item] {
        self.lists.get(list as usize).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn push(&mut self, text: &[u8]) -> Span {
        let begin = self.begin();
        self.write(text);
        self.end(begin)
    }

    /// Begins a text that is written in parts.
    pub(crate) fn begin(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn write(&mut self, text: &[u8]) {
        if self.text.len() + text.len() + self.kept > self.text_max {
            self.full = true;
            return;
        }
        self.text.extend_from_slice(text);
    }

    /// Copies a text that stands in the buffer already to its end.
    pub(crate) fn copy(&mut self, span: Span) {
        let start = span.start as usize;
        let range = start..start + span.len as usize;
        if self.text.len() + range.len() + self.kept > self.text_max || range.end > self.text.len() {
            self.full = true;
            return;
        }
        self.text.extend_from_within(range);
    }

    pub(crate) fn end(&self, begin: usize) -> Span {
        let len = self.text.len().saturating_sub(begin);
        Span { start: u32::try_from(begin).unwrap_or(0), len: u32::try_from(len).unwrap_or(0) }
    }

    /// Adds a member; whether it fitted.
    pub(crate) fn add(&mut self, list: List, name: Span, value: Span) -> bool {
        let is_argument = matches!(list, List::ArgsGet | List::ArgsPost);
        let items_max = self.arguments_max.saturating_mul(ITEMS_PER_ARGUMENT).saturating_add(ITEMS_MIN);
        if self.items >= items_max || (is_argument && self.arguments >= self.arguments_max) {
            self.full = true;
            return false;
        }
        self.items += 1;
        self.arguments += usize::from(is_argument);
        if let Some(items) = self.lists.get_mut(list as usize) {
            items.push(Item { name, value, present: true });
        }
        true
    }

    pub(crate) fn set_scalar(&mut self, slot: usize, value: Span) {
        self.set_at(List::Scalars, slot, Some(value));
    }

    pub(crate) fn scalar(&self, slot: usize) -> &[u8] {
        self.list(List::Scalars).get(slot).map_or(&[], |item| self.text(item.value))
    }

    /// Sets or unsets the member at a place.
    pub(crate) fn set_at(&mut self, list: List, index: usize, value: Option<Span>) {
        if let Some(item) = self.lists.get_mut(list as usize).and_then(|items| items.get_mut(index)) {
            item.present = value.is_some();
            item.value = value.unwrap_or_default();
        }
    }

    pub(crate) fn at(&self, list: List, index: usize) -> Option<Span> {
        self.list(list).get(index).filter(|item| item.present).map(|item| item.value)
    }

    /// The place of the member that rules have given this name, in lower case; a new one without a value where there is none.
    /// None where it does not fit.
    pub(crate) fn place(&mut self, list: List, name: &[u8]) -> Option<usize> {
        let hash = self.hasher.hash_one((list, name));
        if let Some(place) = self.named.get(&hash) {
            return Some(*place);
        }
        let name = self.push(name);
        if self.full || !self.add(list, name, Span::default()) {
            return None;
        }
        let place = self.list(list).len().saturating_sub(1);
        self.set_at(list, place, None);
        self.named.insert(hash, place);
        Some(place)
    }

    pub(crate) fn clear_list(&mut self, list: List) {
        if let Some(items) = self.lists.get_mut(list as usize) {
            self.items = self.items.saturating_sub(items.len());
            items.clear();
        }
    }

    pub(crate) fn number(&mut self, number: i64) -> Span {
        let mut buffer = itoa::Buffer::new();
        let text = buffer.format(number);
        self.push(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_missing_and_known_to_be() {
        let mut store = Store::new(2);
        let text = store.push(b"abc");
        assert_eq!(store.text(text.part(1, 9)), b"bc");
        for _ in 0..2 {
            assert!(store.add(List::ArgsGet, text, text));
        }
        assert!(!store.is_full());
        store.add(List::ArgsGet, text, text);
        assert!(store.is_full());
        store.clear(&["score".into()], 2);
        assert!(!store.is_full());
        assert_eq!(store.place(List::Tx, b"new"), Some(1));
        assert_eq!((store.place(List::Ip, b"new"), store.place(List::Tx, b"new")), (Some(0), Some(1)));
        store.push(&vec![0; TEXT_BYTES_MIN]);
        assert!(store.is_full());
    }
}
