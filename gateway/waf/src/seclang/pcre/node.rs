//! A pattern as a tree.

use crate::seclang::bytes::ByteSet;

/// A pattern, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// Nothing, which always matches.
    Empty,
    /// One octet of a set.
    Byte(ByteSet),
    /// A condition on the place between two octets.
    Look(Look),
    /// A group whose match is kept.
    Group(usize, Box<Self>),
    /// One after the other.
    Concat(Vec<Self>),
    /// The first of these that matches.
    Alternate(Vec<Self>),
    /// A part, again and again.
    Repeat {
        /// At least so often.
        min: u32,
        /// At most so often; none for any number.
        max: Option<u32>,
        /// How much it takes first.
        greed: Greed,
        /// What is repeated.
        node: Box<Self>,
    },
    /// A condition on the text ahead or behind.
    Around {
        /// On the text behind.
        behind: bool,
        /// That it does not match.
        negative: bool,
        /// What must match or not.
        node: Box<Self>,
    },
    /// A part that gives nothing back once it has matched.
    Atomic(Box<Self>),
    /// What a group matched, again.
    Back {
        /// The group.
        group: usize,
        /// Whether letters may differ in case.
        any_case: bool,
    },
}

/// How much a repetition takes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greed {
    /// As much as it can.
    Greedy,
    /// As little as it can.
    Lazy,
    /// As much as it can, and gives nothing back.
    Possessive,
}

/// A condition on the place between two octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// The text begins here.
    Start,
    /// The text ends here.
    End,
    /// A line begins here.
    LineStart,
    /// A line ends here.
    LineEnd,
    /// A word begins or ends here.
    WordBoundary,
    /// None does.
    NoWordBoundary,
}

/// What PCRE takes for a word's octets.
pub(crate) const WORD: ByteSet = ByteSet::range(b'0', b'9')
    .union(ByteSet::range(b'A', b'Z'))
    .union(ByteSet::range(b'a', b'z'))
    .union(ByteSet::of(b"_"));
