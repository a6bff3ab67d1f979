//! Accounts, their factors, sessions, service accounts and tenants, and the store behind them.
//!
//! Three things are always true of what stands here:
//! - a session's token leaves this crate once, at sign-in; store, cache and logs know its SHA-256 or nothing;
//! - what a session's lookup answers is at most [`SessionSettings::staleness_max`] old: a disabled account, changed roles and
//!   a session ended elsewhere take effect within that time, one ended here at once. With [`Sessions::run_listening`] they take
//!   effect within a second, and what did not change is read once;
//! - a token of one tenant is unknown to every other.
//!
//! Of a second factor's secret this crate knows what is sealed, or a hash; whoever judges codes opens it.
//!
//! ```
//! use cedargate_identity::{
//!     Accounts, Device, Email, NewAccount, PresentedToken, SessionSettings, Sessions, SignIn, Tenants,
//! };
//! use cedargate_migrations::{GATEWAY, Pool, StoreUrl};
//! use cedargate_model::{AuthnMethod, AuthnStrength, Micros, RoleName, TenantName};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let url = StoreUrl::sqlite(directory.path().join("gateway.db"));
//! # let now = Micros(1_700_000_000_000_000);
//! let pool = Pool::open(&url).await?;
//! let _ = pool.migrate(&GATEWAY, now).await?;
//!
//! let acme = Tenants::new(pool.clone()).create(TenantName::parse("acme")?, now).await?;
//! let ada = NewAccount { email: Email::parse("Ada@Example.com")?, roles: vec![RoleName::parse("clerk")?], password: None };
//! let ada = Accounts::new(pool.clone()).create(acme.id, ada, now).await?;
//!
//! let sessions = Sessions::new(pool, SessionSettings::default());
//! let strength = AuthnStrength { level: 1, methods: vec![AuthnMethod::Pwd] };
//! let device = Device::default();
//! let sign_in = SignIn { tenant: acme.id, principal: ada.id, strength, replaces: None, device, remember: false };
//! let begun = sessions.create(sign_in, now).await?;
//!
//! let cookie = begun.token.expose();
//! let presented = PresentedToken::parse(&cookie).ok_or("malformed")?;
//! let principal = sessions.find(acme.id, &presented, now).await?.ok_or("unknown")?;
//! assert_eq!(principal.display, "ada@example.com");
//! assert_eq!(principal.roles.iter().map(RoleName::as_str).collect::<Vec<_>>(), ["clerk", "member"]);
//! # Ok(())
//! # }
//! ```
//!
//! To keep something more of a person: a migration, a column in `account.rs`, and a bump of the account's `version` where
//! it changes what a principal is. Whatever else a session's lookup comes to read needs a trigger that notes its changes,
//! as in the migration `session_changes`.

mod account;
mod account_links;
mod accounts;
mod api_keys;
mod attempts;
mod certificates;
mod consents;
mod device;
mod email;
mod factor;
mod factors;
mod federated;
mod guesses;
mod holder;
mod identities;
mod identity;
mod invitations;
mod kept_posts;
mod link;
mod notices;
mod operator_events;
mod policy_changes;
mod principal;
mod program_secret;
mod promised_roles;
mod provider_endings;
mod random;
mod ready;
mod recovery;
mod refresh_token;
mod registrations;
mod scim;
mod service_account;
mod service_accounts;
mod session;
mod session_cache;
mod session_changes;
mod session_limits;
mod session_rows;
mod signin_places;
mod tenant;
mod token;
mod totp_factors;
mod webauthn_ceremonies;
mod webauthn_credentials;

