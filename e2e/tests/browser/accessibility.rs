//! Every page, judged by axe-core in light and in dark, in English and from right to left, and as narrow as a phone or as 400 % of zoom.

use std::path::PathBuf;

use cedargate_e2e::{Axe, Browser, World, totp};

use crate::{sign_in, url};

/// 1280 pixels at 400 % of zoom: nothing may be lost, and nobody scrolls in two directions (WCAG 2.2, 1.4.10).
const NARROW: u32 = 320;

struct Judge<'a> {
    browser: &'a Browser,
    axe: &'a Axe,
    language: &'static str,
    found: Vec<String>,
}

impl Judge<'_> {
    /// Judges the page that the browser is at.
    fn judge(&mut self, name: &str) {
        for scheme in ["light", "dark"] {
            self.browser.prefer_scheme(scheme).unwrap();
            self.look(name, scheme);
            self.browser.emulate_screen(NARROW, 640).unwrap();
            let at = format!("{name}, {}, {scheme}", self.language);
            let violations = self.axe.violations(self.browser).unwrap();
            self.found.extend(violations.into_iter().map(|line| format!("{at}: {line}")));
            let wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
            let wide = self.browser.evaluate(wide).unwrap();
            if wide != 0 {
                self.found.push(format!("{at}: wider than a narrow screen by {wide}"));
            }
        }
        let html = self.browser.evaluate("return `${document.documentElement.lang} ${document.dir}`").unwrap();
        let wanted = if self.language == "fa" { "fa rtl" } else { "en ltr" };
        assert_eq!(html, wanted, "{name}");
    }

    /// Where `CEDARGATE_SCREENSHOTS=DIR` asks for pictures to look at.
    fn look(&self, name: &str, scheme: &str) {
        let Some(dir) = std::env::var_os("CEDARGATE_SCREENSHOTS").map(PathBuf::from) else { return };
        for (width, height) in [(390, 844), (1280, 800)] {
            self.browser.emulate_screen(width, height).unwrap();
            let file = format!("{name}-{}-{scheme}-{width}.png", self.language);
            self.browser.picture(&dir.join(file)).unwrap();
        }
    }
}

#[test]
fn every_page_is_for_everybody_and_on_every_screen() {
    let world = World::shared();
    let Some(axe) = Axe::install().unwrap() else {
        println!("skipped: npm is missing");
        return;
    };
    for (language, tenant, email) in [("en", "acme", "admin@acme.example"), ("fa", "globex", "manager@globex.example")]
    {
        let browser = Browser::open(true).unwrap();
        let mut judge = Judge { browser: &browser, axe: &axe, language, found: Vec::new() };
        let go = |path: &str| browser.go(&url(&world, tenant, path)).unwrap();
        let choose = || browser.click(&format!("button[name=language][value={language}]")).unwrap();

        browser.go(&format!("http://localhost:{}/", world.address().port())).unwrap();
        choose();
        judge.judge("directory");
        go("/auth/login?return_to=/echo/a");
        choose();
        // Where they were, and not the start page.
        browser.arrive("/auth/login?return_to=/echo/a").unwrap();
        judge.judge("sign-in");
        sign_in(&browser, email, "not the password at all");
        browser.element_of("#notice").unwrap();
        judge.judge("sign-in-failed");
        sign_in(&browser, email, world.password());
        browser.arrive("/echo/a").unwrap();
        go("/auth/login");
        judge.judge("sign-in-again");
        go("/");
        judge.judge("portal");
        go("/nowhere");
        judge.judge("refusal");
        go("/auth/nowhere");
        judge.judge("refusal-own");
        go("/auth/account");
        judge.judge("account-empty");
        go("/auth/step-up?level=1&return_to=/echo/a");
        judge.judge("step-up-password");
        go("/auth/step-up?level=2&return_to=/echo/strong/a%3Fpage%3D2");
        judge.judge("step-up-without-factor");
        go("/auth/account/passkey");
        judge.judge("passkey-new");
        go("/auth/account/totp");
        judge.judge("factor-new");
        browser.fill("input[name=password]", world.password()).unwrap();
        browser.click("button[type=submit]").unwrap();
        let key = browser.text_of("#key").unwrap().replace([' ', '\n'], "");
        judge.judge("factor-key");
        let step = totp::step_now();
        browser.fill("input[name=code]", &totp::code(&key, step)).unwrap();
        browser.click("button[type=submit]").unwrap();
        browser.element_of(".codes").unwrap();
        judge.judge("recovery-codes");
        go("/auth/account");
        judge.judge("account");
        go("/auth/account/recovery-codes");
        judge.judge("recovery-codes-new");
        go("/auth/account");
        browser.click("a[href^='/auth/account/factors/']").unwrap();
        judge.judge("factor");
        go("/");
        browser.click("form[action='/auth/logout'] button").unwrap();
        browser.arrive("/auth/login").unwrap();
        sign_in(&browser, email, world.password());
        browser.arrive("/").unwrap();
        go("/auth/step-up?level=2&return_to=/echo/strong/a%3Fpage%3D2");
        browser.element_of("input[name=code]").unwrap();
        judge.judge("step-up");
        assert!(judge.found.is_empty(), "{}", judge.found.join("\n"));
    }
}

#[test]
fn the_sign_in_is_reached_by_keys_in_the_order_in_which_it_is_read_and_shows_where_one_is() {
    let world = World::shared();
    let browser = Browser::open(true).unwrap();
    browser.go(&url(&world, "acme", "/auth/login")).unwrap();
    browser.shows("Sign in with a passkey").unwrap();
    let mut order = Vec::new();
    // The address has the focus to begin with. Whatever links stand below the form come before the languages, which end the page.
    while order.last().is_none_or(|at| at != "button language") {
        order.push(browser.tab().unwrap());
        let outline = "return getComputedStyle(document.activeElement).outlineStyle";
        assert_eq!(browser.evaluate(outline).unwrap(), "solid", "{order:?}");
        assert!(order.len() < 12, "{order:?}");
    }
    assert_eq!(order[..3], ["input password", "button Sign in", "button Sign in with a passkey"]);
}
