//! What people see, and who may see it.

use std::time::Duration;

use crate::house::{House, ISSUER, RECEIPT};
use axum::body::Body;
use cedargate_assertion::{Issuer, Jwks, SigningKeys};
use cedargate_controlplane::AUDIENCE;
use cedargate_model::{Caller, Clock};
use http::{HeaderName, HeaderValue, StatusCode};

const EVERYTHING: [(&str, &str); 16] = [
    ("GET", "/"),
    ("GET", "/auth/login"),
    ("POST", "/auth/login"),
    ("POST", "/auth/logout"),
    ("GET", "/auth/step-up"),
    ("POST", "/auth/step-up"),
    ("POST", "/auth/login/passkey"),
    ("POST", "/auth/step-up/passkey"),
    ("POST", "/auth/account/passkey"),
    ("GET", "/auth/account"),
    ("POST", "/auth/account/totp"),
    ("POST", "/auth/account/sessions/end-others"),
    ("POST", "/auth/language"),
    ("GET", "/auth/assets/cedargate.css"),
    ("GET", "/.well-known/cedargate/jwks.json"),
    ("GET", "/no/such/thing"),
];

/// What may arrive over the socket without having come through the gateway, or not for us.
#[tokio::test]
async fn what_does_not_come_through_the_gateway_is_refused_everywhere() {
    let house = House::new().await;
    let visitor = house.at(&house.acme);
    let now = house.clock.now();
    let scope = &house.acme;
    let issue =
        |issuer: &Issuer, audience: &str, at| issuer.issue(&Caller::Anonymous, scope, audience, at).unwrap().token;
    let stranger = Issuer::new(ISSUER, SigningKeys::generate().unwrap());
    let old = cedargate_model::Micros(now.0 - 600_000_000);
    let wrong_identities = [
        issue(&house.issuer, "inventory", now),
        issue(&stranger, AUDIENCE, now),
        issue(&house.issuer, AUDIENCE, old),
        "x".into(),
    ];
    for (method, path) in EVERYTHING {
        for token in &wrong_identities {
            let mut request = visitor.request(method, path).await.body(Body::empty()).unwrap();
            request.headers_mut().insert("cedargate-identity", HeaderValue::from_str(token).unwrap());
            let answer = visitor.send(request).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            assert_eq!(answer.json()["code"], "identity_invalid");
        }
        for name in [
            "cedargate-identity",
            "cedargate-decision",
            "cedargate-request",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-forwarded-for",
        ] {
            let name = HeaderName::from_static(name);
            let mut request = visitor.request(method, path).await.body(Body::empty()).unwrap();
            let value = request.headers_mut().remove(&name).unwrap();
            let answer = visitor.send(request).await;
            assert_eq!(
                (answer.status, answer.json()["code"].as_str()),
                (StatusCode::UNAUTHORIZED, Some("identity_missing"))
            );

            let mut request = visitor.request(method, path).await.body(Body::empty()).unwrap();
            request.headers_mut().append(name, value);
            assert_eq!(visitor.send(request).await.status, StatusCode::UNAUTHORIZED, "twice: {method} {path}");
        }
    }
}

