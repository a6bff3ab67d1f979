//! The gateway's own schema.

use crate::{Migration, MigrationSet};

/// Tenants, accounts, their identities elsewhere, factors, and sessions: everything that the gateway itself keeps.
pub const GATEWAY: MigrationSet = MigrationSet {
    name: "gateway",
    migrations: &[
        Migration {
            version: 1,
            name: "tenants",
            sqlite: include_str!("../gateway/sqlite/0001_tenants.sql"),
            postgres: include_str!("../gateway/postgres/0001_tenants.sql"),
        },
        Migration {
            version: 2,
            name: "accounts",
            sqlite: include_str!("../gateway/sqlite/0002_accounts.sql"),
            postgres: include_str!("../gateway/postgres/0002_accounts.sql"),
        },
        Migration {
            version: 3,
            name: "sessions",
            sqlite: include_str!("../gateway/sqlite/0003_sessions.sql"),
            postgres: include_str!("../gateway/postgres/0003_sessions.sql"),
        },
        Migration {
            version: 4,
            name: "session_changes",
            sqlite: include_str!("../gateway/sqlite/0004_session_changes.sql"),
            postgres: include_str!("../gateway/postgres/0004_session_changes.sql"),
        },
        Migration {
            version: 5,
            name: "identities",
            sqlite: include_str!("../gateway/sqlite/0005_identities.sql"),
            postgres: include_str!("../gateway/postgres/0005_identities.sql"),
        },
        Migration {
            version: 6,
            name: "signin_attempts",
            sqlite: include_str!("../gateway/sqlite/0006_signin_attempts.sql"),
            postgres: include_str!("../gateway/postgres/0006_signin_attempts.sql"),
        },
        Migration {
            version: 7,
            name: "session_devices",
            sqlite: include_str!("../gateway/sqlite/0007_session_devices.sql"),
            postgres: include_str!("../gateway/postgres/0007_session_devices.sql"),
        },
        Migration {
            version: 8,
            name: "totp_factors",
            sqlite: include_str!("../gateway/sqlite/0008_totp_factors.sql"),
            postgres: include_str!("../gateway/postgres/0008_totp_factors.sql"),
        },
        Migration {
            version: 9,
            name: "recovery_codes",
            sqlite: include_str!("../gateway/sqlite/0009_recovery_codes.sql"),
            postgres: include_str!("../gateway/postgres/0009_recovery_codes.sql"),
        },
        Migration {
            version: 10,
            name: "sessions_by_account",
            sqlite: include_str!("../gateway/sqlite/0010_sessions_by_account.sql"),
            postgres: include_str!("../gateway/postgres/0010_sessions_by_account.sql"),
        },
        Migration {
            version: 11,
            name: "bound_enrolments",
            sqlite: include_str!("../gateway/sqlite/0011_bound_enrolments.sql"),
            postgres: include_str!("../gateway/postgres/0011_bound_enrolments.sql"),
        },
        Migration {
            version: 12,
            name: "service_accounts",
            sqlite: include_str!("../gateway/sqlite/0012_service_accounts.sql"),
            postgres: include_str!("../gateway/postgres/0012_service_accounts.sql"),
        },
        Migration {
            version: 13,
            name: "token_grants",
            sqlite: include_str!("../gateway/sqlite/0013_token_grants.sql"),
            postgres: include_str!("../gateway/postgres/0013_token_grants.sql"),
        },
        Migration {
            version: 14,
            name: "saml",
            sqlite: include_str!("../gateway/sqlite/0014_saml.sql"),
            postgres: include_str!("../gateway/postgres/0014_saml.sql"),
        },
        Migration {
            version: 15,
            name: "webauthn",
            sqlite: include_str!("../gateway/sqlite/0015_webauthn.sql"),
            postgres: include_str!("../gateway/postgres/0015_webauthn.sql"),
        },
        Migration {
            version: 20,
            name: "leased_events",
            sqlite: include_str!("../gateway/sqlite/0020_leased_events.sql"),
            postgres: include_str!("../gateway/postgres/0020_leased_events.sql"),
        },
        Migration {
            version: 21,
            name: "spent_attempts",
            sqlite: include_str!("../gateway/sqlite/0021_spent_attempts.sql"),
            postgres: include_str!("../gateway/postgres/0021_spent_attempts.sql"),
        },
        Migration {
            version: 22,
            name: "provider_endings",
            sqlite: include_str!("../gateway/sqlite/0022_provider_endings.sql"),
            postgres: include_str!("../gateway/postgres/0022_provider_endings.sql"),
        },
        Migration {
            version: 23,
            name: "ceremonies_of_sessions",
            sqlite: include_str!("../gateway/sqlite/0023_ceremonies_of_sessions.sql"),
            postgres: include_str!("../gateway/postgres/0023_ceremonies_of_sessions.sql"),
        },
        Migration {
            version: 25,
            name: "notices",
            sqlite: include_str!("../gateway/sqlite/0025_notices.sql"),
            postgres: include_str!("../gateway/postgres/0025_notices.sql"),
        },
        Migration {
            version: 26,
            name: "account_links",
            sqlite: include_str!("../gateway/sqlite/0026_account_links.sql"),
            postgres: include_str!("../gateway/postgres/0026_account_links.sql"),
        },
        Migration {
            version: 27,
            name: "registrations",
            sqlite: include_str!("../gateway/sqlite/0027_registrations.sql"),
            postgres: include_str!("../gateway/postgres/0027_registrations.sql"),
        },
        Migration {
            version: 28,
            name: "consents",
            sqlite: include_str!("../gateway/sqlite/0028_consents.sql"),
            postgres: include_str!("../gateway/postgres/0028_consents.sql"),
        },
        Migration {
            version: 30,
            name: "scim_tokens",
            sqlite: include_str!("../gateway/sqlite/0030_scim_tokens.sql"),
            postgres: include_str!("../gateway/postgres/0030_scim_tokens.sql"),
        },
        Migration {
            version: 31,
            name: "scim_resources",
            sqlite: include_str!("../gateway/sqlite/0031_scim_resources.sql"),
            postgres: include_str!("../gateway/postgres/0031_scim_resources.sql"),
        },
        Migration {
            version: 35,
            name: "token_families",
            sqlite: include_str!("../gateway/sqlite/0035_token_families.sql"),
            postgres: include_str!("../gateway/postgres/0035_token_families.sql"),
        },
        Migration {
            version: 36,
            name: "spent_assertions",
            sqlite: include_str!("../gateway/sqlite/0036_spent_assertions.sql"),
            postgres: include_str!("../gateway/postgres/0036_spent_assertions.sql"),
        },
        Migration {
            version: 37,
            name: "certificates_by_issuer",
            sqlite: include_str!("../gateway/sqlite/0037_certificates_by_issuer.sql"),
            postgres: include_str!("../gateway/postgres/0037_certificates_by_issuer.sql"),
        },
        Migration {
            version: 40,
            name: "name_id_formats",
            sqlite: include_str!("../gateway/sqlite/0040_name_id_formats.sql"),
            postgres: include_str!("../gateway/postgres/0040_name_id_formats.sql"),
        },
        Migration {
            version: 41,
            name: "saml_logouts",
            sqlite: include_str!("../gateway/sqlite/0041_saml_logouts.sql"),
            postgres: include_str!("../gateway/postgres/0041_saml_logouts.sql"),
        },
        Migration {
            version: 50,
            name: "provider_active",
            sqlite: include_str!("../gateway/sqlite/0050_provider_active.sql"),
            postgres: include_str!("../gateway/postgres/0050_provider_active.sql"),
        },
        Migration {
            version: 51,
            name: "scim_issuers",
            sqlite: include_str!("../gateway/sqlite/0051_scim_issuers.sql"),
            postgres: include_str!("../gateway/postgres/0051_scim_issuers.sql"),
        },
    ],
};
