//! What Cedar is shown of a caller, a resource and a context.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use cedar_policy::entities_errors::EntitiesError;
use cedar_policy::{
    Context as CedarContext, ContextCreationError, Entities, Entity, EntityAttrEvaluationError, EntityId,
    EntityTypeName, EntityUid, ExpressionConstructionError, Request, RequestValidationError, RestrictedExpression,
    Schema,
};
use cedargate_model::{
    AuthnMethod, AuthnStrength, Caller, ClientCertificate, Credential, Micros, Principal, RoleName, TenantId,
};

use crate::Context;
use crate::platform::MEMBER;
use crate::query::WafFindings;

/// How old an anonymous caller's sign-in is, which never was: over a century, and far from where sums overflow.
const NEVER_SECONDS: i64 = 1 << 32;
/// The last second that Cedar's `datetime` can write: 9999-12-31T23:59:59Z.
const LAST_SECOND: i64 = 253_402_300_799;

/// Why something cannot be shown to Cedar. It is built from checked parts, so this is ours to repair.
///
/// Boxed, because Cedar's errors are large and these never happen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShowError {
    #[error("an entity's attributes cannot be evaluated: {0}")]
    Attributes(Box<EntityAttrEvaluationError>),
    #[error("the entities do not fit together: {0}")]
    Entities(Box<EntitiesError>),
    #[error("the context cannot be made: {0}")]
    Context(Box<ContextCreationError>),
    #[error("the request does not conform: {0}")]
    Request(Box<RequestValidationError>),
}

macro_rules! boxed {
    ($($variant:ident($error:ty);)*) => {$(
        impl From<$error> for ShowError {
            fn from(error: $error) -> Self {
                Self::$variant(Box::new(error))
            }
        }
    )*};
}

boxed! {
    Attributes(EntityAttrEvaluationError);
    Entities(EntitiesError);
    Context(ContextCreationError);
    Request(RequestValidationError);
}

/// The types of principals that every action applies to.
pub(crate) fn principal_types() -> BTreeSet<EntityTypeName> {
    BTreeSet::from([TYPES.user.clone(), TYPES.anonymous.clone()])
}

/// The type of programs that act for themselves, which an action applies to where its schema says so.
pub(crate) fn service_account_type() -> &'static EntityTypeName {
    &TYPES.service_account
}

/// The type of identity providers by their connections' tokens for SCIM, which an action applies to where its schema says so.
pub(crate) fn scim_token_type() -> &'static EntityTypeName {
    &TYPES.scim_token
}

/// The type of a principal that is known by this.
fn type_of(credential: Credential) -> &'static EntityTypeName {
    match credential {
        Credential::Session | Credential::SessionToken => &TYPES.user,
        Credential::ApiKey
        | Credential::KeyToken
        | Credential::WorkloadToken
        | Credential::IssuerToken
        | Credential::Certificate => &TYPES.service_account,
        Credential::ScimToken => &TYPES.scim_token,
    }
}

/// The type of roles.
pub(crate) fn role_type() -> EntityTypeName {
    TYPES.role.clone()
}

/// A tenant's entity.
pub(crate) fn tenant_uid(tenant: TenantId) -> EntityUid {
    EntityUid::from_type_name_and_id(TYPES.tenant.clone(), EntityId::new(tenant.to_string()))
}

/// A caller's entity and the roles that it is in.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    pub(crate) uid: EntityUid,
    pub(crate) tenant: EntityUid,
    pub(crate) roles: Vec<EntityUid>,
}

impl Asker {
    /// Shows a caller. An anonymous one belongs to the tenant that it asks.
    pub(crate) fn new(caller: &Caller, tenant: &EntityUid) -> Self {
        match caller {
            Caller::Anonymous => {
                let uid = EntityUid::from_type_name_and_id(TYPES.anonymous.clone(), EntityId::new("anonymous"));
                Self { uid, tenant: tenant.clone(), roles: vec![role_uid(RoleName::ANONYMOUS)] }
            }
            Caller::Principal(principal) => {
                let kind = type_of(principal.credential);
                let uid = EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(principal.id.to_string()));
                Self { uid, tenant: tenant_uid(principal.tenant), roles: roles_of(principal) }
            }
        }
    }

    /// As Cedar is shown it.
    pub(crate) fn entity(&self) -> Result<Entity, ShowError> {
        let attributes = tenant_attribute(self.tenant.clone());
        Ok(Entity::new(self.uid.clone(), attributes, self.roles.iter().cloned().collect())?)
    }
}

