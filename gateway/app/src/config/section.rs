//! Reading tables leaf by leaf, so that every mistake is found in one go and each has its place.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cedargate_policy::Place;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::environment::Environment;
use super::key::{Fallback, Key, Shape};
use super::mistake::{Mistakes, Noted, Whence};

/// The file that is being read, and what is wrong with it so far.
pub(crate) struct Document<'t> {
    file: Arc<str>,
    text: &'t str,
    /// What relative paths are relative to.
    directory: PathBuf,
    pub(crate) environment: &'t Environment,
    mistakes: RefCell<Mistakes>,
}

impl<'t> Document<'t> {
    pub(crate) fn new(file: &Path, text: &'t str, environment: &'t Environment) -> Self {
        let directory = file.parent().map(Path::to_owned).unwrap_or_default();
        let file = file.display().to_string().into();
        Self { file, text, directory, environment, mistakes: RefCell::default() }
    }

    /// The document's top table. Where the syntax is broken, nothing else is looked at: the rest would be guesses.
    pub(crate) fn parse(&self) -> Result<Section<'_, 't>, Noted> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let place = error.span().map_or_else(|| self.start(), |span| Place::of_span(&self.file, self.text, &span));
            self.note(Whence::File(place), "", one_line(error.message()));
        }
        if !errors.is_empty() {
            return Err(Noted);
        }
        Ok(Section {
            document: self,
            path: String::new(),
            place: self.start(),
            table: table.into_inner(),
            asked: Vec::new(),
            places: BTreeMap::new(),
        })
    }

    /// Everything that is wrong; nothing where nothing is.
    pub(crate) fn into_mistakes(self) -> Mistakes {
        self.mistakes.into_inner().sorted()
    }

    pub(crate) fn note(&self, whence: Whence, key: impl Into<String>, message: impl Into<String>) -> Noted {
        self.mistakes.borrow_mut().add(whence, key, message);
        Noted
    }

    /// A path, from the file's directory on where it is relative.
    pub(crate) fn resolve(&self, path: impl AsRef<Path>) -> PathBuf {
        self.directory.join(path)
    }

    fn start(&self) -> Place {
        Place::start_of(Arc::clone(&self.file))
    }

    fn place<T>(&self, spanned: &Spanned<T>) -> Place {
        Place::of_span(&self.file, self.text, &spanned.span())
    }
}

/// A table on its way to a checked type: take every key, then [`Section::finish`].
pub(crate) struct Section<'d, 't> {
    pub(crate) document: &'d Document<'t>,
    path: String,
    place: Place,
    table: DeTable<'t>,
    asked: Vec<&'static str>,
    /// Where the file says what was taken, for mistakes that only show beside other keys.
    places: BTreeMap<&'static str, Place>,
}

/// A value, and where it came from.
struct Found<'t> {
    value: DeValue<'t>,
    whence: Whence,
}

impl<'d, 't> Section<'d, 't> {
    /// A string that `parse` accepts.
    pub(crate) fn text<T, E: Display>(
        &mut self,
        key: &'static Key,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Noted> {
        match self.optional_text(key, parse)? {
            Some(value) => Ok(value),
            None => Err(self.missing(key)),
        }
    }

    /// The same for a key that may be left out.
    pub(crate) fn optional_text<T, E: Display>(
        &mut self,
        key: &'static Key,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Noted> {
        let Some(found) = self.found(key) else { return Ok(None) };
        let text = self.expect_text(key, &found)?;
        parse(&text).map(Some).map_err(|error| self.document.note(found.whence, self.path_of(key), error.to_string()))
    }

    /// A path, made absolute or relative to the working directory.
    pub(crate) fn optional_path(&mut self, key: &'static Key) -> Result<Option<PathBuf>, Noted> {
        let document = self.document;
        self.optional_text(key, |text| match text {
            "" => Err("a path cannot be empty"),
            path => Ok(document.resolve(path)),
        })
    }

    /// A number that may be left out.
    pub(crate) fn optional_integer(&mut self, key: &'static Key) -> Result<Option<u64>, Noted> {
        match self.found(key) {
            Some(_) => self.integer(key).map(Some),
            None => Ok(None),
        }
    }

    /// A path that must be there or has a default.
    pub(crate) fn path(&mut self, key: &'static Key) -> Result<PathBuf, Noted> {
        self.optional_path(key)?.ok_or_else(|| self.missing(key))
    }

