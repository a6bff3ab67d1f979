//! Mistakes in a tenant's file, each with its place, and what a file without any comes to.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use cedargate_idp_adapters::connection::{Admission, ConnectionKind};
use cedargate_idp_adapters::oidc::ClientAuthentication;
use cedargate_idp_adapters::saml::testing::{TestIdp, key_and_certificate};
use tempfile::TempDir;

use super::*;

const MINIMAL: &str = r#"
[[oidc]]
name = "okta"
title = "Okta"
issuer = "https://acme.okta.example"
client_id = "0oa1"
client_secret_variable = "CEDARGATE_IDP_OKTA"
"#;

fn environment() -> Environment {
    Environment::of([("CEDARGATE_IDP_OKTA".to_owned(), "s3cret".to_owned())])
}

fn directory(files: &[(&str, &str)]) -> (TempDir, ConnectionFiles) {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    let files = ConnectionFiles { dir: Some(directory.path().to_owned()) };
    (directory, files)
}

fn load(files: &ConnectionFiles, secrets: SecretUse) -> Result<TenantConnections, String> {
    let roles = ["clerk", "manager"].map(|name| RoleName::parse(name).unwrap());
    let said = |error: ConnectionsError| {
        let dir = format!("{}/", files.dir.as_ref().unwrap().display());
        error.to_string().replace(&dir, "")
    };
    files.load(&roles, &environment(), secrets).map_err(said)
}

#[track_caller]
fn mistakes(files: &[(&str, &str)]) -> String {
    let (_directory, files) = directory(files);
    load(&files, SecretUse::Needed).err().unwrap_or_default()
}

#[test]
fn every_mistake_of_every_file_is_told_at_once_with_its_place() {
    let acme = r#"
[[oidc]]
name = "Okta"
title = ""
issuer = "http://acme.okta.example"
client_id = "a"
client_secret = "s3cret"
scopes = ["profile"]
email_domains = ["@acme.example"]
admission = "everybody"
clock_skew_seconds = 301

[[oidc.role]]
claim = "groups"
value = "warehouse"
role = "clark"

[[oidc.strength]]
level = 4
methods = ["sms"]
"#;
    let said = mistakes(&[("acme.toml", acme), ("Globex.toml", MINIMAL), ("notes.md", "anything")]);
    let expected = "\
mistakes in the connections
Globex.toml:1:1: the file is named for its tenant, and `Globex` is not a tenant name: use 1 to 63 of a-z, 0-9 and inner `-`
acme.toml:2:1: oidc[0].client_secret_file: missing; write a path, or `client_secret_variable` and the name of an environment variable
acme.toml:3:8: oidc[0].name: `Okta` is not a connection's name: use 1 to 32 of a-z, 0-9 and `-`, beginning with a letter
acme.toml:4:9: oidc[0].title: write 1 to 40 characters, not 0
acme.toml:5:10: oidc[0].issuer: a provider's address begins with `https://`; `http://` is for `localhost`, `127.0.0.1` and `[::1]` alone
acme.toml:8:10: oidc[0].scopes: `openid` is missing: without it there is no ID token
acme.toml:9:18: oidc[0].email_domains: `@acme.example` is not a domain of addresses; write it as `acme.example`, in ASCII (`xn--` where it is not)
acme.toml:10:13: oidc[0].admission: write `known`, `with_role` or `anyone`
acme.toml:11:22: oidc[0].clock_skew_seconds: write an integer from 0 to 300, not `301`
acme.toml:16:8: oidc[0].role[0].role: there is no role `clark`, expected one of `clerk`, `manager`
acme.toml:18:1: oidc[0].strength[0]: write an `acr` or an `amr`
acme.toml:19:9: oidc[0].strength[0].level: write an integer from 1 to 3, not `4`
acme.toml:20:12: oidc[0].strength[0].methods: write `pwd`, `otp` or `hwk`";
    let (known, unknown): (Vec<_>, Vec<_>) = said.lines().partition(|line| !line.contains("unknown key"));
    assert_eq!(known.join("\n"), expected);
    assert_eq!(unknown.len(), 1, "{unknown:?}");
    assert!(unknown[0].starts_with("acme.toml:7:1: oidc[0].client_secret: unknown key"), "{unknown:?}");
    assert!(!said.contains("s3cret"), "a secret is told");
}

#[test]
fn connections_of_one_tenant_share_neither_name_nor_domain() {
    let domains = format!("{MINIMAL}email_domains = [\"acme.example\"]\n");
    let other = domains.replace("\"okta\"", "\"entra\"").replace("acme.example\"]", "ACME.example\"]");
    assert_eq!(
        mistakes(&[("acme.toml", &format!("{domains}{domains}"))]),
        "mistakes in the connections\nacme.toml:11:8: oidc[1].name: there is a connection `okta` already"
    );
    assert_eq!(
        mistakes(&[("acme.toml", &format!("{domains}{other}"))]),
        "mistakes in the connections\n\
         acme.toml:16:17: oidc[1].email_domains: people of `acme.example` are led to another connection already"
    );
    assert_eq!(mistakes(&[("acme.toml", &domains), ("globex.toml", &domains)]), "", "tenants are apart");
}

