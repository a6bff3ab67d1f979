//! What a change of a tenant's policies proposes: the texts that the tenant's snapshot takes in, but for the platform's.
//!
//! Guard-rails, roles and the platform's schema are the installation's: no change of a tenant carries them, so none can
//! bring older ones back or leave one out.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedargate_model::{PolicySetId, TenantName};
use sha2::{Digest, Sha256};

use crate::sources::{PLATFORM, PROPERTIES, TENANTS};
use crate::{Place, Problems, Sources, TenantScope};

/// A proposed set of one tenant: its modules and its own policies, by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    tenant: TenantName,
    id: PolicySetId,
    texts: BTreeMap<Arc<str>, Arc<str>>,
}

/// A file that differs between two sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path.
    pub path: Arc<str>,
    /// Its lines of before; none where it is new.
    pub before: Option<Arc<str>>,
    /// Its lines from then on; none where it is gone.
    pub after: Option<Arc<str>>,
}

impl Proposal {
    /// What a policy directory holds of a tenant's.
    pub fn of(sources: &Sources, tenant: &TenantName) -> Self {
        let own = format!("{TENANTS}/{tenant}");
        let bare = TenantScope::bare_host();
        let modules = sources.modules();
        let folders = modules.iter().filter(|module| !bare.modules.contains(*module)).map(|module| &**module);
        let below = folders.chain([&*own]).flat_map(|folder| sources.below(folder));
        Self::new(tenant.clone(), below.map(|(path, text)| (Arc::clone(path), Arc::clone(text))).collect())
    }

    /// Reads what [`Proposal::to_json`] wrote, if it is the set of that name.
    ///
    /// # Errors
    /// What is stored is something else, or has a file that no tenant's set has.
    pub fn from_json(text: &str, id: &PolicySetId, tenant: &TenantName) -> Result<Self, Problems> {
        let refuse = |message: String| {
            let mut problems = Problems::none();
            problems.add(Place::start_of("."), message);
            problems
        };
        let texts: BTreeMap<Arc<str>, Arc<str>> =
            serde_json::from_str(text).map_err(|error| refuse(format!("the stored set cannot be read: {error}")))?;
        let own = format!("{TENANTS}/{tenant}/");
        let foreign = |path: &&Arc<str>| {
            path.starts_with("platform/")
                || path.starts_with("properties/")
                || (path.starts_with("tenants/") && !path.starts_with(&*own))
        };
        if let Some(path) = texts.keys().find(foreign) {
            return Err(refuse(format!("the stored set has `{path}`, which is not the tenant's")));
        }
        let read = Self::new(tenant.clone(), texts);
        match read.id == *id {
            true => Ok(read),
            false => Err(refuse(format!("what is stored as set {id} is set {}: it was changed", read.id))),
        }
    }

