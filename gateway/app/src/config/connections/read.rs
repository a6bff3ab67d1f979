//! From a connection's tables to a checked connection.

use std::time::Duration;

use cedargate_identity::MatchBy;
use cedargate_idp_adapters::connection::{
    Admission, ClaimMatch, ClaimPath, Connection, ConnectionKind, EmailDomain, ProvisioningRule, RoleRule, Strength,
    StrengthRule, StrengthSign,
};
use cedargate_idp_adapters::oidc::{
    CLIENT_KEYS_MAX, ClientAuthentication, ClientKey, ClientKeys, ClientSecret, OidcIssuer, OidcSettings, ProofAudience,
};
use cedargate_model::{AuthnMethod, ConnectionName, RoleName};
use cedargate_scim::GroupsBy;

use super::keys::{
    ACR, ADMISSION, AMR, CLAIM, CLIENT_ASSERTION_AUDIENCE, CLIENT_AUTHENTICATION, CLIENT_ID, CLIENT_KEY_FILES,
    CLIENT_SECRET_FILE, CLIENT_SECRET_VARIABLE, CLOCK_SKEW_SECONDS, EMAIL_DOMAINS, ISSUER, LEVEL, METHODS, NAME,
    PUSHED_AUTHORIZATION_REQUESTS, ROLE, SCIM_ATTRIBUTE, SCIM_CLAIM, SCIM_GROUPS, SCOPES, TITLE, USERINFO, VALUE,
};
use super::{Kind, SecretUse, saml};
use crate::config::environment::IDP_SECRETS;
use crate::config::mistake::Noted;
use crate::config::secrets::read_private;
use crate::config::section::Section;

/// How many connections a tenant may have: people choose among them on a page.
const CONNECTIONS_MAX: usize = 20;

/// How many rules of one kind a connection may have.
const RULES_MAX: usize = 1_000;

/// Reads one `[[oidc]]` or `[[saml]]`, beside those that stand before it.
pub(super) fn connection(
    kind: Kind,
    mut section: Section<'_, '_>,
    roles: &[RoleName],
    secrets: SecretUse,
    others: &[Connection],
) -> Result<Connection, Noted> {
    let name = section.text(&NAME, ConnectionName::parse);
    let title = section.text(&TITLE, |text| bounded(text, 40));
    let email_domains = section.texts(&EMAIL_DOMAINS, EmailDomain::parse);
    let admission = section.text(&ADMISSION, admission);
    let required = rules(&mut section, "require", |section| claim_match(section));
    let role_rules = rules(&mut section, "role", |section| role_rule(section, roles));
    let provisioning = provisioning(&mut section);
    let strengths = rules(&mut section, "strength", |section| strength_rule(section));
    let settings = match kind {
        Kind::Oidc => oidc(&mut section, secrets).map(ConnectionKind::Oidc),
        Kind::Saml => saml::settings(&mut section, secrets).map(ConnectionKind::Saml),
    };
    let beside = match (&name, &email_domains) {
        (Ok(name), Ok(domains)) => check_beside(&section, name, domains, others),
        _ => Ok(()),
    };
    section.finish();
    beside?;
    Ok(Connection {
        name: name?,
        title: title?,
        email_domains: email_domains?,
        admission: admission?,
        required: required?,
        roles: role_rules?,
        strengths: strengths?,
        provisioning: provisioning?,
        kind: settings?,
    })
}

/// What only shows beside the file's other connections.
fn check_beside(
    section: &Section<'_, '_>,
    name: &ConnectionName,
    domains: &[EmailDomain],
    others: &[Connection],
) -> Result<(), Noted> {
    if others.iter().any(|other| other.name == *name) {
        return Err(section.complain(&NAME, format!("there is a connection `{name}` already")));
    }
    if others.len() >= CONNECTIONS_MAX {
        return Err(section.complain_of_table(format!("a tenant has at most {CONNECTIONS_MAX} connections")));
    }
    let taken = |domain: &&EmailDomain| others.iter().any(|other| other.email_domains.contains(domain));
    match domains.iter().find(taken) {
        Some(domain) => {
            let message = format!("people of `{domain}` are led to another connection already");
            Err(section.complain(&EMAIL_DOMAINS, message))
        }
        None => Ok(()),
    }
}

