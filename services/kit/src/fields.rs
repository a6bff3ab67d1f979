//! Checking a body's fields, all of them, before refusing.

use std::borrow::Cow;

use crate::problem::{FIELDS_INVALID, Problem};

/// Collects what is wrong with a request's fields, so that a client learns every mistake at once.
///
/// ```
/// use cedargate_kit::Fields;
///
/// fn port(number: i64) -> Result<u16, &'static str> {
///     u16::try_from(number).map_err(|_| "use 0 to 65535")
/// }
///
/// let mut fields = Fields::default();
/// let from = fields.required("from", Some(80), port);
/// let to = fields.required("to", Some(70_000), port);
/// let problem = fields.finish((from, to)).unwrap_err();
/// assert_eq!(problem.errors()[0].field, "to");
/// ```
#[derive(Debug, Default)]
pub struct Fields {
    problem: Option<Problem>,
}

impl Fields {
    /// Checks a field that has to be there. None where it is not, or wrong; [`Fields::finish`] then refuses.
    pub fn required<T, V, E: Into<Cow<'static, str>>>(
        &mut self,
        name: &str,
        given: Option<T>,
        parse: impl FnOnce(T) -> Result<V, E>,
    ) -> Option<V> {
        match given {
            Some(given) => self.checked(name, parse(given)),
            None => {
                self.refuse(name, "is required");
                None
            }
        }
    }

    /// Checks a field that may be missing. The outer `None` means that it is wrong, the inner one that it is missing.
    pub fn optional<T, V, E: Into<Cow<'static, str>>>(
        &mut self,
        name: &str,
        given: Option<T>,
        parse: impl FnOnce(T) -> Result<V, E>,
    ) -> Option<Option<V>> {
        match given {
            Some(given) => self.checked(name, parse(given)).map(Some),
            None => Some(None),
        }
    }

    /// Notes that a field is wrong.
    pub fn refuse(&mut self, name: &str, detail: impl Into<Cow<'static, str>>) {
        let problem = self.problem.take().unwrap_or_else(|| Problem::new(FIELDS_INVALID));
        self.problem = Some(problem.field(name, detail));
    }

    /// All the values, or everything that is wrong.
    ///
    /// # Errors
    /// `fields_invalid`, naming each field.
    pub fn finish<C: Checked>(self, values: C) -> Result<C::Values, Problem> {
        match (self.problem, values.all()) {
            (None, Some(values)) => Ok(values),
            (Some(problem), _) => Err(problem),
            // A value can only be missing because a check refused it, which would have left a problem.
            (None, None) => Err(FIELDS_INVALID.into()),
        }
    }

    fn checked<V, E: Into<Cow<'static, str>>>(&mut self, name: &str, checked: Result<V, E>) -> Option<V> {
        checked.map_err(|detail| self.refuse(name, detail)).ok()
    }
}

/// Checked values of which some may be missing: tuples of `Option`s.
pub trait Checked {
    /// The tuple without the `Option`s.
    type Values;

    /// All of them, or none.
    fn all(self) -> Option<Self::Values>;
}

macro_rules! checked_tuples {
    ($(($($value:ident),+);)+) => {$(
        impl<$($value),+> Checked for ($(Option<$value>,)+) {
            type Values = ($($value,)+);

            #[expect(non_snake_case, reason = "a type's name also names its value in this list")]
            fn all(self) -> Option<Self::Values> {
                let ($($value,)+) = self;
                Some(($($value?,)+))
            }
        }
    )+};
}

checked_tuples! {
    (A);
    (A, B);
    (A, B, C);
    (A, B, C, D);
    (A, B, C, D, E);
    (A, B, C, D, E, F);
}