#[test]
fn a_client_proves_itself_by_a_key_or_by_a_secret_and_not_by_both() {
    let (key, _) = key_and_certificate();
    let secret = "client_secret_variable = \"CEDARGATE_IDP_OKTA\"";
    let by_key = "client_authentication = \"private_key_jwt\"\n";
    let with = |lines: &str| {
        let file = MINIMAL.replace(secret, lines);
        let (directory, files) = directory(&[("acme.toml", &file), ("okta.key", &key), ("none.key", "x")]);
        for name in ["okta.key", "none.key"] {
            fs::set_permissions(directory.path().join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        load(&files, SecretUse::Needed)
    };
    let tenants = with(&format!("{by_key}client_key_files = [\"okta.key\"]")).unwrap();
    let ConnectionKind::Oidc(settings) = &tenants.values().flatten().next().unwrap().kind else { panic!("not OIDC") };
    assert!(matches!(settings.authentication, ClientAuthentication::PrivateKeyJwt { .. }) && settings.pushed);
    for (lines, said) in [
        (by_key.to_owned(), "write 1 to 4 files with a key each"),
        (format!("{by_key}client_key_files = [\"none.key\"]"), "`none.key`: no unencrypted key in PKCS #8"),
        (format!("{by_key}client_key_files = [\"gone.key\"]"), "cannot be read"),
        (format!("{by_key}client_key_files = [\"okta.key\"]\n{secret}"), "there is a client secret, too"),
        (
            format!("{secret}\nclient_key_files = [\"okta.key\"]"),
            "only for `client_authentication = \"private_key_jwt\"`",
        ),
        (format!("{secret}\nscopes = [\"openid\", \"offline_access\"]"), "no refresh token is kept here"),
    ] {
        let told = with(&lines).unwrap_err();
        assert!(told.contains(said), "{said}\n{told}");
    }
}

#[test]
fn a_secret_stands_in_one_place_that_others_cannot_read() {
    let file =
        MINIMAL.replace("client_secret_variable = \"CEDARGATE_IDP_OKTA\"", "client_secret_file = \"okta.secret\"");
    let (directory, files) = directory(&[("acme.toml", &file), ("okta.secret", "fr0m file\n")]);
    let secret = directory.path().join("okta.secret");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(load(&files, SecretUse::Needed).unwrap_err().contains("chmod 600"));
    assert!(load(&files, SecretUse::Unused).is_ok(), "a preview needs none");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let tenants = load(&files, SecretUse::Needed).unwrap();
    let ConnectionKind::Oidc(settings) = &tenants.values().flatten().next().unwrap().kind else { panic!("not OIDC") };
    match &settings.authentication {
        ClientAuthentication::SecretBasic(secret) => assert_eq!(secret.expose(), "fr0m file"),
        ClientAuthentication::SecretPost(_) | ClientAuthentication::PrivateKeyJwt { .. } => {
            panic!("the default is the header")
        }
    }
    fs::write(&secret, "\n").unwrap();
    assert!(load(&files, SecretUse::Needed).unwrap_err().contains("there is no secret in it"));

    for (line, said) in [
        ("client_secret_variable = \"CEDARGATE_MASTER_KEY\"", "write a name that begins with `CEDARGATE_IDP_`"),
        ("client_secret_variable = \"CEDARGATE_IDP_NONE\"", "the environment variable `CEDARGATE_IDP_NONE` is not set"),
        ("client_secret_variable = \"CEDARGATE_IDP_OKTA\"\nclient_secret_file = \"x\"", "`x` cannot be read"),
    ] {
        let text = MINIMAL.replace("client_secret_variable = \"CEDARGATE_IDP_OKTA\"", line);
        let told = mistakes(&[("acme.toml", &text)]);
        assert!(told.contains(said), "{told}");
    }
}

#[test]
fn a_file_without_a_mistake_says_all_of_a_connection() {
    let text = format!(
        r#"{MINIMAL}
client_authentication = "client_secret_post"
admission = "with_role"
[[oidc.require]]
claim = "hd"
value = "acme.example"
[[oidc.role]]
claim = "/realm_access/roles"
value = "warehouse"
role = "clerk"
[[oidc.strength]]
amr = "otp"
level = 2
methods = ["otp"]
"#
    );
    let (_directory, files) = directory(&[("acme.toml", &text)]);
    let tenants = load(&files, SecretUse::Needed).unwrap();
    let connection = tenants.values().flatten().next().unwrap();
    assert_eq!((connection.admission, connection.required.len()), (Admission::WithRole, 1));
    assert_eq!((connection.roles.len(), connection.strengths.len()), (1, 1));
    let ConnectionKind::Oidc(settings) = &connection.kind else { panic!("not OIDC") };
    assert_eq!(settings.scopes, ["openid", "profile", "email"]);
    assert_eq!((settings.clock_skew.as_secs(), settings.userinfo), (60, false));
    assert!(matches!(settings.authentication, ClientAuthentication::SecretPost(_)));
    assert_eq!(tenants.keys().next().unwrap().as_str(), "acme");
}

/// Another tenant may be taking a provider's certificate out, and must not have to wait for this one's typing mistake.
#[test]
fn a_mistake_in_one_tenants_file_is_that_tenants_alone() {
    let (_directory, files) = directory(&[
        ("acme.toml", MINIMAL),
        ("globex.toml", "[[oidc]]\nname = \"x\""),
        ("initech.toml", "[["),
        ("Not A Tenant.toml", ""),
    ]);
    let read = files.load_each(&[], &environment(), SecretUse::Needed).unwrap();
    let names = |tenants: Vec<&TenantName>| tenants.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(read.tenants.keys().collect()), ["acme"]);
    assert_eq!(names(read.mistaken.iter().collect()), ["globex", "initech"]);
    assert!(!read.mistakes.is_empty());
    // At a start, and for `cedargate config check`, each mistake counts.
    assert!(files.load(&[], &environment(), SecretUse::Needed).is_err());
}

#[test]
fn without_a_directory_there_are_no_connections() {
    let none = ConnectionFiles::default().load(&[], &environment(), SecretUse::Needed).unwrap();
    assert!(none.is_empty());
    let gone = ConnectionFiles { dir: Some("/nowhere/at/all".into()) };
    let refused = gone.load(&[], &environment(), SecretUse::Needed);
    assert!(matches!(refused, Err(ConnectionsError::Unreadable { .. })));
}

const SAML: &str = r#"
[[saml]]
name = "corp"
title = "Corp"
metadata_file = "idp.xml"
key_file = "sp.key"
certificate_file = "sp.crt"
"#;

/// A directory with a SAML connection of acme's, and what else it takes.
fn saml_directory(text: &str, metadata: &str) -> (TempDir, ConnectionFiles) {
    let (key, certificate) = key_and_certificate();
    let files = [("acme.toml", text), ("idp.xml", metadata), ("sp.key", &key), ("sp.crt", &certificate)];
    let (directory, files) = directory(&files);
    fs::set_permissions(directory.path().join("sp.key"), fs::Permissions::from_mode(0o600)).unwrap();
    (directory, files)
}

#[test]
fn a_saml_connection_has_its_metadata_its_key_and_careful_defaults() {
    let idp = TestIdp::default();
    let (_directory, files) = saml_directory(SAML, &idp.metadata_xml(&[&idp.key]));
    let tenants = load(&files, SecretUse::Needed).unwrap();
    let connection = tenants.values().flatten().next().unwrap();
    let ConnectionKind::Saml(settings) = &connection.kind else { panic!("not SAML") };
    assert_eq!(settings.metadata, idp.metadata());
    assert!(settings.key.certificate().is_some());
    assert_eq!((settings.unsolicited, settings.encrypted_only, settings.cbc), (false, false, false));
    assert_eq!(connection.admission, Admission::Known);
    // A preview reads no secret.
    fs::remove_file(files.dir.as_ref().unwrap().join("sp.key")).unwrap();
    assert!(load(&files, SecretUse::Unused).is_ok());
}

#[test]
fn what_is_wrong_with_a_saml_connection_is_said_with_its_place() {
    let idp = TestIdp::default();
    let good = idp.metadata_xml(&[&idp.key]);
    let said = |text: &str, metadata: &str, spoil: &dyn Fn(&Path)| {
        let (directory, files) = saml_directory(text, metadata);
        spoil(directory.path());
        load(&files, SecretUse::Needed).err().unwrap_or_default()
    };
    let nothing = |_: &Path| {};
    for (text, metadata, spoil, expected) in [
        (
            SAML.to_owned(),
            idp.metadata_xml(&[]),
            &nothing as &dyn Fn(&Path),
            "5:17: saml[0].metadata_file: the provider's metadata is not taken: it has no signing certificate",
        ),
        (SAML.to_owned(), "<x/>".to_owned(), &nothing, "is not taken: the root is not an `EntityDescriptor`"),
        (SAML.to_owned(), format!("<!DOCTYPE x>{good}"), &nothing, "is not taken: not XML without document type"),
        (SAML.replace("idp.xml", "none.xml"), good.clone(), &nothing, "none.xml` cannot be read"),
        (
            SAML.to_owned(),
            good.clone(),
            &|dir: &Path| fs::write(dir.join("sp.crt"), key_and_certificate().1).unwrap(),
            "key_file: the certificate is another key's",
        ),
        (
            SAML.to_owned(),
            good.clone(),
            &|dir: &Path| fs::write(dir.join("sp.key"), "x").unwrap(),
            "key_file: no unencrypted RSA key",
        ),
        (
            SAML.to_owned(),
            good.clone(),
            &|dir: &Path| fs::set_permissions(dir.join("sp.key"), fs::Permissions::from_mode(0o644)).unwrap(),
            "key_file: ",
        ),
        (SAML.replace("title", "titel"), good.clone(), &nothing, "titel"),
        (
            format!("{SAML}{}", SAML.replace("Corp", "Other")),
            good.clone(),
            &nothing,
            "there is a connection `corp` already",
        ),
    ] {
        let told = said(&text, &metadata, spoil);
        assert!(told.contains(expected), "{expected}\n{told}");
    }
}