    /// An integer within the bounds of its key.
    pub(crate) fn integer(&mut self, key: &'static Key) -> Result<u64, Noted> {
        let Some(found) = self.found(key) else { return Err(self.missing(key)) };
        let Shape::Integer { min, max } = key.shape else { return Err(self.unexpected(key, &found)) };
        let DeValue::Integer(written) = &found.value else { return Err(self.unexpected(key, &found)) };
        match u64::from_str_radix(written.as_str(), written.radix()) {
            Ok(value) if (min..=max).contains(&value) => Ok(value),
            _ => Err(self.unexpected(key, &found)),
        }
    }

    /// An integer that fits another type, which its key's bounds must see to.
    pub(crate) fn integer_as<T: TryFrom<u64>>(&mut self, key: &'static Key) -> Result<T, Noted> {
        let value = self.integer(key)?;
        T::try_from(value).map_err(|_| self.complain(key, format!("{value} is too large")))
    }

    /// A number from 0 to 1.
    pub(crate) fn ratio(&mut self, key: &'static Key) -> Result<f64, Noted> {
        let Some(found) = self.found(key) else { return Err(self.missing(key)) };
        let read = match &found.value {
            DeValue::Float(written) => written.as_str().parse().ok(),
            DeValue::Integer(written) => written.as_str().parse().ok(),
            _ => None,
        };
        match read {
            Some(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
            _ => Err(self.unexpected(key, &found)),
        }
    }

    /// `true` or `false`.
    pub(crate) fn switch(&mut self, key: &'static Key) -> Result<bool, Noted> {
        let Some(found) = self.found(key) else { return Err(self.missing(key)) };
        found.value.as_bool().ok_or_else(|| self.unexpected(key, &found))
    }

    /// A list of strings that `parse` accepts one by one.
    pub(crate) fn texts<T, E: Display>(
        &mut self,
        key: &'static Key,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Vec<T>, Noted> {
        let Some(found) = self.found(key) else { return Err(self.missing(key)) };
        let Shape::Texts(kind) = key.shape else { return Err(self.unexpected(key, &found)) };
        let DeValue::Array(array) = found.value else { return Err(self.unexpected(key, &found)) };
        let read = array.into_iter().map(|entry| {
            let place = match &found.whence {
                Whence::File(_) => Whence::File(self.document.place(&entry)),
                environment @ Whence::Environment { .. } => environment.clone(),
            };
            match entry.get_ref().as_str() {
                None => {
                    let message = format!("write {kind}, not {}", article(entry.get_ref().type_str()));
                    Err(self.document.note(place, self.path_of(key), message))
                }
                Some(text) => {
                    parse(text).map_err(|error| self.document.note(place, self.path_of(key), error.to_string()))
                }
            }
        });
        // Every entry is read before the first bad one ends it.
        read.collect::<Vec<_>>().into_iter().collect()
    }

    /// The table of that name; empty where there is none.
    pub(crate) fn section(&mut self, name: &'static str) -> Result<Section<'d, 't>, Noted> {
        self.asked.push(name);
        let path = self.join(name);
        match self.table.remove(name) {
            None => Ok(self.child(path, self.place.clone(), DeTable::new())),
            Some(value) => self.as_table(value, path, &format!("write a table `[{name}]`")),
        }
    }

    /// The table of that name; none where there is none.
    pub(crate) fn optional_section(&mut self, name: &'static str) -> Result<Option<Section<'d, 't>>, Noted> {
        match self.table.contains_key(name) {
            true => self.section(name).map(Some),
            false => {
                self.asked.push(name);
                Ok(None)
            }
        }
    }

    /// The tables of an array of tables; none where there is no array.
    pub(crate) fn sections(&mut self, name: &'static str) -> Result<Vec<Section<'d, 't>>, Noted> {
        self.asked.push(name);
        let path = self.join(name);
        let Some(value) = self.table.remove(name) else { return Ok(Vec::new()) };
        let place = self.document.place(&value);
        let hint = format!("write `[[{path}]]`, once for each");
        let DeValue::Array(array) = value.into_inner() else {
            return Err(self.document.note(Whence::File(place), path, hint));
        };
        let entries = array.into_iter().enumerate();
        let read = entries.map(|(n, entry)| self.as_table(entry, format!("{path}[{n}]"), &hint));
        read.collect::<Vec<_>>().into_iter().collect()
    }

    /// Every table in this one, by name: for tables whose keys are names that people choose.
    pub(crate) fn named_sections(mut self) -> Result<Vec<(String, Section<'d, 't>)>, Noted> {
        let table = std::mem::take(&mut self.table);
        let read = table.into_iter().map(|(name, value)| {
            let name = name.into_inner().into_owned();
            let path = self.join(&name);
            let hint = format!("write a table `[{path}]`");
            self.as_table(value, path, &hint).map(|section| (name, section))
        });
        read.collect::<Vec<_>>().into_iter().collect()
    }

    /// Notes a mistake of one key that only shows beside others.
    pub(crate) fn complain(&self, key: &Key, message: impl Into<String>) -> Noted {
        let place = self.places.get(key.name).unwrap_or(&self.place).clone();
        self.document.note(Whence::File(place), self.path_of(key), message)
    }

    /// Notes a mistake of the table itself.
    pub(crate) fn complain_of_table(&self, message: impl Into<String>) -> Noted {
        self.document.note(Whence::File(self.place.clone()), self.path.as_str(), message)
    }

    /// Says of everything that was not taken that it is unknown.
    pub(crate) fn finish(self) {
        for (name, _) in &self.table {
            let known: Vec<String> = self.asked.iter().map(|name| format!("`{name}`")).collect();
            let message = format!("unknown key, expected one of {}", known.join(", "));
            self.document.note(Whence::File(self.document.place(name)), self.join(name.get_ref()), message);
        }
    }

    /// The key's value: from the environment, the file or its default, in this order.
    fn found(&mut self, key: &'static Key) -> Option<Found<'t>> {
        self.asked.push(key.name);
        let written = self.table.remove(key.name);
        if let Some(name) = key.environment
            && let Some(text) = self.document.environment.get(name)
        {
            let value = DeValue::String(text.to_owned().into());
            return Some(Found { value, whence: Whence::Environment { environment: name } });
        }
        if let Some(value) = written {
            let place = self.document.place(&value);
            self.places.insert(key.name, place.clone());
            let whence = Whence::File(place);
            return Some(Found { value: value.into_inner(), whence });
        }
        match key.fallback {
            Fallback::Required | Fallback::Words(_) => None,
            Fallback::Value(literal) => {
                let value = DeValue::parse(literal).ok()?.into_inner();
                Some(Found { value, whence: Whence::File(self.place.clone()) })
            }
        }
    }

    fn expect_text(&self, key: &Key, found: &Found<'t>) -> Result<String, Noted> {
        found.value.as_str().map(ToOwned::to_owned).ok_or_else(|| self.unexpected(key, found))
    }

    fn unexpected(&self, key: &Key, found: &Found<'t>) -> Noted {
        let what = match &found.value {
            DeValue::Integer(written) => format!("`{}`", written.as_str()),
            DeValue::Float(written) if key.shape == Shape::Ratio => format!("`{}`", written.as_str()),
            other => article(other.type_str()),
        };
        let message = format!("write {}, not {what}", key.shape.describe());
        self.document.note(found.whence.clone(), self.path_of(key), message)
    }

    fn missing(&self, key: &Key) -> Noted {
        let elsewhere = key.environment.map_or_else(String::new, |name| format!(", or set {name}"));
        let message = format!("missing; write {}{elsewhere}", key.shape.describe());
        self.complain(key, message)
    }

    fn as_table(&self, value: Spanned<DeValue<'t>>, path: String, hint: &str) -> Result<Section<'d, 't>, Noted> {
        let place = self.document.place(&value);
        match value.into_inner() {
            DeValue::Table(table) => Ok(self.child(path, place, table)),
            _ => Err(self.document.note(Whence::File(place), path, hint)),
        }
    }

    fn child(&self, path: String, place: Place, table: DeTable<'t>) -> Section<'d, 't> {
        Section { document: self.document, path, place, table, asked: Vec::new(), places: BTreeMap::new() }
    }

    fn path_of(&self, key: &Key) -> String {
        self.join(key.name)
    }

    fn join(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

fn one_line(message: &str) -> String {
    message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

fn article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'i', 'o']);
    if vowel { format!("an {kind}") } else { format!("a {kind}") }
}
