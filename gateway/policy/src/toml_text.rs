//! Reading TOML so that every mistake has its place, not only the first.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::problem::PROBLEMS_MAX;
use crate::{Place, Problems};

/// The most tables of an array.
const ENTRIES_MAX: usize = 4_000;

/// A TOML text and the file that it is from.
#[derive(Clone, Copy, Debug)]
pub struct TomlText<'t> {
    /// The file, as places name it.
    pub file: &'t Arc<str>,
    /// What it holds.
    pub text: &'t str,
}

impl<'t> TomlText<'t> {
    /// The place of a span.
    pub fn place<T>(&self, spanned: &Spanned<T>) -> Place {
        Place::of_span(self.file, self.text, &spanned.span())
    }

    /// Parses the text's syntax.
    pub fn table(&self, problems: &mut Problems) -> Option<DeTable<'t>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors.iter().take(PROBLEMS_MAX) {
            self.add(error, None, problems);
        }
        errors.is_empty().then(|| table.into_inner())
    }

    /// Reads one value; `what` is said where it is missing.
    pub fn value<T: DeserializeOwned>(&self, table: &mut DeTable<'t>, key: &str, problems: &mut Problems) -> Option<T> {
        match table.remove(key) {
            Some(value) => self.read(value, problems),
            None => {
                problems.add(Place::start_of(Arc::clone(self.file)), format!("`{key}` is missing"));
                None
            }
        }
    }

    /// Reads the entries of an array of tables one by one, so that each has its own mistake, with each one's place.
    pub fn entries<T: DeserializeOwned>(
        &self,
        table: &mut DeTable<'t>,
        key: &str,
        problems: &mut Problems,
    ) -> Vec<(Place, T)> {
        let Some(value) = table.remove(key) else { return Vec::new() };
        let place = self.place(&value);
        match value.into_inner() {
            DeValue::Array(array) if array.len() > ENTRIES_MAX => {
                problems.add(place, format!("more than {ENTRIES_MAX} of `[[{key}]]`"));
                Vec::new()
            }
            DeValue::Array(array) => array
                .into_iter()
                .filter_map(|entry| {
                    let place = self.place(&entry);
                    self.read(entry, problems).map(|read| (place, read))
                })
                .collect(),
            _ => {
                problems.add(place, format!("write `[[{key}]]`, once for each"));
                Vec::new()
            }
        }
    }

    /// Says of everything that was not read that it is unknown.
    pub fn finish(&self, table: DeTable<'t>, known: &[&str], problems: &mut Problems) {
        for (key, _) in table {
            let message = format!("unknown key `{}`, expected {}", key.get_ref(), known.join(", "));
            problems.add(self.place(&key), message);
        }
    }

    fn read<T: DeserializeOwned>(&self, value: Spanned<DeValue<'t>>, problems: &mut Problems) -> Option<T> {
        let place = self.place(&value);
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(read) => Some(read),
            Err(error) => {
                self.add(&error, Some(place), problems);
                None
            }
        }
    }

    fn add(&self, error: &toml::de::Error, fallback: Option<Place>, problems: &mut Problems) {
        let spanned = error.span().map(|span| Place::of_span(self.file, self.text, &span));
        let place = spanned.or(fallback).unwrap_or_else(|| Place::start_of(Arc::clone(self.file)));
        problems.add(place, error.message());
    }
}
