//! The reference page's worked example is what the code does: `UPDATE=1` writes it anew.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cedargate_assertion::{Issuer, SigningKeys, TenantScope, Verifier};
use cedargate_model::{
    AuthnMethod, AuthnStrength, Caller, Credential, Micros, Principal, PrincipalId, RoleName, SessionId, TenantId,
    TenantName,
};
use uuid::Uuid;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/identity-header.md");
const BEGIN: &str = "<!-- worked example: written by gateway/assertion/tests/reference.rs -->\n";
const END: &str = "<!-- end of the worked example -->\n";

/// The private key of RFC 8037, appendix A.1, which all the world knows.
const RFC_8037_SEED: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

fn id(text: &str) -> Uuid {
    Uuid::parse_str(text).unwrap()
}

fn worked_example() -> String {
    let seed = URL_SAFE_NO_PAD.decode(RFC_8037_SEED).unwrap();
    let issuer = Issuer::new("https://gateway.example", SigningKeys::from_seed(&seed.try_into().unwrap()));
    let tenant = TenantScope {
        id: TenantId(id("01997b7e-2a00-7c3d-9f10-5a6b7c8d9e0f")),
        name: TenantName::parse("acme").unwrap(),
    };
    let now = Micros(1_790_000_000_000_000);
    let ann = Principal {
        id: PrincipalId(id("01997b7e-2a01-7d4e-8a21-6b7c8d9e0f1a")),
        tenant: tenant.id,
        tenant_name: tenant.name.clone(),
        display: "ann@acme.example".into(),
        roles: vec![RoleName::parse("clerk").unwrap()],
        session: SessionId(id("01997b7e-2a02-7e5f-9b32-7c8d9e0f1a2b")),
        credential: Credential::Session,
        strength: AuthnStrength { level: 1, methods: vec![AuthnMethod::Pwd] },
        authenticated_at: Micros(1_789_999_000_000_000),
        version: 1,
    };
    let person = issuer.issue(&Caller::Principal(Arc::new(ann)), &tenant, "inventory", now).unwrap().token;
    let anonymous = issuer.issue(&Caller::Anonymous, &tenant, "inventory", now).unwrap().token;
    let keys = issuer.keys().jwks();
    let verifier = Verifier::new("https://gateway.example", "inventory", keys.clone());
    assert!(verifier.verify(&person, now).is_ok() && verifier.verify(&anonymous, now).is_ok());

    let mut text = String::new();
    writeln!(text, "The key set:\n\n```json\n{}\n```\n", pretty(keys.to_json().as_bytes())).unwrap();
    writeln!(text, "The value of `Cedargate-Identity`, on one line in a request and broken at its dots here:\n")
        .unwrap();
    writeln!(text, "```text\n{}\n```\n", person.replace('.', ".\n")).unwrap();
    writeln!(text, "Its header and its claims, decoded:\n").unwrap();
    writeln!(text, "```json\n{}\n```\n\n```json\n{}\n```\n", part(&person, 0), part(&person, 1)).unwrap();
    writeln!(text, "An anonymous caller's claims:\n\n```json\n{}\n```", part(&anonymous, 1)).unwrap();
    text
}

fn part(token: &str, number: usize) -> String {
    pretty(&URL_SAFE_NO_PAD.decode(token.split('.').nth(number).unwrap()).unwrap())
}

/// One member a line, in the order in which they are on the wire.
fn pretty(json: &[u8]) -> String {
    let text = String::from_utf8(json.to_vec()).unwrap();
    let (mut pretty, mut quoted, mut depth) = (String::new(), false, 0_usize);
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => depth -= 1,
            _ => {}
        }
        let broken = |after: char| format!("{after}\n{}", "  ".repeat(depth));
        match character {
            '{' if !quoted => pretty.push_str(&broken('{')),
            ',' if !quoted => pretty.push_str(&broken(',')),
            '}' if !quoted => pretty.push_str(&format!("\n{}}}", "  ".repeat(depth))),
            ':' if !quoted => pretty.push_str(": "),
            other => pretty.push(other),
        }
    }
    pretty
}

#[test]
fn the_reference_pages_worked_example_is_current() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let begin = page.find(BEGIN).unwrap() + BEGIN.len();
    let end = page.find(END).unwrap();
    let current = format!("\n{}\n", worked_example());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PAGE, format!("{}{current}{}", &page[..begin], &page[end..])).unwrap();
    } else {
        assert!(page[begin..end] == current, "stale: UPDATE=1 cargo test -p cedargate-assertion --test reference");
    }
}
