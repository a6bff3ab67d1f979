//! Where a patch changes something (RFC 7644 §3.5.2, figure 7).

use crate::ResourceKind;
use crate::error::{ScimError, ScimType, quoted};
use crate::filter::{FILTER_BYTES_MAX, Node, Parser, Within};
use crate::schema::{Named, Place, Schema, resolve};

/// A place that a patch names.
#[derive(Clone, Debug)]
pub(crate) enum PatchPath {
    /// A whole extension.
    Extension(&'static Schema),
    /// An attribute, a part of it, or the values of a list for which a filter holds.
    Place(Place, Option<Node>),
}

impl PatchPath {
    /// Reads a path. None where it names what nobody knows.
    ///
    /// # Errors
    /// `invalidPath`, or `invalidFilter` for what stands in brackets.
    pub(crate) fn parse(kind: ResourceKind, text: &str) -> Result<Option<Self>, ScimError> {
        if text.len() > FILTER_BYTES_MAX {
            return Err(invalid(text));
        }
        let Some((name, rest)) = text.split_once('[') else {
            return Ok(resolve(kind, text).map(|named| match named {
                Named::Extension(schema) => Self::Extension(schema),
                Named::Place(place) => Self::Place(place, None),
            }));
        };
        let Some(Named::Place(place)) = resolve(kind, name) else { return Ok(None) };
        if place.sub.is_some() || !place.attribute.is_many() || place.attribute.subs().is_empty() {
            return Err(invalid(text));
        }
        let (node, behind) = Parser::new(rest, Within::Value(place.attribute))?.bracketed()?;
        let sub = match behind.strip_prefix('.') {
            Some(sub) => match place.attribute.sub(sub) {
                Some(sub) => Some(sub),
                None => return Ok(None),
            },
            None if behind.is_empty() => None,
            None => return Err(invalid(text)),
        };
        Ok(Some(Self::Place(Place { sub, ..place }, Some(node))))
    }
}

pub(crate) fn invalid(text: &str) -> ScimError {
    ScimError::bad(ScimType::InvalidPath, format!("`{}` is no path of this resource", quoted(text)))
}