pub use account::{
    Account, AccountState, CreateAccountError, NewAccount, PasswordHash, PasswordHashError, RolesError,
    UpdateAccountError,
};
pub use account_links::{AccountLinkError, AccountLinks, INVITATION_TTL, PasswordReset, RESET_TTL};
pub use accounts::{Accounts, Passkeys, PasswordSet};
pub use attempts::{ATTEMPT_TTL, Attempt, BrowserSecret, OneUse, OneUseOf, SpentAttempts};
pub use cedargate_migrations::StoreError;
pub use certificates::{AccountCertificate, AddCertificateError, CERTIFICATES_MAX, CertificateRule, KeyDigest};
pub use consents::{Consents, DocumentVersion, DocumentVersionError};
pub use device::{Agent, Device};
pub use email::{Email, EmailError};
pub use factor::{FACTORS_MAX, Factor, FactorName, FactorNameError};
pub use factors::{Factors, Removed};
pub use federated::{
    EndedSession, EndedSessions, Ending, Federation, LogoutRequested, LogoutTokenId, SealedIdToken, Vouched,
};
pub use guesses::{DeviceId, GuessedAt, Guesses, ProofGuesses};
pub use holder::{FACTORS_FRESH, Holder, HolderError, Shown};
pub use identities::{Arrival, ArriveError, Arrived, Departed, Identities, LinkError};
pub use identity::{Identity, IdentityError, Issuer, Subject};
pub use invitations::{Accepted, Invitation, InviteError};
pub use kept_posts::{KEPT_POST_TTL, KeepPostError, KeptPost, KeptPosts, NewKeptPost};
pub use link::{LinkOrigin, LinkOriginError, LinkToken, PresentedLink};
pub use notices::{Backlog, NOTICES_MAX, Notice, NoticeError, Notices, Waiting};
pub use operator_events::{OperatorError, OperatorEvents, Taken};
pub use policy_changes::{
    ChangeState, ChangeStep, LivePolicies, POLICY_CHANGES_MAX, POLICY_SET_BYTES_MAX, PolicyChange, PolicyChangeError,
    PolicyChanges, StepDone,
};
pub use principal::MEMBER;
pub use program_secret::{PresentedSecret, ProgramSecret, SecretError, SecretKind};
pub use random::EntropyError;
pub use ready::Ready;
pub use recovery::{DrawCodesError, RECOVERY_CODES, RecoveryCode};
pub use refresh_token::{PresentedRefresh, RefreshToken};
pub use registrations::{Answer, REGISTRATION_TTL, Registration};
pub use scim::{
    CreateScimTokenError, ForgottenPeople, GroupChange, MatchBy, MatchedPerson, ProvisionError, ProvisionedArrival,
    Provisioning, RoleRules, SCIM_TOKEN_LIFETIME_MAX, SCIM_TOKENS_MAX, ScimDesk, ScimGroup, ScimToken, ScimTokens,
    ScimUser, UserChange,
};
pub use service_account::{
    API_KEY_LIFETIME_MAX, API_KEYS_MAX, ApiKey, ApiKeyName, ApiKeyNameError, CreateApiKeyError,
    CreateServiceAccountError, NewApiKey, ServiceAccount, ServiceAccountName, ServiceAccountNameError,
    UpdateServiceAccountError,
};
pub use service_accounts::ServiceAccounts;
pub use session::{
    Beginning, Begun, CreateSessionError, ExchangeError, Family, FamilyStanding, FindProgramError, Granted, Grounds,
    HeldCredential, HeldKey, HeldToken, Maintained, OwnSession, ProgramRefused, RefreshError, Replaced,
    SessionSettings, SessionStats, Sessions, ShownAssertion, ShownCertificate, ShownToken, SignIn, StepUpError,
};
pub use session_limits::{SESSIONS_MAX, SessionLimits};
pub use tenant::{AddHostError, CreateTenantError, DIRECTORY, Tenant, Tenants, directory};
pub use token::{PresentedToken, SessionToken, device_cookie_name, session_cookie_name, signin_cookie_name};
pub use totp_factors::{EnrolError, Enrolled, SealedTotp};
pub use webauthn_ceremonies::{
    BeginCeremonyError, CEREMONY_TTL, CeremonyPurpose, NewCeremony, SpendCeremonyError, SpentCeremony,
    WebauthnCeremonies,
};
pub use webauthn_credentials::{
    AddCredentialError, SealedCredential, UseCredentialError, UsedCredential, UserHandle, UserHandleError, WebauthnKind,
};
