//! What tenants ask of their people, each for itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cedargate_controlplane::AskedDocument;
use cedargate_identity::{ChangeStep, DocumentVersion, SessionLimits, SessionSettings};
use cedargate_idp_adapters::admissions::AdmissionRules;
use cedargate_model::{ConsentDocument, RoleName, TenantName};

use super::key::{Fallback, Key, Shape, Table};
use super::mistake::Noted;
use super::section::Section;

pub(crate) const TABLE: Table = Table {
    header: "[tenants.NAME]",
    about: "What a tenant asks of its people. A tenant without a table has the defaults.",
    keys: &[
        PASSWORD_CHARS_MIN,
        REGISTRATION,
        REGISTRATION_ROLES,
        ROLES_AFTER_FACTOR,
        TERMS_VERSION,
        TERMS_URL,
        PRIVACY_VERSION,
        PRIVACY_URL,
        SESSION_IDLE_SECONDS,
        SESSION_ABSOLUTE_SECONDS,
        SESSION_REMEMBERED_DAYS,
        SESSIONS_MAX,
        POLICY_STEPS,
    ],
};

const PASSWORD_CHARS_MIN: Key = Key {
    name: "password_chars_min",
    shape: Shape::Integer { min: 15, max: 64 },
    fallback: Fallback::Value("15"),
    environment: None,
    about: "How many characters a password of the tenant's local accounts has at least when it is set.",
};