fn oidc(section: &mut Section<'_, '_>, secrets: SecretUse) -> Result<OidcSettings, Noted> {
    let issuer = section.text(&ISSUER, OidcIssuer::parse);
    let client_id = section.text(&CLIENT_ID, |text| bounded(text, 256));
    let authentication = client_authentication(section, secrets);
    let scopes = section.texts(&SCOPES, scope);
    let scopes = scopes.and_then(|scopes: Vec<String>| {
        let asks_for = |scope: &str| scopes.iter().any(|asked| asked == scope);
        match (asks_for("openid"), asks_for("offline_access")) {
            (true, false) => Ok(scopes),
            (false, _) => Err(section.complain(&SCOPES, "`openid` is missing: without it there is no ID token")),
            // A refresh token that nobody keeps is one that somebody may find.
            (true, true) => Err(section.complain(&SCOPES, "leave out `offline_access`: no refresh token is kept here")),
        }
    });
    let clock_skew = section.integer(&CLOCK_SKEW_SECONDS);
    let (pushed, userinfo) = (section.switch(&PUSHED_AUTHORIZATION_REQUESTS), section.switch(&USERINFO));
    Ok(OidcSettings {
        issuer: issuer?,
        client_id: client_id?,
        authentication: authentication?,
        scopes: scopes?,
        clock_skew: Duration::from_secs(clock_skew?),
        pushed: pushed?,
        userinfo: userinfo?,
    })
}

fn client_authentication(section: &mut Section<'_, '_>, secrets: SecretUse) -> Result<ClientAuthentication, Noted> {
    let document = section.document;
    let way = section.text(&CLIENT_AUTHENTICATION, |text| match text {
        "client_secret_basic" => Ok(Way::Basic),
        "client_secret_post" => Ok(Way::Post),
        "private_key_jwt" => Ok(Way::Key),
        _ => Err("write `client_secret_basic`, `client_secret_post` or `private_key_jwt`"),
    });
    let keys = section.texts(&CLIENT_KEY_FILES, |path| match secrets {
        SecretUse::Unused => Ok(None),
        SecretUse::Needed => {
            let text = read_private(&document.resolve(path))?;
            ClientKey::parse(&text).map(Some).map_err(|error| format!("`{path}`: {error}"))
        }
    });
    let audience = section.text(&CLIENT_ASSERTION_AUDIENCE, |text| match text {
        "issuer" => Ok(ProofAudience::Issuer),
        "token_endpoint" => Ok(ProofAudience::TokenEndpoint),
        _ => Err("write `issuer` or `token_endpoint`"),
    });
    let empty = || "there is no secret in it".to_owned();
    let in_file = section.optional_text(&CLIENT_SECRET_FILE, |path| match secrets {
        SecretUse::Unused => Ok(ClientSecret::new("unused")),
        SecretUse::Needed => {
            read_private(&document.resolve(path)).and_then(|text| ClientSecret::new(&text).map(Some).ok_or_else(empty))
        }
    });
    let in_variable = section.optional_text(&CLIENT_SECRET_VARIABLE, |name| match secrets {
        _ if !name.starts_with(IDP_SECRETS) => Err(format!("write a name that begins with `{IDP_SECRETS}`")),
        SecretUse::Unused => Ok(ClientSecret::new("unused")),
        SecretUse::Needed => match document.environment.get(name) {
            None => Err(format!("the environment variable `{name}` is not set")),
            Some(text) => ClientSecret::new(text).map(Some).ok_or_else(empty),
        },
    });
    let (way, keys, audience) = (way?, keys?, audience?);
    if way == Way::Key {
        return by_key(section, secrets, keys, audience, in_file?.is_some() || in_variable?.is_some());
    }
    if !keys.is_empty() {
        return Err(section.complain(&CLIENT_KEY_FILES, "only for `client_authentication = \"private_key_jwt\"`"));
    }
    let secret = match (in_file?.flatten(), in_variable?.flatten()) {
        (Some(secret), None) | (None, Some(secret)) => secret,
        (Some(_), Some(_)) => {
            return Err(
                section.complain(&CLIENT_SECRET_VARIABLE, "there is a `client_secret_file` already; leave one out")
            );
        }
        (None, None) => {
            let hint = "missing; write a path, or `client_secret_variable` and the name of an environment variable";
            return Err(section.complain(&CLIENT_SECRET_FILE, hint));
        }
    };
    Ok(if way == Way::Post {
        ClientAuthentication::SecretPost(secret)
    } else {
        ClientAuthentication::SecretBasic(secret)
    })
}

/// How the gateway proves which client it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Basic,
    Post,
    Key,
}

fn by_key(
    section: &Section<'_, '_>,
    secrets: SecretUse,
    keys: Vec<Option<ClientKey>>,
    audience: ProofAudience,
    has_secret: bool,
) -> Result<ClientAuthentication, Noted> {
    if has_secret {
        return Err(section.complain(&CLIENT_AUTHENTICATION, "there is a client secret, too; leave it out"));
    }
    let wrong = || section.complain(&CLIENT_KEY_FILES, format!("write 1 to {CLIENT_KEYS_MAX} files with a key each"));
    if keys.is_empty() {
        return Err(wrong());
    }
    let keys = match secrets {
        SecretUse::Unused => ClientKeys::unused(),
        SecretUse::Needed => ClientKeys::new(keys.into_iter().flatten().collect()).ok_or_else(wrong)?,
    };
    Ok(ClientAuthentication::PrivateKeyJwt { keys, audience })
}