#[tokio::test]
async fn every_page_is_self_contained_and_kept_by_nobody() {
    let house = House::new().await;
    let cookie = house.sign_ada_in().await;
    let acme = house.at(&house.acme).browser();
    for page in [
        acme.get("/auth/login").await,
        acme.post_form("/auth/login", "email=a%40b&password=x").await,
        acme.clone().with_cookie(&cookie).get("/").await,
        acme.clone().with_cookie(&cookie).get("/auth/login").await,
        acme.clone().with_cookie(&cookie).get("/auth/step-up?level=2&return_to=/x").await,
        acme.clone().with_cookie(&cookie).get("/auth/step-up?level=1&return_to=/x").await,
        acme.clone().with_cookie(&cookie).get("/auth/account").await,
        acme.clone().with_cookie(&cookie).get("/auth/account/totp").await,
        acme.clone().with_cookie(&cookie).get("/auth/account/passkey").await,
        acme.get("/no/such/page").await,
        house.at_directory().browser().get("/").await,
    ] {
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
        let body = page.body.to_ascii_lowercase();
        // Where passkeys are asked for, one script of ours; elsewhere none may run.
        let (before, after) = body.split_once("<script src=\"/auth/assets/passkey.js?v=").unwrap_or((&body, ""));
        let (script, after) = after.split_once("\" defer></script>").unwrap_or(("", after));
        let scripted = if script.is_empty() { "" } else { " script-src 'self'; connect-src 'self';" };
        let policy = format!(
            "default-src 'none';{scripted} style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        );
        assert_eq!(page.header("content-security-policy"), Some(policy.as_str()));
        assert!(script.bytes().all(|octet| octet.is_ascii_hexdigit()));
        assert!(page.body.len() < 60 * 1024);
        let body = format!("{before}{after}");
        for refused in ["<script", "<style", " style=", " onclick", " onsubmit", "javascript:", "//cdn", "@import"] {
            assert!(!body.contains(refused), "{refused} in {}", page.body);
        }
        for source in body
            .split("src=\"")
            .skip(1)
            .chain(body.split("<link").skip(1).filter_map(|l| l.split_once("href=\"")).map(|(_, l)| l))
        {
            assert!(source.starts_with("/auth/assets/"), "{source}");
        }
        assert!(
            body.contains("<html lang=\"en\" dir=\"ltr\">")
                && body.contains("name=\"viewport\"")
                && body.contains("<h1")
        );
    }
}

/// Every page, by somebody who is signed in with a second factor or not at all.
const PAGES: [&str; 9] = [
    "/",
    "/auth/login",
    "/auth/login?return_to=/inventory/items",
    "/auth/step-up?level=2&return_to=/inventory/items",
    "/auth/step-up?level=1",
    "/auth/account",
    "/auth/account/totp",
    "/auth/account/passkey",
    "/no/such/page",
];

/// With its stylesheet, mark and script, so that a page is light on a slow line, too.
const PAGE_BYTES_MAX: usize = 60 * 1024;

#[tokio::test]
async fn every_page_speaks_each_language_and_is_light() {
    let house = House::new().await;
    let cookie = house.sign_ada_in().await;
    let acme = house.at(&house.acme).browser();
    let mut loaded = 0;
    for asset in ["cedargate.css", "mark.svg", "passkey.js"] {
        loaded += acme.get(&format!("/auth/assets/{asset}")).await.body.len();
    }
    for (tag, direction) in [("en", "ltr"), ("am", "ltr"), ("fa", "rtl")] {
        let mut pages = Vec::new();
        for path in PAGES {
            for visitor in [acme.clone(), acme.clone().with_cookie(&cookie)] {
                pages.push((path, visitor.reading(tag).get(path).await));
            }
        }
        let failed = acme.clone().reading(tag).post_form("/auth/login", "email=a%40b&password=x").await;
        pages.push(("a failed sign-in", failed));
        pages.push(("the bare host", house.at_directory().browser().reading(tag).get("/").await));
        for (path, page) in pages {
            if page.header("content-type") != Some("text/html; charset=utf-8") {
                // On to the sign-in, or the refusal of a program's question.
                assert!(!page.status.is_success(), "{path}");
                continue;
            }
            assert!(page.body.contains(&format!("<html lang=\"{tag}\" dir=\"{direction}\">")), "{path} {}", page.body);
            assert_eq!(page.header("content-language"), Some(tag), "{path}");
            assert_eq!(page.header("vary"), Some("accept, accept-language, cookie"), "{path}");
            assert!(page.body.len() + loaded < PAGE_BYTES_MAX, "{path}: {} and {loaded} octets", page.body.len());
            // What nobody has translated is in Latin letters between the tags, but for names, addresses and codes.
            if tag != "en" {
                for english in ["Sign in", "Your account", "Welcome", "Back to", "Continue", "Please"] {
                    assert!(!page.body.contains(english), "{english} on {path} in {tag}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_language_is_chosen_by_a_form_and_kept_by_the_browser() {
    let house = House::new().await;
    let acme = house.at(&house.acme).browser();
    let page = acme.get("/auth/login?return_to=/x").await;
    assert!(page.body.contains("name=\"return_to\" value=\"/auth/login?return_to=/x\""), "{}", page.body);
    let chosen = acme.post_form("/auth/language", "language=fa&return_to=%2Fauth%2Flogin%3Freturn_to%3D%2Fx").await;
    assert_eq!((chosen.status, chosen.header("location")), (StatusCode::SEE_OTHER, Some("/auth/login?return_to=/x")));
    let cookie = "cedargate-language=fa; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000";
    assert_eq!(chosen.header("set-cookie"), Some(cookie));
    let page = acme.clone().holding("cedargate-language=fa").reading("en").get("/auth/login").await;
    assert!(page.body.contains("<html lang=\"fa\" dir=\"rtl\">"));
    assert!(page.body.contains("lang=\"fa\" dir=\"rtl\" type=\"submit\" aria-current=\"true\""));

    for odd in ["language=de", "language=", "", "language=fa&language=en"] {
        let refused = acme.post_form("/auth/language", odd).await;
        assert_eq!((refused.status, refused.header("set-cookie")), (StatusCode::BAD_REQUEST, None), "{odd}");
    }
    let away = acme.post_form("/auth/language", "language=am&return_to=//evil.example").await;
    assert_eq!(away.header("location"), Some("/"));
    // What a form was answered with is not asked for again: there may be codes on it that are shown once.
    let failed = acme.post_form("/auth/login", "email=a%40b&password=x").await;
    assert!(!failed.body.contains("/auth/language"));
}

#[tokio::test]
async fn the_portal_says_who_you_are_and_where_you_can_go() {
    let house = House::new().await;
    let cookie = house.sign_ada_in().await;
    house.advance(Duration::from_secs(5 * 60));
    let page = house.at(&house.acme).browser().with_cookie(&cookie).get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    for text in [
        "ada@example.com",
        "acme",
        "<bdi class=\"tag\">clerk</bdi>",
        "password (level 1 of 3)",
        "5 minutes ago",
        "href=\"/inventory/items\"",
        "Items, lots &#38; stock",
        "action=\"/auth/logout\"",
    ] {
        assert!(page.body.contains(text), "{text} in {}", page.body);
    }
}

#[tokio::test]
async fn the_portal_of_somebody_unknown_is_the_sign_in() {
    let house = House::new().await;
    let answer = house.at(&house.acme).browser().get("/").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, Some("/auth/login")));
}

#[tokio::test]
async fn the_bare_host_lists_tenants_at_their_own_hosts() {
    let house = House::new().await;
    let page = house.at_directory().browser().get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    for href in ["href=\"http://acme.localhost:8080/\"", "href=\"http://globex.localhost:8080/\""] {
        assert!(page.body.contains(href), "{href} in {}", page.body);
    }
    let page = house.at_directory().browser().https().get("/").await;
    assert!(page.body.contains("href=\"https://acme.localhost:8080/\""));
}

#[tokio::test]
async fn a_step_up_believes_no_more_of_its_address_than_it_can() {
    let house = House::new().await;
    let cookie = house.sign_ada_in().await;
    let visitor = house.at(&house.acme).browser().with_cookie(&cookie);
    for odd in ["", "?level=9", "?level=x&level=y", "?return_to=//evil.example"] {
        let page = visitor.get(&format!("/auth/step-up{odd}")).await;
        assert_eq!(page.status, StatusCode::OK, "{odd}");
        // Where the page itself is, as an address of this origin, is all that says it: a page in another language is asked for there.
        let here = "name=\"return_to\" value=\"/auth/step-up?return_to=//evil.example\"";
        assert!(!page.body.replace(here, "").contains("evil.example"), "{}", page.body);
    }
}

#[tokio::test]
async fn an_asset_is_kept_for_ever_under_its_version_and_briefly_without() {
    let house = House::new().await;
    let visitor = house.at(&house.acme).browser();
    let page = visitor.get("/auth/login").await;
    let (_, rest) = page.body.split_once("rel=\"stylesheet\" href=\"").unwrap();
    let (href, _) = rest.split_once('"').unwrap();
    let versioned = visitor.get(href).await;
    assert_eq!(versioned.header("content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(versioned.header("cache-control"), Some("public, max-age=31536000, immutable"));
    for class in [".card", ".refusal", ".code", ".muted"] {
        assert!(versioned.body.contains(class), "{class}");
    }
    let bare = visitor.get("/auth/assets/cedargate.css?v=0000").await;
    assert_eq!(bare.header("cache-control"), Some("public, max-age=300"));

    let tag = bare.header("etag").unwrap();
    let request =
        visitor.request("GET", "/auth/assets/cedargate.css").await.header("if-none-match", format!("\"x\", W/{tag}"));
    let known = visitor.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!((known.status, known.body.as_str()), (StatusCode::NOT_MODIFIED, ""));

    let script = visitor.get("/auth/assets/passkey.js").await;
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    let mark = visitor.get("/auth/assets/mark.svg").await;
    assert_eq!((mark.status, mark.header("content-type")), (StatusCode::OK, Some("image/svg+xml")));
    for none in ["nothing.css", "..%2fcedargate.css", "%2e%2e", "cedargate.css%00"] {
        assert_eq!(visitor.get(&format!("/auth/assets/{none}")).await.status, StatusCode::NOT_FOUND, "{none}");
    }
}

#[tokio::test]
async fn the_published_keys_are_those_that_verify() {
    let house = House::new().await;
    let answer = house.at(&house.acme).get("/.well-known/cedargate/jwks.json").await;
    assert_eq!(answer.header("content-type"), Some("application/jwk-set+json"));
    assert_eq!(Jwks::parse(answer.body.as_bytes()).unwrap(), house.issuer.keys().jwks());
}

#[tokio::test]
async fn a_receipt_is_the_tenants_own_and_anything_else_is_nothing() {
    let house = House::new().await;
    let (acme, globex) = (house.at(&house.acme), house.at(&house.globex));
    let path = format!("/audit/receipt/{RECEIPT}");
    let answer = acme.get(&path).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, Some("application/json")));
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    for nothing in ["/audit/receipt/0196a3f2-7b1e-7c40-9d55-3f1a2b4c5d6f", "/audit/receipt/x", "/audit/receipt/"] {
        assert_eq!(acme.get(nothing).await.status, StatusCode::NOT_FOUND, "{nothing}");
    }
    assert_eq!(globex.get(&path).await.status, StatusCode::NOT_FOUND);
    let note = acme.get("/.well-known/cedargate/checkpoint").await;
    assert_eq!((note.status, note.body.as_str()), (StatusCode::OK, "gw/audit/tenants/acme\n1\n"));
    let failed = globex.get("/.well-known/cedargate/checkpoint").await;
    assert_eq!(failed.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!failed.body.contains("disk"), "{}", failed.body);
}

#[tokio::test]
async fn an_unknown_address_or_method_is_refused_by_its_code() {
    let house = House::new().await;
    let visitor = house.at(&house.acme).browser();
    let unknown = visitor.get("/auth/nothing").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(unknown.body.contains("route_unknown") && unknown.body.contains(crate::house::REQUEST));
    assert_eq!(visitor.get("/auth/logout").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(house.at(&house.acme).get("/auth/nothing").await.json()["code"], "route_unknown");
}
