//! What a person does with a browser, without JavaScript.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "browser/accessibility.rs"]
mod accessibility;

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use cedargate_e2e::{
    Browser, IdentityProvider, SamlProvider, World, WorldOptions, eventually, totp, with_the_demos_rules,
};
use cedargate_model::{AccountAct, EventBody, ProofKind, SigninReason, SigninResult, Verdict};

/// Where `CEDARGATE_SCREENSHOTS=DIR` asks for pictures to look at.
fn look(browser: &Browser, name: &str) {
    let Some(dir) = std::env::var_os("CEDARGATE_SCREENSHOTS").map(PathBuf::from) else { return };
    for (width, height) in [(390, 844), (1280, 800)] {
        browser.resize(width, height).unwrap();
        browser.screenshot(&dir.join(format!("{name}-{width}.png"))).unwrap();
    }
}

fn url(world: &World, tenant: &str, path: &str) -> String {
    format!("http://{}{path}", world.host(tenant))
}

fn sign_in(browser: &Browser, email: &str, password: &str) {
    browser.fill("input[name=email]", email).unwrap();
    browser.fill("input[name=password]", password).unwrap();
    browser.click("button[type=submit]").unwrap();
}

#[test]
fn a_person_signs_in_arrives_is_refused_and_signs_out() {
    let world = World::as_the_demo_inspects();
    let browser = Browser::open(false).unwrap();

    browser.go(&url(&world, "acme", "/echo/a?page=2")).unwrap();
    browser.arrive("/auth/login?return_to=/echo/a%3Fpage%3D2").unwrap();
    look(&browser, "sign-in");
    sign_in(&browser, "viewer@acme.example", "not the password at all");
    browser.shows("The e-mail address or the password is not right").unwrap();
    look(&browser, "sign-in-failed");
    sign_in(&browser, "viewer@acme.example", world.password());
    browser.arrive("/echo/a?page=2").unwrap();
    browser.shows("/echo/a?page=2").unwrap();

    browser.go(&url(&world, "acme", "/")).unwrap();
    browser.shows("viewer@acme.example").unwrap();
    look(&browser, "portal");

    browser.go(&url(&world, "acme", "/echo/strong/a")).unwrap();
    assert!(browser.url().unwrap().contains("/auth/step-up"), "{}", browser.url().unwrap());
    browser.go(&url(&world, "globex", "/echo/a")).unwrap();
    assert!(browser.url().unwrap().contains("/auth/login"), "a session is good for its own tenant only");

    browser.go(&url(&world, "acme", "/")).unwrap();
    browser.click("form[action='/auth/logout'] button").unwrap();
    browser.arrive("/auth/login").unwrap();
    browser.go(&url(&world, "acme", "/echo/a")).unwrap();
    assert!(browser.url().unwrap().contains("/auth/login"), "signed out");

    let events = world.events();
    for wanted in [SigninResult::Failed, SigninResult::Succeeded, SigninResult::SignedOut] {
        let recorded = |body: &EventBody| matches!(body, EventBody::Signin(signin) if signin.result == wanted);
        assert!(events.iter().any(|event| recorded(&event.body)), "{wanted:?} is not in the log");
    }
    let decided = |wanted: fn(&Verdict) -> bool| {
        let of_page =
            |body: &EventBody| matches!(body, EventBody::Decision(d) if d.path == "/echo/a" && wanted(&d.verdict));
        events.iter().any(|event| of_page(&event.body))
    };
    assert!(
        decided(|verdict| *verdict == Verdict::Allow) && decided(|verdict| matches!(verdict, Verdict::Refuse { .. }))
    );
}