/// Everybody who signed in is a member; nobody who is known is anonymous, whatever a store says. Programs are no members: what is
/// for whoever sits at a browser, such as one's factors and sessions, is closed to keys and tokens.
fn roles_of(principal: &Principal) -> Vec<EntityUid> {
    let own = principal.roles.iter().map(RoleName::as_str);
    let member = principal.credential.is_session().then_some(MEMBER);
    let given = member.into_iter().chain(own.filter(|role| !matches!(*role, RoleName::ANONYMOUS | MEMBER)));
    given.map(role_uid).collect()
}

/// A resource of a tenant.
pub(crate) fn resource_entity(uid: EntityUid, tenant: &EntityUid) -> Result<Entity, ShowError> {
    Ok(Entity::new(uid, tenant_attribute(tenant.clone()), HashSet::new())?)
}

/// How a caller signed in, as policies see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authn {
    pub(crate) level: u8,
    pub(crate) methods: BTreeSet<AuthnMethod>,
    pub(crate) age_seconds: i64,
}

impl Authn {
    /// How a caller signed in, at a moment.
    pub(crate) fn of(caller: &Caller, now: Micros) -> Self {
        match caller {
            Caller::Anonymous => Self { level: 0, methods: BTreeSet::new(), age_seconds: NEVER_SECONDS },
            Caller::Principal(principal) => {
                let AuthnStrength { level, methods } = &principal.strength;
                let age = now.since(principal.authenticated_at).as_secs();
                Self {
                    level: *level,
                    methods: methods.iter().copied().collect(),
                    age_seconds: i64::try_from(age).unwrap_or(NEVER_SECONDS).min(NEVER_SECONDS),
                }
            }
        }
    }
}

/// The context of a decision.
pub(crate) fn cedar_context(authn: &Authn, context: &Context) -> Result<CedarContext, ShowError> {
    let long = RestrictedExpression::new_long;
    let methods = authn.methods.iter().map(|method| RestrictedExpression::new_string(method.as_str().to_owned()));
    let authn = RestrictedExpression::new_record([
        ("level".to_owned(), long(i64::from(authn.level))),
        ("methods".to_owned(), RestrictedExpression::new_set(methods)),
        ("age_seconds".to_owned(), long(authn.age_seconds)),
    ]);
    let texts = |texts: &[Arc<str>]| {
        RestrictedExpression::new_set(texts.iter().map(|text| RestrictedExpression::new_string(text.to_string())))
    };
    let waf = RestrictedExpression::new_record([
        ("score".to_owned(), long(i64::from(context.waf.score))),
        ("rules".to_owned(), texts(&context.waf.rules)),
        ("tags".to_owned(), texts(&context.waf.tags)),
    ]);
    let record = |record: Result<RestrictedExpression, ExpressionConstructionError>| {
        record.map_err(|error| ShowError::from(ContextCreationError::from(error)))
    };
    let certificate = context.certificate.as_deref().map(|certificate| record(shown_certificate(certificate)));
    let certificate = certificate.transpose()?.map(|shown| ("certificate".to_owned(), shown));
    let always = [
        ("authn".to_owned(), record(authn)?),
        ("waf".to_owned(), record(waf)?),
        ("client".to_owned(), RestrictedExpression::new_ip(canonical(context.client).to_string())),
        ("now".to_owned(), RestrictedExpression::new_datetime(datetime(context.now))),
    ];
    Ok(CedarContext::from_pairs(always.into_iter().chain(certificate))?)
}

fn shown_certificate(certificate: &ClientCertificate) -> Result<RestrictedExpression, ExpressionConstructionError> {
    let text = RestrictedExpression::new_string;
    RestrictedExpression::new_record([
        ("fingerprint".to_owned(), text(certificate.fingerprint.clone())),
        ("subject".to_owned(), text(certificate.subject.clone())),
        ("names".to_owned(), RestrictedExpression::new_set(certificate.names.iter().cloned().map(text))),
    ])
}

