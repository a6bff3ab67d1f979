//! What a person does with a browser, without JavaScript.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use cedargate_e2e::{Browser, World, totp};
use cedargate_model::{EventBody, SigninResult, Verdict};

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
    let world = World::shared();
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
    let world = World::shared();
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

#[test]
fn pages_obey_their_own_policy_and_hide_the_session_from_scripts() {
    let world = World::shared();
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
    let world = World::shared();
    let browser = Browser::open(true).unwrap();
    // The narrowest window that Chromium has is wider than a phone; a frame of the page's own is not.
    browser.resize(500, 800).unwrap();
    for path in ["/auth/login", "/nowhere"] {
        browser.go(&url(&world, "acme", path)).unwrap();
        let overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.evaluate(overflow).unwrap(), 0, "{path} is wider than its window");
    }
}
