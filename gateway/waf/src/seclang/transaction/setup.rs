//! What a gateway asks of a transaction beside its rules: how one route is inspected.

use super::Transaction;
use crate::seclang::ast::EngineMode;
use crate::seclang::store::{Item, Span};
use crate::seclang::variable::{List, scalar};

/// How an exchange is inspected.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'s> {
    /// Whether rules end the exchange, or only find; in place of what `SecRuleEngine` says.
    pub mode: EngineMode,
    /// Members of TX and their values, set before the first rule runs: paranoia, thresholds, what a route admits. Rules that set a
    /// default do so only where there is none. Names that no rule has are passed over.
    pub tx: &'s [(&'s str, &'s str)],
    /// Body fields whose values are secrets and are not looked at: `password` is a form's field, or a string in a JSON body's
    /// top-level object; `/user/password` (RFC 6901) is a string deeper in it, outside of arrays. The first of each name.
    pub exempt_fields: &'s [String],
    /// Cookies that are the gateway's own and are not looked at.
    pub own_cookies: &'s [&'s str],
    /// Whether bodies that rules have no reader for are read all the same: texts as one value and as a form, and JSON by
    /// whatever name it goes.
    pub reads_texts: bool,
    /// How long it may take.
    pub budget: Budget,
}

/// How much work a transaction may cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// All that its bounds allow, linear in what is inspected: milliseconds, where somebody tries.
    Whole,
    /// A fraction of a millisecond, many times what an ordinary request takes. Where that is not enough the transaction is cut short
    /// ([`Report::is_cut_short`](super::Report::is_cut_short)) and says nothing: it is to be run again with the whole budget.
    Brief,
}

impl Setup<'_> {
    /// What rules alone ask for.
    pub const fn of(mode: EngineMode) -> Self {
        Self { mode, tx: &[], exempt_fields: &[], own_cookies: &[], reads_texts: false, budget: Budget::Whole }
    }
}

impl<'s> Transaction<'s> {
    /// The same transaction, set up so. Before it is given anything.
    #[must_use]
    pub fn set_up(mut self, setup: Setup<'s>) -> Self {
        self.mode = setup.mode;
        self.setup = setup;
        if setup.budget == Budget::Brief {
            self.scratch.found.be_brief();
            self.scratch.steps.be_brief();
        }
        let mut name = std::mem::take(&mut self.scratch.buffers.set);
        for (key, value) in setup.tx {
            name.clear();
            name.extend_from_slice(key.as_bytes());
            name.make_ascii_lowercase();
            if let Some(place) = self.program.tx_places.get(name.as_slice()) {
                let value = self.scratch.store.push(value.as_bytes());
                self.scratch.store.set_at(List::Tx, *place, Some(value));
            }
        }
        self.scratch.buffers.set = name;
        self
    }

    /// Takes the gateway's own cookies out of what rules see.
    pub(super) fn hide_own_cookies(&mut self) {
        for index in 0..self.scratch.store.list(List::Cookies).len() {
            let store = &mut self.scratch.store;
            let name = store.list(List::Cookies).get(index).map_or(&[][..], |cookie| store.text(cookie.name));
            if self.setup.own_cookies.iter().any(|own| own.as_bytes() == name) {
                store.set_at(List::Cookies, index, None);
            }
        }
    }

    /// Empties the values of exempt fields of a form, and with them the body as one text, which has them, too. JSON's reader leaves
    /// its own empty.
    pub(super) fn hide_exempt_fields(&mut self, body: Span) {
        let mut is_hidden = false;
        for field in self.setup.exempt_fields {
            let store = &mut self.scratch.store;
            let is_field = |item: &Item| item.value != body && store.text(item.name) == field.as_bytes();
            let found = store.list(List::ArgsPost).iter().position(is_field);
            if let Some(index) = found {
                store.set_at(List::ArgsPost, index, Some(Span::default()));
                store.set_at(List::Scalars, scalar::REQUEST_BODY, None);
                is_hidden = true;
            }
        }
        if is_hidden {
            self.hide_body_text(body);
        }
    }

    /// Empties the body as one value, and what stands beside it under the same name.
    fn hide_body_text(&mut self, body: Span) {
        let store = &mut self.scratch.store;
        let Some(name) = store.list(List::ArgsPost).iter().find(|item| item.value == body).map(|item| item.name) else {
            return;
        };
        for index in 0..store.list(List::ArgsPost).len() {
            if store.list(List::ArgsPost).get(index).is_some_and(|item| item.name == name) {
                store.set_at(List::ArgsPost, index, Some(Span::default()));
            }
        }
    }
}
