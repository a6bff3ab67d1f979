//! The keys of a tenant's file.

use cedargate_idp_adapters::oidc::CLOCK_SKEW_MAX;

use crate::config::key::{Fallback, Key, Shape, Table};

/// The tables of a tenant's file, in the order of their reference page.
pub(in crate::config) const FILE_TABLES: &[Table] = &[
    OIDC_TABLE,
    REQUIRE_TABLE,
    ROLE_TABLE,
    STRENGTH_TABLE,
    SAML_TABLE,
    SAML_REQUIRE_TABLE,
    SAML_ROLE_TABLE,
    SAML_STRENGTH_TABLE,
];

const OIDC_TABLE: Table = Table {
    header: "[[oidc]]",
    about: "A connection by OpenID Connect. Several may stand in a file; people see them in this order.",
    keys: &[
        NAME,
        TITLE,
        ISSUER,
        CLIENT_ID,
        CLIENT_AUTHENTICATION,
        CLIENT_SECRET_FILE,
        CLIENT_SECRET_VARIABLE,
        CLIENT_KEY_FILES,
        CLIENT_ASSERTION_AUDIENCE,
        PUSHED_AUTHORIZATION_REQUESTS,
        SCOPES,
        EMAIL_DOMAINS,
        ADMISSION,
        SCIM_CLAIM,
        SCIM_ATTRIBUTE,
        SCIM_GROUPS,
        CLOCK_SKEW_SECONDS,
        USERINFO,
    ],
};
const REQUIRE_TABLE: Table = Table {
    header: "[[oidc.require]]",
    about: "What the provider must say of a person, or nobody is signed in. All of these must hold.",
    keys: &[CLAIM, VALUE],
};
const ROLE_TABLE: Table = Table {
    header: "[[oidc.role]]",
    about: "What gives a role. Roles are derived anew at every sign-in: they are those of the rules that hold, and no others.",
    keys: &[CLAIM, VALUE, ROLE],
};
const STRENGTH_TABLE: Table = Table {
    header: "[[oidc.strength]]",
    about: "What is believed of how strongly somebody signed in at the provider. Without a rule that holds, a sign-in is level \
            1. Of several, the highest level counts. Write `acr` or `amr`, not both; only an `acr` can be asked for when \
            somebody has to confirm who they are.",
    keys: &[ACR, AMR, LEVEL, METHODS],
};

const SAML_TABLE: Table = Table {
    header: "[[saml]]",
    about: "A connection by SAML 2.0. Several may stand in a file; people see them behind those by OpenID Connect. The gateway's own \
            metadata, which the provider's administrator needs, is at `https://TENANT.GATEWAY/auth/saml/NAME/metadata`.",
    keys: &[
        SAML_NAME,
        TITLE,
        METADATA_FILE,
        METADATA_URL,
        METADATA_CERTIFICATE_FILES,
        KEY_FILE,
        CERTIFICATE_FILE,
        EMAIL_DOMAINS,
        ADMISSION,
        SCIM_CLAIM,
        SCIM_ATTRIBUTE,
        SCIM_GROUPS,
        CLOCK_SKEW_SECONDS,
        NAME_ID_FORMAT,
        IDP_INITIATED,
        REQUIRE_ENCRYPTION,
        ALLOW_INSECURE_CBC,
    ],
};
const SAML_REQUIRE_TABLE: Table = Table {
    header: "[[saml.require]]",
    about: "What the assertion must say of a person, or nobody is signed in. As `[[oidc.require]]`: a claim is an attribute by its \
            `Name`; beside these there are `name_id`, `name_id_format` and `acr` (the `AuthnContextClassRef`).",
    keys: &[CLAIM, VALUE],
};
const SAML_ROLE_TABLE: Table =
    Table { header: "[[saml.role]]", about: "What gives a role, as `[[oidc.role]]`.", keys: &[CLAIM, VALUE, ROLE] };
const SAML_STRENGTH_TABLE: Table = Table {
    header: "[[saml.strength]]",
    about: "What is believed of how strongly somebody signed in, as `[[oidc.strength]]`. Write `acr`: SAML says no methods.",
    keys: &[ACR, LEVEL, METHODS],
};

