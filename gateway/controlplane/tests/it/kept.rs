//! A form that was kept while its sender confirmed who they are.
#![expect(clippy::unwrap_used, reason = "a test without its world has failed")]

use cedargate_identity::{KeptPosts, NewKeptPost, PresentedToken};
use cedargate_model::{AccountAct, Clock as _, PostedForm};
use http::StatusCode;
use uuid::Uuid;

use crate::house::House;

const ACTION: &str = "Inventory::Action::\"RecallLot\"";

/// Keeps a form as the data plane would, and says where it is.
async fn keep(house: &House, cookie: &str, target: &str, body: &str) -> String {
    let (posts, now) = (KeptPosts::new(house.pool.clone()), house.clock.now());
    let token = PresentedToken::parse(cookie).unwrap();
    let session = house.sessions.find(house.acme.id, &token, now).await.unwrap().unwrap().session;
    let id = Uuid::now_v7();
    let form = serde_json::to_string(&PostedForm::of(target, body.as_bytes()).unwrap()).unwrap();
    let sealed = format!("{}|{form}", KeptPosts::sealed_name(house.acme.id, house.ada, id, ACTION));
    let new = NewKeptPost { id, account: house.ada, session, action: ACTION, sealed: &sealed };
    posts.keep(house.acme.id, new, now).await.unwrap();
    format!("/auth/account/kept/{id}")
}

#[tokio::test]
async fn a_kept_form_is_shown_to_its_sender_alone() {
    let house = House::new().await;
    let cookie = house.sign_ada_in().await;
    let body = "reason=%3Cscript%3E+%22x%22&password=s3cret&lot=7";
    let at = keep(&house, &cookie, "/inventory/recall?x=1", body).await;
    let shown = house.at(&house.acme).browser().with_cookie(&cookie).get(&at).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.body);
    for part in [
        "/inventory/recall",
        "&#60;script&#62; &#34;x&#34;</bdi>",
        "name=\"lot\" value=\"7\"",
        "name=\"password\" value=\"s3cret\"",
        &format!("action=\"{at}\""),
    ] {
        assert!(shown.body.contains(part), "{part} in {}", shown.body);
    }
    assert!(!shown.body.contains("s3cret</bdi>") && !shown.body.contains("<script>"));
    assert_eq!(shown.header("cache-control"), Some("no-store"));

    let another = house.sign_ada_in().await;
    house.account("bob@example.com").await;
    let credentials = crate::house::credentials("bob@example.com", crate::house::PASSWORD);
    let bob = house.at(&house.acme).post_json("/auth/login", &credentials).await.cookie_value().unwrap();
    for other in [another, bob] {
        let visitor = house.at(&house.acme).browser().with_cookie(&other);
        for answer in [visitor.get(&at).await, visitor.post_form(&at, body).await] {
            assert_eq!(answer.status, StatusCode::GONE);
            assert!(answer.body.contains("post_gone") && !answer.body.contains("lot"), "{}", answer.body);
        }
    }
    let globex = house.at(&house.globex).browser().with_cookie(&cookie).get(&at).await;
    assert_ne!(globex.status, StatusCode::OK);
}

#[tokio::test]
async fn a_kept_form_is_sent_once_by_the_browser_and_not_before_it_is_recorded() {
    let house = House::new().await;
    let cookie = house.sign_ada_in().await;
    let at = keep(&house, &cookie, "/inventory/recall?x=1", "lot=7").await;
    let visitor = house.at(&house.acme).browser().with_cookie(&cookie);
    house.recorder.take_acts();
    house.recorder.broken.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(visitor.post_form(&at, "lot=7").await.status, StatusCode::SERVICE_UNAVAILABLE);
    house.recorder.broken.store(false, std::sync::atomic::Ordering::SeqCst);

    let sent = visitor.post_form(&at, "lot=7").await;
    let to = sent.header("location");
    assert_eq!((sent.status, to), (StatusCode::TEMPORARY_REDIRECT, Some("/inventory/recall?x=1")));
    let acts = house.recorder.take_acts();
    assert!(matches!(acts.as_slice(), [AccountAct::KeptPostSent { action, .. }] if action == ACTION), "{acts:?}");
    for answer in [visitor.post_form(&at, "lot=7").await, visitor.get(&at).await] {
        assert_eq!(answer.status, StatusCode::GONE);
    }
    for odd in ["/auth/account/kept/x", "/auth/account/kept/00000000-0000-0000-0000-000000000000"] {
        assert_eq!(visitor.get(odd).await.status, StatusCode::GONE);
    }
}
