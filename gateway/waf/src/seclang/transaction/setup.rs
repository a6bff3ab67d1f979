//! What a gateway asks of a transaction beside its rules: how one route is inspected.

use super::Transaction;
use crate::seclang::ast::EngineMode;
use crate::seclang::store::Span;
use crate::seclang::variable::{List, scalar};

/// How an exchange is inspected.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'s> {
    /// Whether rules end the exchange, or only find; in place of what `SecRuleEngine` says.
    pub mode: EngineMode,
    /// Members of TX and their values, set before the first rule runs: paranoia, thresholds, what a route admits. Rules that set a
    /// default do so only where there is none. Names that no rule has are passed over.
    pub tx: &'s [(&'s str, &'s str)],
    /// Body fields whose values are secrets and are not looked at: `password` is a form's field or a member of a JSON body's
    /// top-level object; `/user/password` (RFC 6901) is a member deeper in it. The first of each name.
    pub exempt_fields: &'s [String],
    /// Cookies that are the gateway's own and are not looked at.
    pub own_cookies: &'s [&'s str],
    /// Whether bodies that rules have no reader for are read all the same: texts as one value and as a form, and JSON by
    /// whatever name it goes.
    pub reads_texts: bool,
}

impl Setup<'_> {
    /// What rules alone ask for.
    pub const fn of(mode: EngineMode) -> Self {
        Self { mode, tx: &[], exempt_fields: &[], own_cookies: &[], reads_texts: false }
    }
}

impl<'s> Transaction<'s> {
    /// The same transaction, set up so. Before it is given anything.
    #[must_use]
    pub fn set_up(mut self, setup: Setup<'s>) -> Self {
        self.mode = setup.mode;
        self.setup = setup;
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

    /// Empties the values of exempt fields, and with them the body as one text, which has them, too.
    pub(super) fn hide_exempt_fields(&mut self) {
        for field in self.setup.exempt_fields {
            let store = &mut self.scratch.store;
            let items = store.list(List::ArgsPost);
            let found = items.iter().position(|item| is_field(store.text(item.name), field));
            if let Some(index) = found {
                store.set_at(List::ArgsPost, index, Some(Span::default()));
                store.set_at(List::Scalars, scalar::REQUEST_BODY, None);
            }
        }
    }
}

/// Whether an argument of a body is the field that is meant.
fn is_field(name: &[u8], field: &str) -> bool {
    if name == field.as_bytes() {
        return true;
    }
    let Some(path) = name.strip_prefix(b"json.") else { return false };
    match field.strip_prefix('/') {
        None => path == field.as_bytes(),
        Some(pointer) => {
            let member = |token: &str| token.replace("~1", "/").replace("~0", "~");
            path == pointer.split('/').map(member).collect::<Vec<_>>().join(".").as_bytes()
        }
    }
}
