//! A resource as it is answered: what clients wrote, and what the gateway says of it.

use cedargate_model::Micros;
use serde_json::{Map, Value, json};

use crate::claims::Membership;
use crate::moment;
use crate::resource::Resource;
use crate::schema::ResourceKind;

/// What the gateway says of a resource.
#[derive(Clone, Debug)]
pub struct Rendered<'r> {
    /// Of which kind it is.
    pub kind: ResourceKind,
    /// Its id.
    pub id: &'r str,
    /// What clients wrote.
    pub resource: &'r Resource,
    /// Whether a user may sign in; nothing of a group.
    pub active: Option<bool>,
    /// The groups that a user is in.
    pub groups: &'r [Membership],
    /// When it was made.
    pub created_at: Micros,
    /// When it was last changed.
    pub modified_at: Micros,
    /// Its ETag, as it stands in the header.
    pub version: &'r str,
}

impl Rendered<'_> {
    /// The resource, for a service whose root is at `base`: `https://acme.gateway.example/scim/v2`.
    pub fn to_map(&self, base: &str) -> Map<String, Value> {
        let mut map = self.resource.clone();
        let extension = self.kind.extension().filter(|extension| map.contains_key(extension.id));
        let schemas: Vec<&str> = std::iter::once(self.kind.core().id).chain(extension.map(|known| known.id)).collect();
        map.insert("schemas".to_owned(), schemas.into());
        map.insert("id".to_owned(), self.id.into());
        if let Some(active) = self.active {
            map.insert("active".to_owned(), active.into());
        }
        if !self.groups.is_empty() {
            let shown = |group: &Membership| {
                json!({
                    "value": group.group,
                    "$ref": format!("{base}/Groups/{}", group.group),
                    "display": group.display,
                    "type": "direct",
                })
            };
            map.insert("groups".to_owned(), self.groups.iter().map(shown).collect());
        }
        let meta = json!({
            "resourceType": self.kind.name(),
            "created": moment::to_text(self.created_at),
            "lastModified": moment::to_text(self.modified_at),
            "location": self.location(base),
            "version": self.version,
        });
        map.insert("meta".to_owned(), meta);
        map
    }

    /// Where it is.
    pub fn location(&self, base: &str) -> String {
        format!("{base}{}/{}", self.kind.endpoint(), self.id)
    }
}

/// What names are compared by: two that differ in case alone are one.
///
/// Only what is the other's capital in both directions counts as that: the sign for kelvin has `k` as its small letter, and is no `K`. A
/// provider that tells the two apart would let somebody choose the name that another is known by.
pub fn user_name_key(name: &str) -> String {
    name.chars().map(small).collect()
}

fn small(c: char) -> char {
    let small = only(c.to_lowercase());
    small.filter(|small| only(small.to_uppercase()) == Some(c)).unwrap_or(c)
}

fn only(mut cased: impl Iterator<Item = char>) -> Option<char> {
    let first = cased.next();
    first.filter(|_| cased.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_that_differ_in_case_and_in_nothing_else() {
        for (name, key) in
            [("Ada@Acme.Example", "ada@acme.example"), ("ÄNNE", "änne"), ("ΑΝΝΑ", "αννα"), ("ada", "ada")]
        {
            assert_eq!(user_name_key(name), key);
        }
        // Signs for kelvin and angstrom, a dotted capital I, a capital sharp s.
        for other in ["\u{212a}im", "\u{212b}sa", "\u{130}da", "gro\u{1e9e}"] {
            assert_eq!(user_name_key(other), other);
        }
    }
}