/// Checks that what is shown to Cedar at run time conforms to the schema, so that run time need not.
///
/// # Errors
/// Cedar's message about the first resource type or principal type that does not.
pub(crate) fn check_conformance(
    schema: &Schema,
    action: &EntityUid,
    resource_types: &BTreeSet<EntityTypeName>,
    principals: &BTreeSet<EntityTypeName>,
) -> Result<(), ShowError> {
    let tenant = tenant_uid(TenantId(uuid::Uuid::nil()));
    let certificate =
        ClientCertificate { fingerprint: String::new(), subject: String::new(), names: vec![String::new()] };
    let certificate = Some(Arc::new(certificate));
    let waf = WafFindings { score: 0, rules: [Arc::from("")].into(), tags: [Arc::from("")].into() };
    let context = Context { now: Micros(0), client: IpAddr::from([127, 0, 0, 1]), certificate, waf };
    let asker = Asker::new(&Caller::Anonymous, &tenant).entity()?;
    for kind in resource_types {
        let uid = EntityUid::from_type_name_and_id(kind.clone(), EntityId::new("sample"));
        let resource = resource_entity(uid.clone(), &tenant)?;
        Entities::from_entities([asker.clone(), resource], Some(schema))?;
        for principal in principals {
            let principal = EntityUid::from_type_name_and_id(principal.clone(), EntityId::new("sample"));
            let shown = cedar_context(&Authn::of(&Caller::Anonymous, context.now), &context)?;
            Request::new(principal, action.clone(), uid.clone(), shown, Some(schema))?;
        }
    }
    Ok(())
}

/// An IPv4 address in IPv6 clothing would slip past a policy on IPv4 ranges.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// A moment as Cedar's `datetime` reads it, in whole seconds: `2026-11-20T05:00:00Z`.
fn datetime(moment: Micros) -> String {
    let seconds = moment.epoch_seconds().clamp(0, LAST_SECOND);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// The Gregorian date of a day counted from 1970-01-01. Years are counted from March, so that the leap day is a year's
/// last, in eras of 400 years, each of which has 146,097 days.
fn civil(days: i64) -> (i64, i64, i64) {
    let since_era_began = days + 719_468;
    let (era, day_of_era) = (since_era_began.div_euclid(146_097), since_era_began.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

fn tenant_attribute(tenant: EntityUid) -> HashMap<String, RestrictedExpression> {
    HashMap::from([("tenant".to_owned(), RestrictedExpression::new_entity_uid(tenant))])
}

fn role_uid(role: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(TYPES.role.clone(), EntityId::new(role))
}

/// The platform's entity types. Parsed once: parsing a name costs more than deciding by it.
struct Types {
    tenant: EntityTypeName,
    role: EntityTypeName,
    user: EntityTypeName,
    service_account: EntityTypeName,
    scim_token: EntityTypeName,
    anonymous: EntityTypeName,
}

static TYPES: LazyLock<Types> = LazyLock::new(|| Types {
    tenant: type_name("Tenant"),
    role: type_name("Role"),
    user: type_name("User"),
    service_account: type_name("ServiceAccount"),
    scim_token: type_name("ScimToken"),
    anonymous: type_name("Anonymous"),
});

#[expect(clippy::expect_used, reason = "called with literals that are Cedar identifiers")]
fn type_name(name: &str) -> EntityTypeName {
    format!("Cedargate::{name}").parse().expect("an identifier in a namespace is a type name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LAST_SECOND, "9999-12-31T23:59:59Z"),
            (-5, "1970-01-01T00:00:00Z"),
            (i64::MAX / 1_000_000, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(datetime(Micros(seconds.saturating_mul(1_000_000))), text);
        }
    }

    #[test]
    fn an_ipv4_address_is_shown_as_such() {
        assert_eq!(canonical("::ffff:10.0.0.1".parse().unwrap()).to_string(), "10.0.0.1");
    }
}
