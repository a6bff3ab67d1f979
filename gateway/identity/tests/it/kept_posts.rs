//! Forms that are kept while their senders confirm who they are, on a real store.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::house::{House, NOW};
use cedargate_identity::{
    Device, KEPT_POST_TTL, KeepPostError, KeptPosts, NewKeptPost, SessionSettings, Sessions, SignIn,
};
use cedargate_migrations::testing::each_engine;
use cedargate_model::{AuthnMethod, AuthnStrength, Micros, PrincipalId, SessionId};
use uuid::Uuid;

struct Setting {
    house: House,
    posts: KeptPosts,
    sessions: Sessions,
    ada: PrincipalId,
    session: SessionId,
}

impl Setting {
    async fn new() -> Self {
        let house = House::new().await;
        let ada = house.account("ada@example.com", &[]).await;
        let sessions = Sessions::new(house.pool.clone(), SessionSettings::default());
        let posts = KeptPosts::new(house.pool.clone());
        let mut setting = Self { house, posts, sessions, ada, session: SessionId(Uuid::nil()) };
        setting.session = setting.sign_in(ada, None).await;
        setting
    }

    async fn sign_in(&self, principal: PrincipalId, replaces: Option<SessionId>) -> SessionId {
        let strength = AuthnStrength { level: 1, methods: vec![AuthnMethod::Pwd] };
        let tenant = self.house.acme;
        let sign_in = SignIn { tenant, principal, strength, replaces, remember: false, device: Device::default() };
        self.sessions.create(sign_in, NOW).await.unwrap().principal.session
    }

    async fn keep(&self, session: SessionId) -> Result<Uuid, KeepPostError> {
        let id = self.posts.draw_id(NOW).unwrap();
        let new = NewKeptPost { id, account: self.ada, session, action: "Echo::Action::\"Write\"", sealed: "sealed" };
        self.posts.keep(self.house.acme, new, NOW).await.map(|()| id)
    }

    async fn finds(&self, id: Uuid, session: SessionId, now: Micros) -> bool {
        self.posts.find(self.house.acme, id, session, now).await.unwrap().is_some()
    }
}

#[each_engine]
async fn a_kept_form_is_its_sessions_alone_and_taken_once() {
    let setting = Setting::new().await;
    let id = setting.keep(setting.session).await.unwrap();
    assert!(setting.finds(id, setting.session, NOW).await);

    let bob = setting.house.account("bob@example.com", &[]).await;
    let others = [setting.sign_in(setting.ada, None).await, setting.sign_in(bob, None).await];
    for other in others {
        assert!(!setting.finds(id, other, NOW).await);
        assert!(setting.posts.take(setting.house.acme, id, other, NOW).await.unwrap().is_none());
    }
    assert!(setting.posts.find(setting.house.globex, id, setting.session, NOW).await.unwrap().is_none());
    let over = NOW.after(KEPT_POST_TTL);
    assert!(!setting.finds(id, setting.session, over).await);
    assert!(setting.posts.take(setting.house.acme, id, setting.session, over).await.unwrap().is_none());

    // What is not committed is not taken: its event may not have become durable.
    drop(setting.posts.take(setting.house.acme, id, setting.session, NOW).await.unwrap().unwrap());
    let taken = setting.posts.take(setting.house.acme, id, setting.session, NOW).await.unwrap().unwrap();
    assert_eq!(taken.commit().await.unwrap().sealed, "sealed");
    assert!(setting.posts.take(setting.house.acme, id, setting.session, NOW).await.unwrap().is_none());
}

#[each_engine]
async fn a_kept_form_goes_with_its_session_and_over_to_the_one_in_its_place() {
    let setting = Setting::new().await;
    let acme = setting.house.acme;
    let id = setting.keep(setting.session).await.unwrap();
    // Proved again who they are.
    let strength = AuthnStrength { level: 2, methods: vec![AuthnMethod::Otp] };
    let stronger = setting.sessions.step_up(acme, setting.session, strength, NOW).await.unwrap();
    let stronger = setting.sessions.take_up(stronger.commit().await.unwrap()).principal.session;
    assert!(setting.finds(id, stronger, NOW).await && !setting.finds(id, setting.session, NOW).await);
    // Signed in anew, as themselves.
    let anew = setting.sign_in(setting.ada, Some(stronger)).await;
    assert!(setting.finds(id, anew, NOW).await);
    // As somebody else: nothing of it is theirs, and nothing of it is left.
    let bob = setting.house.account("bob@example.com", &[]).await;
    let of_bob = setting.sign_in(bob, Some(anew)).await;
    assert!(!setting.finds(id, of_bob, NOW).await && !setting.finds(id, anew, NOW).await);

    let session = setting.sign_in(setting.ada, None).await;
    let id = setting.keep(session).await.unwrap();
    assert!(setting.sessions.end(acme, session).await.unwrap());
    assert!(!setting.finds(id, session, NOW).await, "signed out");
    assert!(matches!(setting.keep(session).await, Err(KeepPostError::SessionGone(gone)) if gone == session));
}

/// What somebody was told is kept does not give way to more of it.
#[each_engine]
async fn an_account_keeps_a_few_forms_and_the_first_ones_stay() {
    let setting = Setting::new().await;
    let mut kept = Vec::new();
    let refused = loop {
        match setting.keep(setting.session).await {
            Ok(id) => kept.push(id),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, KeepPostError::TooMany));
    assert_eq!(kept.len(), 4);
    for id in kept {
        assert!(setting.finds(id, setting.session, NOW).await);
    }
}