/// Reads an array of tables, each by `read`.
fn rules<'d, 't, T>(
    section: &mut Section<'d, 't>,
    name: &'static str,
    read: impl Fn(Section<'d, 't>) -> Result<T, Noted>,
) -> Result<Vec<T>, Noted> {
    let sections = section.sections(name)?;
    if sections.len() > RULES_MAX {
        return Err(section.complain_of_table(format!("a connection has at most {RULES_MAX} tables `{name}`")));
    }
    sections.into_iter().map(read).collect::<Vec<_>>().into_iter().collect()
}

fn claim_match(mut section: Section<'_, '_>) -> Result<ClaimMatch, Noted> {
    let rule = claim_and_value(&mut section);
    section.finish();
    rule
}

fn claim_and_value(section: &mut Section<'_, '_>) -> Result<ClaimMatch, Noted> {
    let claim = section.text(&CLAIM, ClaimPath::parse);
    let value = section.text(&VALUE, |text| bounded(text, 256));
    Ok(ClaimMatch { claim: claim?, value: value? })
}

fn role_rule(mut section: Section<'_, '_>, roles: &[RoleName]) -> Result<RoleRule, Noted> {
    let when = claim_and_value(&mut section);
    let role = section.text(&ROLE, |text| {
        let role = RoleName::parse(text).map_err(|error| error.to_string())?;
        if roles.contains(&role) {
            return Ok(role);
        }
        let known: Vec<_> = roles.iter().map(|role| format!("`{role}`")).collect();
        Err(format!("there is no role `{role}`, expected one of {}", known.join(", ")))
    });
    section.finish();
    Ok(RoleRule { when: when?, role: role? })
}

fn provisioning(section: &mut Section<'_, '_>) -> Result<Option<ProvisioningRule>, Noted> {
    let claim = section.optional_text(&SCIM_CLAIM, ClaimPath::parse);
    let by = section.text(&SCIM_ATTRIBUTE, |text| match text {
        "external_id" => Ok(MatchBy::ExternalId),
        "user_name" => Ok(MatchBy::UserName),
        _ => Err("write `external_id` or `user_name`"),
    });
    let groups = section.text(&SCIM_GROUPS, |text| match text {
        "display_name" => Ok(GroupsBy::DisplayName),
        "external_id" => Ok(GroupsBy::ExternalId),
        _ => Err("write `display_name` or `external_id`"),
    });
    let (by, groups) = (by?, groups?);
    Ok(claim?.map(|claim| ProvisioningRule { by, claim, groups }))
}

fn strength_rule(mut section: Section<'_, '_>) -> Result<StrengthRule, Noted> {
    let acr = section.optional_text(&ACR, class);
    let amr = section.optional_text(&AMR, class);
    let level = section.integer_as(&LEVEL);
    let methods = section.texts(&METHODS, method);
    let sign = match (acr?, amr?) {
        (Some(class), None) => Ok(StrengthSign::Acr(class)),
        (None, Some(method)) => Ok(StrengthSign::Amr(method)),
        (Some(_), Some(_)) => Err(section.complain(&AMR, "there is an `acr` already; write two rules")),
        (None, None) => Err(section.complain_of_table("write an `acr` or an `amr`")),
    };
    section.finish();
    Ok(StrengthRule { sign: sign?, strength: Strength { level: level?, methods: methods? } })
}

fn admission(text: &str) -> Result<Admission, &'static str> {
    match text {
        "known" => Ok(Admission::Known),
        "with_role" => Ok(Admission::WithRole),
        "anyone" => Ok(Admission::Anyone),
        _ => Err("write `known`, `with_role` or `anyone`"),
    }
}

fn method(text: &str) -> Result<AuthnMethod, &'static str> {
    [AuthnMethod::Pwd, AuthnMethod::Otp, AuthnMethod::Hwk]
        .into_iter()
        .find(|method| method.as_str() == text)
        .ok_or("write `pwd`, `otp` or `hwk`")
}

/// `acr_values` are joined by spaces (OIDC Core §3.1.2.1).
fn class(text: &str) -> Result<String, String> {
    match text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => bounded(text, 256),
        false => Err("write visible ASCII characters, without space".to_owned()),
    }
}

/// A scope's characters (RFC 6749 §3.3).
fn scope(text: &str) -> Result<String, String> {
    match text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')) {
        true => bounded(text, 256),
        false => Err(format!("`{}` is no scope", text.chars().take(80).collect::<String>())),
    }
}

pub(super) fn bounded(text: &str, max: usize) -> Result<String, String> {
    match text.chars().count() {
        _ if text.chars().any(char::is_control) => Err("write it without control characters".to_owned()),
        length if (1..=max).contains(&length) => Ok(text.to_owned()),
        length => Err(format!("write 1 to {max} characters, not {length}")),
    }
}
