//! In which language somebody is answered, and from where they look.

use std::fmt;
use std::ops::Deref;

use cedargate_model::RequestId;
use cedargate_texts::{Language, Texts};

use crate::return_to::ReturnTo;

/// What every page is rendered with, as `t`: what it says, by the methods of [`Texts`], and where to come back to in another language.
#[derive(Clone, Debug)]
pub(crate) struct View {
    texts: Texts,
    here: Option<ReturnTo>,
}

impl View {
    /// A page at this address. None where it answers a form: what was sent is not sent again for the sake of its language.
    pub(crate) fn new(language: Language, here: Option<ReturnTo>) -> Self {
        Self { texts: Texts::of(language), here }
    }

    /// The texts, without the place.
    pub(crate) fn texts(&self) -> Texts {
        self.texts
    }

    /// For templates: where the page is.
    pub(crate) fn here(&self) -> Option<&ReturnTo> {
        self.here.as_ref()
    }
}

impl Deref for View {
    type Target = Texts;

    fn deref(&self) -> &Texts {
        &self.texts
    }
}

/// A request as a refusal of it needs to know it: by the id that is quoted, and by the language that it is answered in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answering {
    pub(crate) id: RequestId,
    pub(crate) language: Language,
}

impl fmt::Display for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}