pub(super) const NAME: Key = Key {
    name: "name",
    shape: Shape::Text("1 to 32 of a-z, 0-9 and `-`"),
    fallback: Fallback::Required,
    environment: None,
    about: "The connection's name, which is part of the address that the provider sends people back to: \
            `https://TENANT.GATEWAY/auth/sso/NAME/callback`. It is also part of who people are: never rename one that people \
            have used.",
};
pub(super) const TITLE: Key = Key {
    name: "title",
    shape: Shape::Text("1 to 40 characters"),
    fallback: Fallback::Required,
    environment: None,
    about: "What people read on the button.",
};
pub(super) const ISSUER: Key = Key {
    name: "issuer",
    shape: Shape::Text("a URL, exactly as the provider writes it"),
    fallback: Fallback::Required,
    environment: None,
    about: "The provider's issuer. Endpoints and keys are read from `ISSUER/.well-known/openid-configuration`, which must name \
            the same issuer, octet for octet. `https://`; plain HTTP only on this machine.",
};
pub(super) const CLIENT_ID: Key = Key {
    name: "client_id",
    shape: Shape::Text("1 to 256 characters"),
    fallback: Fallback::Required,
    environment: None,
    about: "What the gateway is called at the provider.",
};
pub(super) const CLIENT_AUTHENTICATION: Key = Key {
    name: "client_authentication",
    shape: Shape::Text("`client_secret_basic`, `client_secret_post` or `private_key_jwt`"),
    fallback: Fallback::Value(r#""client_secret_basic""#),
    environment: None,
    about: "How the gateway proves to the provider which client it is: by a secret, in the header or in the body, or by a proof that a \
            key of its own signs (RFC 7523), which needs `client_key_files` and no secret.",
};
pub(super) const CLIENT_SECRET_FILE: Key = Key {
    name: "client_secret_file",
    shape: Shape::Path,
    fallback: Fallback::Words("`client_secret_variable` must be there"),
    environment: None,
    about: "A file with the client secret alone, which nobody but its owner may read (mode 0600 or 0400).",
};
pub(super) const CLIENT_SECRET_VARIABLE: Key = Key {
    name: "client_secret_variable",
    shape: Shape::Text("a name that begins with `CEDARGATE_IDP_`"),
    fallback: Fallback::Words("`client_secret_file` must be there"),
    environment: None,
    about: "The environment variable that holds the client secret, instead of a file.",
};
pub(super) const CLIENT_KEY_FILES: Key = Key {
    name: "client_key_files",
    shape: Shape::Texts("a path"),
    fallback: Fallback::Value("[]"),
    environment: None,
    about: "For `private_key_jwt`: files with a key each (PKCS #8 in PEM; RSA of 2048 bits or more signs RS256, P-256 signs ES256), which \
            nobody but their owner may read. The first one signs; all are published at \
            `https://TENANT.GATEWAY/auth/sso/NAME/jwks.json`, so that the next key is known before it signs. Where a key's certificate \
            stands behind it in its file, proofs name that, too (`x5t#S256`).",
};
pub(super) const CLIENT_ASSERTION_AUDIENCE: Key = Key {
    name: "client_assertion_audience",
    shape: Shape::Text("`issuer` or `token_endpoint`"),
    fallback: Fallback::Value(r#""issuer""#),
    environment: None,
    about: "For `private_key_jwt`: what a proof is addressed to. `token_endpoint` only for a provider that takes nothing else.",
};
pub(super) const PUSHED_AUTHORIZATION_REQUESTS: Key = Key {
    name: "pushed_authorization_requests",
    shape: Shape::Switch,
    fallback: Fallback::Value("true"),
    environment: None,
    about: "Whether what is asked of the provider goes there behind the browser's back (RFC 9126), where the provider offers that. \
            `false` for one that offers it, and refuses it to this client.",
};
pub(super) const SCOPES: Key = Key {
    name: "scopes",
    shape: Shape::Texts("a scope"),
    fallback: Fallback::Value(r#"["openid", "profile", "email"]"#),
    environment: None,
    about: "What is asked for. `openid` must be among it, and `offline_access` must not: the gateway keeps no refresh token.",
};
pub(super) const EMAIL_DOMAINS: Key = Key {
    name: "email_domains",
    shape: Shape::Texts("a domain"),
    fallback: Fallback::Value("[]"),
    environment: None,
    about: "Whoever types an address of one of these domains is led to this provider. The address is not believed: it only \
            chooses the way.",
};
pub(super) const ADMISSION: Key = Key {
    name: "admission",
    shape: Shape::Text("`known`, `with_role` or `anyone`"),
    fallback: Fallback::Value(r#""known""#),
    environment: None,
    about: "Who gets an account at the first sign-in. `known`: nobody; an operator links people with `cedargate idp link`. \
            `with_role`: whoever a rule gives a role; without one left, nobody is let in any more. `anyone`: everybody whom \
            the provider signs in, which for a provider that is open to the public is the public.",
};
pub(super) const SCIM_CLAIM: Key = Key {
    name: "scim_claim",
    shape: Shape::Text("a claim's name, or a pointer to a nested one"),
    fallback: Fallback::Words("the provider tells of nobody"),
    environment: None,
    about: "Lets the provider tell of its people by SCIM (`/scim/v2`, with a token of `cedargate scim token create`). Whoever signs in is \
            the user whom it told of whose `scim_attribute` is what this claim says; a user who was deactivated or deleted is not signed \
            in, whatever `admission` says. Name a claim that the provider gives to one person alone and for ever, such as `oid` at \
            Entra ID: an address that is given to somebody else gives the account with it.",
};
pub(super) const SCIM_ATTRIBUTE: Key = Key {
    name: "scim_attribute",
    shape: Shape::Text("`external_id` or `user_name`"),
    fallback: Fallback::Value(r#""external_id""#),
    environment: None,
    about: "What of a user that claim is: `externalId`, exactly, or `userName`, in any case.",
};
pub(super) const SCIM_GROUPS: Key = Key {
    name: "scim_groups",
    shape: Shape::Text("`display_name` or `external_id`"),
    fallback: Fallback::Value(r#""display_name""#),
    environment: None,
    about: "By what rules for roles name the groups of which the provider told: as its tokens do. `external_id` for Entra ID, where tokens \
            have object ids and people may call a group what they like.",
};
pub(super) const CLOCK_SKEW_SECONDS: Key = Key {
    name: "clock_skew_seconds",
    shape: Shape::Integer { min: 0, max: CLOCK_SKEW_MAX.as_secs() },
    fallback: Fallback::Value("60"),
    environment: None,
    about: "How far the provider's clock may be off.",
};
pub(super) const USERINFO: Key = Key {
    name: "userinfo",
    shape: Shape::Switch,
    fallback: Fallback::Value("false"),
    environment: None,
    about: "Whether the userinfo endpoint is asked for claims that the ID token lacks. Costs a further call at every sign-in.",
};
pub(super) const CLAIM: Key = Key {
    name: "claim",
    shape: Shape::Text("a claim's name, or a pointer to a nested one"),
    fallback: Fallback::Required,
    environment: None,
    about: "Where to look: a name such as `groups`, taken literally, or a JSON pointer (RFC 6901) such as `/realm_access/roles`.",
};
pub(super) const VALUE: Key = Key {
    name: "value",
    shape: Shape::Text("1 to 256 characters"),
    fallback: Fallback::Required,
    environment: None,
    about: "What the claim must be, exactly; of a list, what one of its entries must be. `true` and `false` also stand for \
            JSON's own.",
};
pub(super) const ROLE: Key = Key {
    name: "role",
    shape: Shape::Text("a role of the policies"),
    fallback: Fallback::Required,
    environment: None,
    about: "The role that it gives.",
};
pub(super) const ACR: Key = Key {
    name: "acr",
    shape: Shape::Text("an authentication context class"),
    fallback: Fallback::Words("`amr` must be there"),
    environment: None,
    about: "The value of the `acr` claim.",
};
pub(super) const AMR: Key = Key {
    name: "amr",
    shape: Shape::Text("an authentication method"),
    fallback: Fallback::Words("`acr` must be there"),
    environment: None,
    about: "An entry of the `amr` claim.",
};
pub(super) const LEVEL: Key = Key {
    name: "level",
    shape: Shape::Integer { min: 1, max: 3 },
    fallback: Fallback::Required,
    environment: None,
    about: "The authentication assurance level (NIST SP 800-63B-4) that it is worth.",
};
pub(super) const METHODS: Key = Key {
    name: "methods",
    shape: Shape::Texts("`pwd`, `otp` or `hwk`"),
    fallback: Fallback::Value("[]"),
    environment: None,
    about: "The methods that policies see beside `fed`.",
};
pub(super) const SAML_NAME: Key = Key {
    name: "name",
    shape: Shape::Text("1 to 32 of a-z, 0-9 and `-`"),
    fallback: Fallback::Required,
    environment: None,
    about: "The connection's name, which is part of what the gateway is called at the provider and of where answers go: \
            `https://TENANT.GATEWAY/auth/saml/NAME/acs`. It is also part of who people are: never rename one that people have used.",
};
pub(super) const METADATA_FILE: Key = Key {
    name: "metadata_file",
    shape: Shape::Path,
    fallback: Fallback::Required,
    environment: None,
    about: "The provider's metadata: who it is, where people sign in and out, and the certificates that it signs with; several while it \
            changes over from one to the next. Beside the tenant's file, a change takes effect by itself. After its `validUntil` nobody \
            is signed in. A signature in it is not looked at: the file is trusted as this one is.",
};
pub(super) const METADATA_URL: Key = Key {
    name: "metadata_url",
    shape: Shape::Text("a URL"),
    fallback: Fallback::Words("the file alone says"),
    environment: None,
    about: "Where the provider publishes its metadata. `https://`; plain HTTP only on this machine. It is fetched at the start and every hour, \
            or as often as its `cacheDuration` asks for, and so its certificates roll over by themselves. The file is what is known until then.",
};
pub(super) const METADATA_CERTIFICATE_FILES: Key = Key {
    name: "metadata_certificate_files",
    shape: Shape::Texts("a path"),
    fallback: Fallback::Value("[]"),
    environment: None,
    about: "For `metadata_url`: the certificates (PEM) one of which has to have signed the metadata as a whole. Without any, what the address \
            answers is believed because it comes from there.",
};
pub(super) const KEY_FILE: Key = Key {
    name: "key_file",
    shape: Shape::Path,
    fallback: Fallback::Required,
    environment: None,
    about: "The gateway's RSA key at this provider, of 2048 bits or more, in PKCS #8 (PEM, `BEGIN PRIVATE KEY`); nobody but its owner \
            may read the file (mode 0600 or 0400). It signs requests and opens assertions that are encrypted.",
};
pub(super) const CERTIFICATE_FILE: Key = Key {
    name: "certificate_file",
    shape: Shape::Path,
    fallback: Fallback::Required,
    environment: None,
    about: "The certificate of that key (PEM). Self-signed is fine: providers trust it because it stands in the gateway's metadata.",
};
pub(super) const NAME_ID_FORMAT: Key = Key {
    name: "name_id_format",
    shape: Shape::Text("a URN"),
    fallback: Fallback::Words("the provider chooses"),
    environment: None,
    about: "Which kind of NameID is asked for, such as `urn:oasis:names:tc:SAML:2.0:nameid-format:persistent`. The NameID is who \
            people are: a transient one is refused, and one that is an address goes to whoever gets the address next.",
};
pub(super) const IDP_INITIATED: Key = Key {
    name: "idp_initiated",
    shape: Shape::Switch,
    fallback: Fallback::Value("false"),
    environment: None,
    about: "Whether answers are taken that nobody asked for: a sign-in that begins at the provider. Such an answer is bound to no \
            browser, so that somebody can be signed in as somebody else by a page that they open. Leave it off where you can.",
};
pub(super) const REQUIRE_ENCRYPTION: Key = Key {
    name: "require_encryption",
    shape: Shape::Switch,
    fallback: Fallback::Value("false"),
    environment: None,
    about: "Whether an assertion that is not encrypted is refused. One that is, by AES-GCM, is taken in any case.",
};
pub(super) const ALLOW_INSECURE_CBC: Key = Key {
    name: "allow_insecure_cbc",
    shape: Shape::Switch,
    fallback: Fallback::Value("false"),
    environment: None,
    about: "Whether assertions are taken that are encrypted by AES-CBC, which does not notice a changed ciphertext. Only for a provider \
            that cannot do AES-GCM.",
};