/// Without JavaScript: asked for a second factor, the person adds one and goes on; the next time they show a code of it.
#[test]
fn a_person_adds_a_second_factor_and_confirms_who_they_are_with_it() {
    let world = World::as_the_demo_inspects();
    let browser = Browser::open(false).unwrap();
    browser.go(&url(&world, "acme", "/auth/login")).unwrap();
    sign_in(&browser, "clerk@acme.example", world.password());
    browser.arrive("/").unwrap();
    browser.go(&url(&world, "acme", "/echo/strong/a?page=2")).unwrap();
    browser.shows("Your account has no second factor yet").unwrap();
    look(&browser, "step-up-without-factor");
    browser.click("a[href^='/auth/account/totp']").unwrap();
    browser.shows("Add an authenticator app").unwrap();
    look(&browser, "factor-new");
    browser.fill("input[name=name]", "Work phone").unwrap();
    browser.fill("input[name=password]", world.password()).unwrap();
    browser.click("button[type=submit]").unwrap();
    browser.shows("Scan this with your app").unwrap();
    look(&browser, "factor-key");
    let key = browser.text_of("#key").unwrap().replace(' ', "");
    let step = totp::step_now();
    browser.fill("input[name=code]", &totp::code(&key, step)).unwrap();
    browser.click("button[type=submit]").unwrap();
    browser.shows("Keep these recovery codes").unwrap();
    look(&browser, "recovery-codes");
    browser.click("a.button").unwrap();
    browser.arrive("/echo/strong/a?page=2").unwrap();
    browser.shows("/echo/strong/a?page=2").unwrap();

    browser.go(&url(&world, "acme", "/auth/account")).unwrap();
    browser.shows("Work phone").unwrap();
    look(&browser, "account");
    browser.click("a[href^='/auth/account/factors/']").unwrap();
    browser.shows("Remove Work phone").unwrap();
    look(&browser, "factor");
    browser.go(&url(&world, "acme", "/")).unwrap();
    browser.click("form[action='/auth/logout'] button").unwrap();
    browser.arrive("/auth/login").unwrap();

    browser.go(&url(&world, "acme", "/echo/strong/a?page=3")).unwrap();
    sign_in(&browser, "clerk@acme.example", world.password());
    browser.shows("Code from your authenticator app").unwrap();
    look(&browser, "step-up");
    browser.fill("input[name=code]", &totp::code(&key, step)).unwrap();
    browser.click("button[type=submit]").unwrap();
    browser.shows("That is not right, or it was used before").unwrap();
    look(&browser, "step-up-failed");
    browser.fill("input[name=code]", &totp::code(&key, (step + 1).max(totp::step_now()))).unwrap();
    browser.click("button[type=submit]").unwrap();
    browser.arrive("/echo/strong/a?page=3").unwrap();
    browser.shows("/echo/strong/a?page=3").unwrap();
}