const REGISTRATION: Key = Key {
    name: "registration",
    shape: Shape::Switch,
    fallback: Fallback::Value("false"),
    environment: None,
    about: "Whether people may ask for an account, at `/auth/register`. Nobody has one before an administrator says so.",
};
const REGISTRATION_ROLES: Key = Key {
    name: "registration_roles",
    shape: Shape::Texts("a role's name"),
    fallback: Fallback::Value("[]"),
    environment: None,
    about: "The roles that people who asked may be given. Others are refused, whoever approves.",
};
const ROLES_AFTER_FACTOR: Key = Key {
    name: "roles_after_factor",
    shape: Shape::Texts("a role's name"),
    fallback: Fallback::Value(r#"["admin"]"#),
    environment: None,
    about: "Roles that an account which was taken by a link has from its first second factor on, and not before.",
};
const TERMS_VERSION: Key = Key {
    name: "terms_version",
    shape: Shape::Text("a version, such as `2026-11`"),
    fallback: Fallback::Words("nothing is asked"),
    environment: None,
    about: "The version of the terms of use. People are asked to agree to it when they sign in and on their start page, once.",
};
const TERMS_URL: Key = Key {
    name: "terms_url",
    shape: Shape::Text("an `https` URL"),
    fallback: Fallback::Words("needed beside `terms_version`"),
    environment: None,
    about: "Where they can be read.",
};
const PRIVACY_VERSION: Key = Key {
    name: "privacy_version",
    shape: Shape::Text("a version, such as `2026-11`"),
    fallback: Fallback::Words("nothing is asked"),
    environment: None,
    about: "The version of the privacy notice; as `terms_version`.",
};
const PRIVACY_URL: Key = Key {
    name: "privacy_url",
    shape: Shape::Text("an `https` URL"),
    fallback: Fallback::Words("needed beside `privacy_version`"),
    environment: None,
    about: "Where it can be read.",
};

const SESSION_IDLE_SECONDS: Key = Key {
    name: "session_idle_seconds",
    shape: Shape::Integer { min: 60, max: 2_592_000 },
    fallback: Fallback::Words("`idle_timeout_seconds` of `[sessions]`"),
    environment: None,
    about: "A session of this tenant that nobody used for so long is over. It holds for sessions that begin from then on, as all four.",
};
const SESSION_ABSOLUTE_SECONDS: Key = Key {
    name: "session_absolute_seconds",
    shape: Shape::Integer { min: 60, max: 2_592_000 },
    fallback: Fallback::Words("`absolute_timeout_seconds` of `[sessions]`"),
    environment: None,
    about: "A session of this tenant is over so long after its sign-in, used or not.",
};
const SESSION_REMEMBERED_DAYS: Key = Key {
    name: "session_remembered_days",
    shape: Shape::Integer { min: 0, max: 90 },
    fallback: Fallback::Value("0"),
    environment: None,
    about: "How long a session lives, used or not, whose person ticks *Keep me signed in on this device* beside their password. `0` offers nobody that.",
};
const SESSIONS_MAX: Key = Key {
    name: "sessions_max",
    shape: Shape::Integer { min: 1, max: 100 },
    fallback: Fallback::Value("100"),
    environment: None,
    about: "How many sessions somebody may have at once. One more ends the oldest, which the record says.",
};
const POLICY_STEPS: Key = Key {
    name: "policy_steps",
    shape: Shape::Texts("`check`, `analyse`, `replay`, `review` or `shadow`"),
    fallback: Fallback::Value(r#"["check", "analyse", "replay", "review", "shadow"]"#),
    environment: None,
    about: "What a change of the tenant's policies needs before it may go live (`cedargate policy change`). `check` is always needed. \
            With `analyse`, what is not proved needs one more person to approve.",
};

/// One `[tenants.NAME]`, checked.
#[derive(Clone, Debug)]
pub(crate) struct TenantSettings {
    pub(crate) password_chars_min: usize,
    pub(crate) admission: AdmissionRules,
    pub(crate) documents: Vec<AskedDocument>,
    pub(crate) sessions: SessionLimits,
    pub(crate) policy_steps: BTreeSet<ChangeStep>,
}

/// `[tenants]`, checked.
pub(crate) fn read(
    section: Section<'_, '_>,
    sessions: &SessionSettings,
) -> Result<BTreeMap<TenantName, TenantSettings>, Noted> {
    let read = section.named_sections()?.into_iter().map(|(name, section)| {
        let named = TenantName::parse(&name).map_err(|error| section.complain_of_table(error.to_string()));
        let settings = tenant(section, sessions);
        Ok((named?, settings?))
    });
    read.collect::<Vec<_>>().into_iter().collect()
}

fn tenant(mut section: Section<'_, '_>, sessions: &SessionSettings) -> Result<TenantSettings, Noted> {
    let password_chars_min = section.integer_as(&PASSWORD_CHARS_MIN);
    let registration = section.switch(&REGISTRATION);
    let offered = section.texts(&REGISTRATION_ROLES, RoleName::parse);
    let after_factor = section.texts(&ROLES_AFTER_FACTOR, RoleName::parse);
    let terms = document(&mut section, ConsentDocument::Terms, &TERMS_VERSION, &TERMS_URL);
    let privacy = document(&mut section, ConsentDocument::Privacy, &PRIVACY_VERSION, &PRIVACY_URL);
    let sessions = limits(&mut section, sessions);
    let steps = section.texts(&POLICY_STEPS, |text| {
        ChangeStep::parse(text).ok_or("write `check`, `analyse`, `replay`, `review` or `shadow`")
    });
    section.finish();
    let (registration, offered) = (registration?, offered?);
    Ok(TenantSettings {
        password_chars_min: password_chars_min?,
        admission: AdmissionRules { offered: registration.then_some(offered), after_factor: after_factor? },
        documents: [terms?, privacy?].into_iter().flatten().collect(),
        sessions: sessions?,
        policy_steps: steps?.into_iter().collect(),
    })
}

/// What the tenant says of its sessions, and for the rest what the gateway does.
fn limits(section: &mut Section<'_, '_>, gateway: &SessionSettings) -> Result<SessionLimits, Noted> {
    let idle = section.optional_integer(&SESSION_IDLE_SECONDS);
    let absolute = section.optional_integer(&SESSION_ABSOLUTE_SECONDS);
    let remembered = section.integer(&SESSION_REMEMBERED_DAYS);
    let sessions_max = section.integer_as(&SESSIONS_MAX);
    let (idle, absolute, remembered) = (idle?, absolute?, remembered?);
    let absolute_timeout = absolute.map_or(gateway.absolute_timeout, Duration::from_secs);
    let idle_timeout = match idle.map(Duration::from_secs) {
        Some(idle) if idle > absolute_timeout => {
            let (idle, all) = (idle.as_secs(), absolute_timeout.as_secs());
            let detail = format!("{idle} is more than a session of the tenant lives at all, which is {all}");
            return Err(section.complain(&SESSION_IDLE_SECONDS, detail));
        }
        Some(idle) => idle,
        None => gateway.idle_timeout.min(absolute_timeout),
    };
    let remembered = (remembered > 0).then(|| Duration::from_secs(remembered * 24 * 60 * 60));
    Ok(SessionLimits { idle_timeout, absolute_timeout, remembered, sessions_max: sessions_max? })
}

/// A version without a place to read it would be agreed to unread.
fn document(
    section: &mut Section<'_, '_>,
    document: ConsentDocument,
    version_key: &'static Key,
    url_key: &'static Key,
) -> Result<Option<AskedDocument>, Noted> {
    let version = section.optional_text(version_key, DocumentVersion::parse);
    let url = section.optional_text(url_key, |text| match text.strip_prefix("https://") {
        Some(rest) if !rest.is_empty() && rest.bytes().all(|octet| octet.is_ascii_graphic()) => Ok(text.to_owned()),
        Some(_) | None => Err("write an `https` URL"),
    });
    match (version?, url?) {
        (Some(version), Some(url)) => Ok(Some(AskedDocument { document, version, url })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(section.complain(version_key, format!("there is no `{}` for it", url_key.name))),
        (None, Some(_)) => Err(section.complain(url_key, format!("there is no `{}` for it", version_key.name))),
    }
}
