//! What a key is, said once: the loader reads by it, and the reference page is made from it.

/// One key of a section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) fallback: Fallback,
    /// The environment variable that overrides the file.
    pub(crate) environment: Option<&'static str>,
    /// What it is for, and why its default is what it is. Markdown.
    pub(crate) about: &'static str,
}

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A string, of this kind.
    Text(&'static str),
    /// A file or directory. A relative one is taken from the configuration file's directory.
    Path,
    /// An integer within both bounds.
    Integer { min: u64, max: u64 },
    /// A number from 0 to 1.
    Ratio,
    /// `true` or `false`.
    Switch,
    /// A list of strings, of this kind.
    Texts(&'static str),
}

/// What holds where a key is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// Nothing: it must be there.
    Required,
    /// This value, as TOML has it.
    Value(&'static str),
    /// Something that these words describe.
    Words(&'static str),
}

/// A table of the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    /// Its header: `[listen]`, `[[listen.listener]]`, `[upstreams.NAME]`.
    pub(crate) header: &'static str,
    /// What it is about. Markdown.
    pub(crate) about: &'static str,
    pub(crate) keys: &'static [Key],
}

impl Shape {
    /// What to write, for a message and for the reference.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Text(kind) => kind.to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Integer { min, max } => format!("an integer from {min} to {max}"),
            Self::Ratio => "a number from 0 to 1".to_owned(),
            Self::Switch => "`true` or `false`".to_owned(),
            Self::Texts(kind) => format!("a list, each {kind}"),
        }
    }
}