/// What a person typed into a form survives that they have to confirm who they are: it is shown to them, and sent when they say so.
#[test]
fn a_form_is_kept_while_a_person_confirms_who_they_are_and_sent_when_they_say_so() {
    let world = World::shared();
    let browser = Browser::open(true).unwrap();
    browser.go(&url(&world, "acme", "/auth/login")).unwrap();
    sign_in(&browser, "viewer@acme.example", world.password());
    browser.arrive("/").unwrap();
    // A form of a page of this origin, as a service's would be.
    let post = "const form = document.createElement('form');
        form.method = 'post'; form.action = '/echo/strong/a?page=6';
        for (const [name, value] of [['note', 'first line\\nسلام & more'], ['lot', '7']]) {
            const field = document.createElement('textarea'); field.name = name; field.value = value; form.append(field);
        }
        document.body.append(form); form.submit();";
    browser.evaluate(post).unwrap();
    browser.shows("It is kept here, sealed").unwrap();
    look(&browser, "refusal-kept");
    browser.click("a.button").unwrap();
    browser.shows("Your account has no second factor yet").unwrap();
    browser.click("a[href^='/auth/account/totp']").unwrap();
    browser.fill("input[name=password]", world.password()).unwrap();
    browser.click("button[type=submit]").unwrap();
    browser.shows("Scan this with your app").unwrap();
    let key = browser.text_of("#key").unwrap().replace(' ', "");
    browser.fill("input[name=code]", &totp::code(&key, totp::step_now())).unwrap();
    browser.click("button[type=submit]").unwrap();
    browser.shows("Keep these recovery codes").unwrap();
    browser.click("a.button").unwrap();
    browser.shows("Send it now?").unwrap();
    browser.shows("سلام & more").unwrap();
    look(&browser, "kept");
    let at = browser.url().unwrap();
    browser.click("button[type=submit]").unwrap();
    browser.arrive("/echo/strong/a?page=6").unwrap();
    // What the service received, whole and unchanged: `note=first+line%0D%0A%D8%B3%D9%84%D8%A7%D9%85+%26+more&lot=7`, by its SHA-256.
    browser.shows("1780f877324a9f2b2bb9dabdeb35e72f5a2fee992f3bdfb89e262e4cea7b1914").unwrap();
    browser.go(&at).unwrap();
    browser.shows("is not kept any more").unwrap();

    let events = world.events();
    let sent = |body: &EventBody| matches!(body, EventBody::Account(done) if matches!(&done.act, AccountAct::KeptPostSent { action, .. } if action == "Echo::Action::\"WriteStrong\""));
    assert_eq!(events.iter().filter(|event| sent(&event.body)).count(), 1);
    let decided = events.iter().filter_map(|event| match &event.body {
        EventBody::Decision(decision) if decision.method == "POST" && decision.path == "/echo/strong/a" => {
            Some(decision)
        }
        _ => None,
    });
    let verdicts: Vec<_> = decided.map(|decision| matches!(decision.verdict, Verdict::Allow)).collect();
    assert_eq!(verdicts, [false, true], "refused, and then decided again");
}

