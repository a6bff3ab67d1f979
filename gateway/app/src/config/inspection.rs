//! How requests are inspected: which rules, how strictly, and how sure they must be.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedargate_dataplane::{RuleChoice, RuleSettings, Shadow};
use cedargate_model::TenantName;
use cedargate_waf::Threshold;

use super::key::{Fallback, Key, Shape, Table};
use super::mistake::Noted;
use super::section::Section;

pub(crate) const TABLE: Table = Table {
    header: "[inspection]",
    about: "Which rules inspect requests, and how sure they must be before they refuse. A route says otherwise in its module's \
            `routes.toml`.",
    keys: &[THRESHOLD, RULES, PARANOIA, SHADOW, SHADOW_PERCENT],
};

pub(crate) const TENANT_TABLE: Table = Table {
    header: "[inspection.tenants.NAME]",
    about: "What the tenant `NAME` has of its own. A route's word comes first, then this, then `[inspection]`.",
    keys: &[TENANT_RULES, TENANT_PARANOIA, TENANT_THRESHOLD],
};

const THRESHOLD: Key = Key {
    name: "threshold",
    shape: Shape::Integer { min: 1, max: 10_000 },
    fallback: Fallback::Value("5"),
    environment: None,
    about: "The summed score from which a route in mode `block` refuses. One critical finding scores 5, an error 4, a \
            warning 3, a notice 2.",
};
const RULES: Key = Key {
    name: "rules",
    shape: Shape::Text(RULES_SHAPE),
    fallback: Fallback::Words("the built-in rules"),
    environment: None,
    about: "The rule set that inspects requests: the folder of that name in `waf/` in the policy directory, with its \
            `main.conf` in ModSecurity's language. A change of it takes effect by itself once it was checked; until then, the \
            former rules inspect.",
};
const PARANOIA: Key = Key {
    name: "paranoia",
    shape: Shape::Integer { min: 1, max: 4 },
    fallback: Fallback::Value("1"),
    environment: None,
    about: "The rule set's paranoia level: the higher, the more it finds, harmless things among them.",
};
const SHADOW: Key = Key {
    name: "shadow",
    shape: Shape::Text(RULES_SHAPE),
    fallback: Fallback::Words("none"),
    environment: None,
    about: "A rule set that is run beside the live one and has no effect: `cedargate_waf_shadow_total` counts how often it says \
            something else.",
};
const SHADOW_PERCENT: Key = Key {
    name: "shadow_percent",
    shape: Shape::Integer { min: 0, max: 100 },
    fallback: Fallback::Value("10"),
    environment: None,
    about: "Of a hundred requests that a rule set inspects, so many are shown to the one in `shadow`.",
};
const TENANT_RULES: Key =
    Key { fallback: Fallback::Words("as in `[inspection]`"), about: "The tenant's rule set.", ..RULES };
const TENANT_PARANOIA: Key = Key {
    name: "paranoia",
    shape: Shape::Integer { min: 0, max: 4 },
    fallback: Fallback::Value("0"),
    environment: None,
    about: "The tenant's paranoia level; `0` for that in `[inspection]`.",
};
const TENANT_THRESHOLD: Key = Key {
    name: "threshold",
    shape: Shape::Integer { min: 0, max: 10_000 },
    fallback: Fallback::Value("0"),
    environment: None,
    about: "The tenant's threshold; `0` for that in `[inspection]`.",
};

const RULES_SHAPE: &str = "a folder's name, with 1 to 64 of a-z, 0-9, `-` and `_`";

/// `[inspection]`, checked.
#[derive(Clone, Debug)]
pub(crate) struct Inspection {
    pub(crate) threshold: Threshold,
    pub(crate) rules: RuleSettings,
}

impl Inspection {
    pub(crate) fn read(mut section: Section<'_, '_>) -> Result<Self, Noted> {
        let threshold = section.integer_as(&THRESHOLD);
        let rules = section.optional_text(&RULES, rule_set_name);
        let paranoia = section.integer_as(&PARANOIA);
        let shadow = section.optional_text(&SHADOW, rule_set_name);
        let percent = section.integer_as(&SHADOW_PERCENT);
        let tenants = section.section("tenants").and_then(tenants);
        section.finish();
        let gateway = RuleChoice { rules: rules?, paranoia: Some(paranoia?), threshold: None };
        let percent = percent?;
        let shadow = shadow?.map(|rules| Shadow { rules, percent });
        // The key's bounds leave no zero; the default is as strict.
        let threshold = Threshold::new(threshold?).unwrap_or_default();
        Ok(Self { threshold, rules: RuleSettings { gateway, tenants: tenants?, shadow } })
    }

    /// The paranoia levels that are named here.
    pub(crate) fn paranoia(&self) -> impl Iterator<Item = u8> {
        let choices = std::iter::once(&self.rules.gateway).chain(self.rules.tenants.values());
        choices.filter_map(|choice| choice.paranoia)
    }

    /// The rule sets that are named here.
    pub(crate) fn named(&self) -> impl Iterator<Item = &Arc<str>> {
        let choices = std::iter::once(&self.rules.gateway).chain(self.rules.tenants.values());
        let shadow = self.rules.shadow.as_ref().map(|shadow| &shadow.rules);
        choices.filter_map(|choice| choice.rules.as_ref()).chain(shadow)
    }
}

fn tenants(section: Section<'_, '_>) -> Result<BTreeMap<TenantName, RuleChoice>, Noted> {
    let read = section.named_sections()?.into_iter().map(|(name, mut section)| {
        let name = TenantName::parse(&name).map_err(|error| section.complain_of_table(error.to_string()));
        let rules = section.optional_text(&TENANT_RULES, rule_set_name);
        let paranoia = section.integer_as::<u8>(&TENANT_PARANOIA);
        let threshold = section.integer_as::<u32>(&TENANT_THRESHOLD);
        section.finish();
        let (paranoia, threshold) = (Some(paranoia?).filter(|it| *it > 0), Some(threshold?).filter(|it| *it > 0));
        Ok((name?, RuleChoice { rules: rules?, paranoia, threshold }))
    });
    read.collect::<Vec<_>>().into_iter().collect()
}

fn rule_set_name(text: &str) -> Result<Arc<str>, String> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    match (1..=64).contains(&text.len()) && text.bytes().all(inner) {
        true => Ok(text.into()),
        false => Err(format!("`{text}` is no rule set: write {RULES_SHAPE}")),
    }
}