    /// The texts as an object of JSON, by path.
    ///
    /// # Errors
    /// As `serde_json`'s own, which for texts means a defect.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&self.texts)
    }

    /// Names exactly this content: SHA-256 over every path and text, each with its length, in the paths' order.
    pub fn id(&self) -> &PolicySetId {
        &self.id
    }

    /// The texts, by path.
    pub fn texts(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.texts.iter()
    }

    /// What the tenant would be decided by: this set with the platform's texts of `sources`, and the standing properties that are
    /// not another tenant's or the bare host's. One about a module that the set leaves out is there, and then a mistake.
    ///
    /// # Errors
    /// As [`Sources::from_texts`].
    pub fn with_platform_of(&self, sources: &Sources) -> Result<Sources, Problems> {
        let properties = sources.below(PROPERTIES).filter(|(path, _)| self.is_held_by(path));
        let platform =
            sources.below(PLATFORM).chain(properties).map(|(path, text)| (Arc::clone(path), Arc::clone(text)));
        let own = self.texts.iter().map(|(path, text)| (Arc::clone(path), Arc::clone(text)));
        Sources::from_texts(platform.chain(own))
    }

    /// Whether a file of properties may be about the tenant.
    fn is_held_by(&self, path: &str) -> bool {
        let about = path.strip_prefix("properties/").and_then(|rest| rest.strip_suffix(".cedar")).unwrap_or_default();
        match about.strip_prefix("tenants/") {
            Some(tenant) => tenant == self.tenant.as_str(),
            None => !TenantScope::bare_host().modules.contains(about),
        }
    }

    /// What is another from here to `after`, by path.
    pub fn differences(&self, after: &Self) -> Vec<Difference> {
        let mut paths: Vec<_> = self.texts.keys().chain(after.texts.keys()).collect();
        paths.sort();
        paths.dedup();
        let differs = paths.into_iter().filter(|path| self.texts.get(*path) != after.texts.get(*path));
        differs
            .map(|path| Difference {
                path: Arc::clone(path),
                before: self.texts.get(path).cloned(),
                after: after.texts.get(path).cloned(),
            })
            .collect()
    }

    fn new(tenant: TenantName, texts: BTreeMap<Arc<str>, Arc<str>>) -> Self {
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(bytes);
        };
        add(b"cedargate policy set 1");
        for (path, text) in &texts {
            add(path.as_bytes());
            add(text.as_bytes());
        }
        let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { tenant, id: PolicySetId::from(hex.as_str()), texts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acme() -> TenantName {
        TenantName::parse("acme").unwrap()
    }

    fn directory() -> Sources {
        Sources::from_texts([
            ("platform/roles.toml", "platform's"),
            ("directory/matrix.txt", "the bare host's"),
            ("inventory/matrix.txt", "a"),
            ("tenants/acme/own.cedar", "b"),
            ("tenants/globex/own.cedar", "another's"),
        ])
        .unwrap()
    }

    #[test]
    fn a_set_holds_modules_and_the_tenants_own_policies_and_nothing_else() {
        let set = Proposal::of(&directory(), &acme());
        let paths: Vec<&str> = set.texts().map(|(path, _)| &**path).collect();
        assert_eq!(paths, ["inventory/matrix.txt", "tenants/acme/own.cedar"]);
        let whole = set.with_platform_of(&directory()).unwrap();
        assert!(whole.text("platform/roles.toml").is_some());
    }

    #[test]
    fn properties_of_other_tenants_and_of_the_bare_host_are_left_out() {
        let held = ["properties/inventory.cedar", "properties/platform.cedar", "properties/tenants/acme.cedar"];
        let others = ["properties/directory.cedar", "properties/tenants/globex.cedar"];
        let texts = held.iter().chain(&others).map(|path| (*path, ""));
        let own = [("inventory/matrix.txt", ""), ("platform/roles.toml", "")];
        let sources = Sources::from_texts(texts.chain(own)).unwrap();
        let whole = Proposal::of(&sources, &acme()).with_platform_of(&sources).unwrap();
        assert_eq!(whole.below("properties").map(|(path, _)| &**path).collect::<Vec<_>>(), held);
    }

    #[test]
    fn a_set_is_named_by_its_content_alone() {
        let set = Proposal::of(&directory(), &acme());
        let again = Proposal::from_json(&set.to_json().unwrap(), set.id(), &acme()).unwrap();
        assert_eq!(again, set);
        let other = Sources::from_texts([("inventory/matrix.txt", "ab"), ("tenants/acme/own.cedar", "")]).unwrap();
        assert_ne!(Proposal::of(&other, &acme()).id(), set.id());
    }

    #[test]
    fn a_stored_set_that_was_changed_is_refused() {
        let set = Proposal::of(&directory(), &acme());
        for (changed, said) in [
            (set.to_json().unwrap().replace("\"a\"", "\"c\""), "it was changed"),
            (r#"{"platform/guard-rails.cedar":""}"#.to_owned(), "is not the tenant's"),
            (r#"{"tenants/globex/own.cedar":""}"#.to_owned(), "is not the tenant's"),
            ("{".to_owned(), "cannot be read"),
        ] {
            let refused = Proposal::from_json(&changed, set.id(), &acme()).unwrap_err();
            assert!(refused.to_string().contains(said), "{refused}");
        }
    }
}