/// With JavaScript and an authenticator: a passkey is added, signs in alone, confirms, and is removed.
#[test]
fn a_person_adds_a_passkey_signs_in_with_it_and_removes_it() {
    let world = World::as_the_demo_inspects();
    let browser = Browser::open(true).unwrap();
    let authenticator = browser.plug_in_authenticator().unwrap();
    let sign_out = || {
        browser.go(&url(&world, "globex", "/")).unwrap();
        browser.click("form[action='/auth/logout'] button").unwrap();
        browser.arrive("/auth/login").unwrap();
    };
    browser.go(&url(&world, "globex", "/auth/login")).unwrap();
    browser.shows("Sign in with a passkey").unwrap();
    look(&browser, "sign-in-passkey");
    browser.fill("input[name=email]", "clerk@globex.example").unwrap();
    browser.fill("input[name=password]", world.password()).unwrap();
    browser.click("form[action='/auth/login'] button[type=submit]").unwrap();
    browser.arrive("/").unwrap();
    browser.go(&url(&world, "globex", "/auth/account")).unwrap();
    browser.click("a[href='/auth/account/passkey']").unwrap();
    browser.shows("Add a passkey or security key").unwrap();
    look(&browser, "passkey-new");
    browser.fill("input[name=name]", "Laptop").unwrap();
    browser.fill("input[name=password]", world.password()).unwrap();
    browser.click("button[value=passkey]").unwrap();
    browser.shows("Keep these recovery codes").unwrap();
    let kept = browser.credentials(&authenticator).unwrap();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(kept.iter().all(|kept| kept["rpId"] == "globex.localhost" && kept["isResidentCredential"] == true));
    browser.go(&url(&world, "globex", "/auth/account")).unwrap();
    browser.shows("Laptop").unwrap();
    look(&browser, "account-passkey");

    // The device knows it: it is not added twice.
    browser.click("a[href='/auth/account/passkey']").unwrap();
    browser.click("button[value=passkey]").unwrap();
    browser.shows("added already").unwrap();
    look(&browser, "passkey-known");

    // Nobody says who they are: the passkey does, and the person goes where they were going.
    sign_out();
    browser.go(&url(&world, "globex", "/echo/strong/a?page=4")).unwrap();
    browser.click("form[data-passkey] button").unwrap();
    browser.arrive("/echo/strong/a?page=4").unwrap_or_else(|error| panic!("{error}\n{}", world.logs()));
    browser.shows("/echo/strong/a?page=4").unwrap();
    // Another tenant's host has none.
    browser.go(&url(&world, "acme", "/auth/login")).unwrap();
    browser.click("form[data-passkey] button").unwrap();
    browser.shows("It was cancelled").unwrap();
    // Where the person is not verified, the browser asks no further.
    sign_out();
    browser.verify_person(&authenticator, false).unwrap();
    browser.click("form[data-passkey] button").unwrap();
    browser.shows("It was cancelled").unwrap();
    look(&browser, "sign-in-passkey-cancelled");
    browser.verify_person(&authenticator, true).unwrap();

    // With the password alone, more is asked for, and the passkey confirms it.
    browser.go(&url(&world, "globex", "/echo/strong/a?page=5")).unwrap();
    browser.fill("input[name=email]", "clerk@globex.example").unwrap();
    browser.fill("input[name=password]", world.password()).unwrap();
    browser.click("form[action='/auth/login'] button[type=submit]").unwrap();
    browser.shows("Passkey or security key").unwrap();
    look(&browser, "step-up-passkey");
    browser.click("form[data-passkey] button").unwrap();
    browser.arrive("/echo/strong/a?page=5").unwrap();

    browser.go(&url(&world, "globex", "/auth/account")).unwrap();
    browser.click("a[href^='/auth/account/factors/']").unwrap();
    browser.click("form[action$='/remove'] button").unwrap();
    browser.shows("None yet").unwrap();
    sign_out();
    browser.click("form[data-passkey] button").unwrap();
    browser.shows("could not be used here").unwrap();
    look(&browser, "sign-in-passkey-failed");
    // What is refused is logged as a failed load, and so is what the browser itself said of it: neither is the page's fault.
    let complaints = browser.complaints().unwrap();
    let broken: Vec<_> =
        complaints.iter().filter(|line| line.to_string().contains("Content Security Policy")).collect();
    assert!(broken.is_empty(), "{broken:?}");

    let acts: Vec<_> = world
        .events()
        .into_iter()
        .filter_map(|event| match event.body {
            EventBody::Account(done) => Some(done.act),
            _ => None,
        })
        .collect();
    let added = |act: &AccountAct| matches!(act, AccountAct::FactorAdded { method: ProofKind::Passkey, .. });
    let confirmed =
        |act: &AccountAct| matches!(act, AccountAct::SteppedUp { method: ProofKind::Passkey, level: 2, .. });
    let removed = |act: &AccountAct| matches!(act, AccountAct::FactorRemoved { method: ProofKind::Passkey, .. });
    assert!(acts.iter().any(added) && acts.iter().any(confirmed) && acts.iter().any(removed), "{acts:?}");
}

#[test]
fn pages_obey_their_own_policy_and_hide_the_session_from_scripts() {
    let world = World::as_the_demo_inspects();
    let browser = Browser::open(true).unwrap();
    browser.go(&url(&world, "acme", "/auth/login")).unwrap();
    sign_in(&browser, "manager@acme.example", world.password());
    browser.arrive("/").unwrap();
    for path in ["/", "/auth/login", "/nowhere", "/auth/account", "/auth/step-up?level=2"] {
        browser.go(&url(&world, "acme", path)).unwrap();
    }
    look(&browser, "step-up-signed-in");
    browser.go(&url(&world, "acme", "/nowhere")).unwrap();
    look(&browser, "refusal");
    browser.go(&format!("http://localhost:{}/", world.address().port())).unwrap();
    look(&browser, "directory");

    // A page that is refused is logged as a failed load: that is not a complaint about the page.
    let complaints = browser.complaints().unwrap();
    let serious: Vec<_> = complaints.iter().filter(|line| !line.to_string().contains("404")).collect();
    assert!(serious.is_empty(), "{serious:?}");

    browser.go(&url(&world, "acme", "/")).unwrap();
    assert_eq!(browser.evaluate("return document.cookie").unwrap(), "");
    let cookies = browser.cookies().unwrap();
    let session = cookies.iter().find(|cookie| cookie["name"] == "cedargate").unwrap();
    assert_eq!((&session["httpOnly"], &session["sameSite"]), (&true.into(), &"Lax".into()));
}

