//! Rules that only compare a number in TX, which is what most of a rule set's bookkeeping is: told without a visit.

use crate::seclang::bytes::integer;
use crate::seclang::operator::{NumberTest, Operator};
use crate::seclang::program::{Rule, Select};
use crate::seclang::store::Store;
use crate::seclang::variable::List;

/// A comparison of one member of TX, or of how many there are of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quick {
    index: usize,
    count: bool,
    test: NumberTest,
    argument: i64,
    negated: bool,
}

impl Quick {
    /// The comparison that a rule's first link is; none where it is something else.
    pub(super) fn of(rule: &Rule) -> Option<Self> {
        let link = rule.links.first()?;
        let [target] = link.targets.as_slice() else { return None };
        let (Select::At(index), [List::Tx]) = (&target.select, target.lists) else { return None };
        let Operator::Number(test, template) = &link.operator else { return None };
        let argument = integer(template.fixed()?);
        let plain = link.transforms.is_empty() && link.exceptions.is_empty();
        plain.then_some(Self { index: *index, count: target.count, test: *test, argument, negated: link.negated })
    }

    /// The member of TX.
    pub(super) const fn index(&self) -> usize {
        self.index
    }

    /// Whether it holds.
    pub(super) fn holds(&self, store: &Store) -> bool {
        let value = store.at(List::Tx, self.index);
        let number = match (self.count, value) {
            (true, value) => i64::from(value.is_some()),
            (false, Some(span)) => integer(store.text(span)),
            (false, None) => return false,
        };
        self.test.holds(number, self.argument) != self.negated
    }
}