#[test]
fn pages_fit_a_phone() {
    let world = World::as_the_demo_inspects();
    let browser = Browser::open(true).unwrap();
    // The narrowest window that Chromium has is wider than a phone; a frame of the page's own is not.
    browser.resize(500, 800).unwrap();
    for path in ["/auth/login", "/nowhere"] {
        browser.go(&url(&world, "acme", path)).unwrap();
        let overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.evaluate(overflow).unwrap(), 0, "{path} is wider than its window");
    }
}

/// The connection of acme's people to a provider, as an operator would write it.
fn connection(provider: &IdentityProvider) -> String {
    format!(
        r#"
[[oidc]]
name = "test"
title = "Test IdP"
issuer = "{}"
client_id = "cedargate"
client_authentication = "private_key_jwt"
client_key_files = ["test.key"]
scopes = ["openid", "email", "groups"]
email_domains = ["acme.example"]
admission = "with_role"

[[oidc.role]]
claim = "groups"
value = "warehouse"
role = "clerk"

[[oidc.role]]
claim = "groups"
value = "heads"
role = "manager"
"#,
        provider.issuer()
    )
}

#[test]
fn a_person_of_an_identity_provider_signs_in_and_out_there() {
    let options = WorldOptions {
        config: with_the_demos_rules("[connections]\ndir = \"connections\"\n[policies]\nreload_interval_ms = 100\n"),
        files: vec![("connections/README", String::new())],
        ..WorldOptions::default()
    };
    let world = World::start(&options).unwrap();
    let provider = IdentityProvider::start(&serde_json::json!({
        "client_id": "cedargate",
        // No secret: it fetches the gateway's key. What is asked is pushed, because it offers that.
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": url(&world, "acme", "/auth/sso/test/jwks.json"),
        "redirect_uris": [url(&world, "acme", "/auth/sso/test/callback")],
        "post_logout_redirect_uris": [url(&world, "acme", "/auth/login")],
        "backchannel_logout_uri": url(&world, "acme", "/auth/sso/test/backchannel-logout"),
        "backchannel_logout_session_required": true,
    }));
    let Some(provider) = provider.unwrap() else {
        println!("skipped: npm is missing");
        return;
    };
    let key_file = world.path("connections/test.key");
    std::fs::write(&key_file, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(world.path("connections/acme.toml"), connection(&provider)).unwrap();
    let offered = || world.try_ask("acme", "GET", "/auth/login").filter(|page| page.text().contains("Test IdP"));
    eventually(Duration::from_secs(30), "the connection on the page", offered).unwrap();

    let browser = Browser::open(false).unwrap();
    let arrives = |role: &str| {
        browser.arrive("/").unwrap();
        browser.shows("ada@acme.example").unwrap_or_else(|error| panic!("{error}\n{}", provider.log()));
        browser.shows(role).unwrap();
    };
    // Chosen on the page, and taken back to where they were going.
    browser.go(&url(&world, "acme", "/echo/a?page=2")).unwrap();
    browser.arrive("/auth/login?return_to=/echo/a%3Fpage%3D2").unwrap();
    look(&browser, "sign-in-sso");
    browser.click("a[href^='/auth/sso/test']").unwrap();
    browser.arrive("/echo/a?page=2").unwrap_or_else(|error| panic!("{error}\n{}\n{}", provider.log(), world.logs()));
    browser.go(&url(&world, "acme", "/")).unwrap();
    arrives("clerk");
    look(&browser, "portal-sso");

    // Signing out goes on to the provider, which tells the gateway behind the browser's back, and comes back.
    browser.click("form[action='/auth/logout'] button").unwrap();
    browser.shows("Sign out here, too").unwrap();
    browser.click("button[value=yes]").unwrap();
    browser.arrive("/auth/login").unwrap();

    // Led by the address's domain; in other groups now, and with a key that the gateway has not seen.
    provider.control(&serde_json::json!({ "groups": ["heads"], "rotate": true })).unwrap();
    browser.fill("input[name=email]", "anybody@acme.example").unwrap();
    browser.click("button[formaction='/auth/sso']").unwrap();
    arrives("manager");

    // Signed out at the provider alone: it ends the gateway's session by its back channel.
    browser.go(&format!("{}/session/end", provider.issuer())).unwrap();
    browser.click("button[value=yes]").unwrap();
    let ended = || {
        browser.go(&url(&world, "acme", "/")).ok()?;
        browser.url().ok()?.contains("/auth/login").then_some(())
    };
    eventually(Duration::from_secs(30), "the end of the session", ended)
        .unwrap_or_else(|error| panic!("{error}\n{}\n{}", provider.log(), world.logs()));

    // In no group that gives a role, nobody is let in, and a stranger learns no reason.
    provider.control(&serde_json::json!({ "groups": [] })).unwrap();
    browser.click("a[href^='/auth/sso/test']").unwrap();
    browser.shows("could not be completed").unwrap();
    look(&browser, "sign-in-sso-failed");
    let complaints = browser.complaints().unwrap();
    let broken: Vec<_> =
        complaints.iter().filter(|line| line.to_string().contains("Content Security Policy")).collect();
    assert!(broken.is_empty(), "{broken:?}");

    let signins: Vec<_> = world
        .events()
        .into_iter()
        .filter_map(|event| match event.body {
            EventBody::Signin(signin) => Some((signin.result, signin.reason)),
            _ => None,
        })
        .collect();
    let wanted = [
        (SigninResult::Succeeded, None),
        (SigninResult::SignedOut, None),
        // What the provider tells of that in turn: there is no session left to end, and it is recorded all the same.
        (SigninResult::EndedByProvider, None),
        (SigninResult::Succeeded, None),
        (SigninResult::EndedByProvider, None),
        (SigninResult::Failed, Some(SigninReason::RoleRequired)),
    ];
    assert_eq!(signins, wanted, "{}", provider.log());
}

/// The connection of acme's people to a SAML provider, as an operator would write it.
const SAML_CONNECTION: &str = r#"
[[saml]]
name = "corp"
title = "Corp SSO"
metadata_file = "corp.xml"
key_file = "corp.key"
certificate_file = "corp.crt"
email_domains = ["acme.example"]
admission = "with_role"
# SimpleSAMLphp 1.19 encrypts by nothing else.
allow_insecure_cbc = true

[[saml.role]]
claim = "groups"
value = "warehouse"
role = "clerk"

[[saml.role]]
claim = "groups"
value = "heads"
role = "manager"
"#;

#[test]
fn a_person_of_a_saml_provider_signs_in_and_out_there() {
    let options = WorldOptions {
        config: with_the_demos_rules("[connections]\ndir = \"connections\"\n[policies]\nreload_interval_ms = 100\n"),
        files: vec![("connections/README", String::new())],
        ..WorldOptions::default()
    };
    let world = World::start(&options).unwrap();
    let Some(provider) = SamlProvider::start().unwrap() else {
        println!("skipped: SimpleSAMLphp is missing");
        return;
    };
    let at = |what: &str| url(&world, "acme", &format!("/auth/saml/corp/{what}"));
    let certificate = provider.certificate("gateway.crt").unwrap();
    let control = |key: &str, next: Option<&str>, groups: &[&str], encrypted: bool| {
        let state = serde_json::json!({
            "key": key, "next": next, "groups": groups, "encrypted": encrypted, "certificate": certificate,
            "entity_id": at("metadata"), "acs": at("acs"), "slo": at("slo"),
        });
        provider.control(&state).unwrap();
    };
    control("old", None, &["warehouse"], false);
    for (from, to) in [("gateway.key", "corp.key"), ("gateway.crt", "corp.crt")] {
        let to = world.path(&format!("connections/{to}"));
        std::fs::copy(provider.file(from), &to).unwrap();
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    std::fs::write(world.path("connections/corp.xml"), provider.metadata().unwrap()).unwrap();
    std::fs::write(world.path("connections/acme.toml"), SAML_CONNECTION).unwrap();
    let offered = || world.try_ask("acme", "GET", "/auth/login").filter(|page| page.text().contains("Corp SSO"));
    eventually(Duration::from_secs(30), "the connection on the page", offered).unwrap();

    let browser = Browser::open(false).unwrap();
    let told = |error: std::io::Error| -> ! { panic!("{error}\n{}\n{}", provider.log(), world.logs()) };
    // Without scripts, every page of the provider has a button.
    let sign_in = || {
        browser.fill("input[name=username]", "ada").unwrap_or_else(|error| told(error));
        browser.fill("input[name=password]", "password").unwrap();
        browser.click("#submit_button").unwrap();
        // On the page that has the answer, and not on the one before it, which may still be there.
        browser.click("form:has(input[name=SAMLResponse]) button").unwrap_or_else(|error| told(error));
    };
    browser.go(&url(&world, "acme", "/echo/a?page=2")).unwrap();
    browser.arrive("/auth/login?return_to=/echo/a%3Fpage%3D2").unwrap();
    browser.click("a[href^='/auth/sso/corp']").unwrap();
    sign_in();
    browser.arrive("/echo/a?page=2").unwrap_or_else(|error| told(error));
    let arrives = |role: &str| {
        browser.go(&url(&world, "acme", "/")).unwrap();
        browser.shows("ada@acme.example").unwrap_or_else(|error| told(error));
        browser.shows(role).unwrap();
    };
    arrives("clerk");

    // Signing out goes on to the provider and comes back.
    browser.click("form[action='/auth/logout'] button").unwrap();
    browser.arrive("/auth/login").unwrap_or_else(|error| told(error));

    // The next certificate is announced, taken up, and then signed with; the assertion is encrypted, and her groups are others.
    control("old", Some("new"), &["warehouse"], false);
    let taken_up = || world.logs().matches("are taken up").count();
    let before = taken_up();
    std::fs::write(world.path("connections/corp.xml"), provider.metadata().unwrap()).unwrap();
    eventually(Duration::from_secs(30), "the new metadata", || (taken_up() > before).then_some(())).unwrap();
    control("new", None, &["heads"], true);
    browser.fill("input[name=email]", "anybody@acme.example").unwrap();
    browser.click("button[formaction='/auth/sso']").unwrap();
    sign_in();
    browser.arrive("/").unwrap_or_else(|error| told(error));
    arrives("manager");

    // Signed out at the provider alone: it ends the gateway's session, too.
    browser.go(&provider.url("saml2/idp/initSLO.php?RelayState=/simplesaml/logout.php")).unwrap();
    browser.arrive("/simplesaml/logout.php").unwrap_or_else(|error| told(error));
    browser.go(&url(&world, "acme", "/")).unwrap();
    assert!(browser.url().unwrap().contains("/auth/login"), "{}\n{}", browser.url().unwrap(), provider.log());

    // In no group that gives a role, nobody is let in, and a stranger learns no reason.
    control("new", None, &[], true);
    browser.click("a[href^='/auth/sso/corp']").unwrap();
    sign_in();
    browser.shows("could not be completed").unwrap_or_else(|error| told(error));

    let signins: Vec<_> = world
        .events()
        .into_iter()
        .filter_map(|event| match event.body {
            EventBody::Signin(signin) => Some((signin.result, signin.reason)),
            _ => None,
        })
        .collect();
    let wanted = [
        (SigninResult::Succeeded, None),
        (SigninResult::SignedOut, None),
        (SigninResult::Succeeded, None),
        (SigninResult::EndedByProvider, None),
        (SigninResult::Failed, Some(SigninReason::RoleRequired)),
    ];
    assert_eq!(signins, wanted, "{}", provider.log());
}
