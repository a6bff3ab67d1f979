//! What operators do with accounts, on its way into the record.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use cedargate_identity::{
    Device, FactorName, Factors, Holder, Identities, Identity, Issuer, OperatorEvents, Passkeys, RECOVERY_CODES,
    SealedCredential, SessionSettings, Sessions, SignIn, Subject, WebauthnKind,
};
use cedargate_migrations::testing::each_engine;
use cedargate_model::{
    AccountAct, AuthnMethod, AuthnStrength, By, ConnectionName, Event, EventBody, PrincipalId, SessionId,
};
use uuid::Uuid;

use crate::house::{House, NOW, hash, role};

async fn sign_in(house: &House, account: PrincipalId, level: u8) -> SessionId {
    let sessions = Sessions::new(house.pool.clone(), SessionSettings::default());
    let strength = AuthnStrength { level, methods: vec![AuthnMethod::Pwd] };
    let sign_in = SignIn {
        tenant: house.acme,
        principal: account,
        strength,
        replaces: None,
        remember: false,
        device: Device::default(),
    };
    sessions.create(sign_in, NOW).await.unwrap().principal.session
}

fn act_of(event: &Event) -> AccountAct {
    let EventBody::Account(done) = &event.body else { panic!("{event:?}") };
    assert_eq!((done.by, done.session, event.at), (By::Operator, None, NOW));
    done.act.clone()
}

#[each_engine]
async fn whatever_an_operator_changes_of_an_account_is_left_for_the_record() {
    let house = House::new().await;
    let waiting = OperatorEvents::new(house.pool.clone());
    let (acme, accounts) = (house.acme, &house.accounts);
    let ada = house.account("ada@example.com", &["clerk"]).await;
    let first = sign_in(&house, ada, 1).await;
    accounts.set_password(acme, ada, &hash('a'), Passkeys::Removed, NOW).await.unwrap();
    accounts.set_roles(acme, ada, vec![role("boss")], NOW).await.unwrap();
    let second = sign_in(&house, ada, 1).await;
    accounts.disable(acme, ada, NOW).await.unwrap();
    accounts.enable(acme, ada, NOW).await.unwrap();
    let identity = Identity {
        connection: ConnectionName::parse("okta").unwrap(),
        issuer: Issuer::parse("https://idp.example").unwrap(),
        subject: Subject::parse("00u1").unwrap(),
    };
    Identities::new(house.pool.clone()).link(acme, ada, &identity, NOW).await.unwrap();
    // What was not done leaves nothing.
    assert!(accounts.set_roles(house.globex, ada, vec![], NOW).await.is_err());
    assert!(accounts.enable(acme, PrincipalId(Uuid::from_u128(9)), NOW).await.is_err());

    let taken = waiting.take(NOW).await.unwrap().unwrap();
    // Of one moment here, and so in any order.
    let left = |act: &AccountAct| taken.events().iter().filter(|event| act_of(event) == *act).count();
    let acts = [
        AccountAct::AccountCreated { roles: vec![role("clerk")] },
        AccountAct::PasswordSet { passkeys_removed: 0 },
        AccountAct::SessionsEnded { ended: vec![first] },
        AccountAct::RolesChanged { roles: vec![role("boss")] },
        AccountAct::AccountDisabled,
        AccountAct::SessionsEnded { ended: vec![second] },
        AccountAct::AccountEnabled,
        AccountAct::IdentityLinked,
    ];
    assert_eq!(taken.events().len(), acts.len());
    for act in &acts {
        assert_eq!(left(act), 1, "{act:?}");
    }
}

/// The timeline that this stops: somebody phishes a password, adds a passkey with it, and the operator sets another password.
#[each_engine]
async fn a_new_password_takes_the_passkeys_with_it_unless_they_are_to_stay() {
    let house = House::new().await;
    let factors = Factors::new(house.pool.clone());
    let ada = house.account("ada@example.com", &[]).await;
    let add = async |session, octet: u8, kind| {
        let holder = Holder { tenant: house.acme, account: ada, session };
        let new = SealedCredential {
            id: factors.draw_id(NOW).unwrap(),
            account: ada,
            kind,
            name: FactorName::parse("key").unwrap(),
            rp_id: "acme.localhost".to_owned(),
            credential_id: vec![octet; 16],
            sealed_key: "sealed".to_owned(),
            sign_count: 0,
        };
        let _ = factors.add_credential(holder, &new, NOW).await.unwrap().commit().await.unwrap();
    };
    let set = async |passkeys| {
        let set = house.accounts.set_password(house.acme, ada, &hash('n'), passkeys, NOW).await.unwrap();
        let left = factors.list(house.acme, ada).await.unwrap().len();
        let codes = factors.recovery_codes_left(house.acme, ada).await.unwrap();
        (set.passkeys_removed, set.ended.len(), left, codes)
    };
    let session = sign_in(&house, ada, 2).await;
    add(session, 1, WebauthnKind::Passkey).await;
    add(session, 2, WebauthnKind::SecurityKey).await;
    assert_eq!(set(Passkeys::Kept).await, (0, 1, 2, RECOVERY_CODES));
    assert_eq!(set(Passkeys::Removed).await, (1, 0, 1, RECOVERY_CODES), "a security key signs nobody in");
    let session = sign_in(&house, ada, 2).await;
    let key = factors.list(house.acme, ada).await.unwrap().first().unwrap().id;
    let holder = Holder { tenant: house.acme, account: ada, session };
    let removed = factors.remove(holder, key, NOW).await.unwrap().unwrap();
    let _ = removed.commit().await.unwrap();
    add(session, 3, WebauthnKind::Passkey).await;
    assert_eq!(set(Passkeys::Removed).await, (1, 1, 0, 0), "codes outlive no factor");
}

#[each_engine]
async fn one_that_cannot_be_read_is_set_aside_and_nothing_waits_behind_it() {
    let house = House::new().await;
    house.forget_operator_events().await;
    let waiting = OperatorEvents::new(house.pool.clone());
    let mut tx = house.pool.tenant(house.acme).begin().await.unwrap();
    let newer = "INSERT INTO operator_events (tenant_id, id, event) VALUES ($1, $2, $3)";
    tx.query(newer).bind(Uuid::nil()).bind(r#"{"of":"a newer gateway"}"#).execute().await.unwrap();
    tx.commit().await.unwrap();
    let ada = house.account("ada@example.com", &[]).await;
    let taken = waiting.take(NOW).await.unwrap().unwrap();
    assert_eq!((taken.unreadable(), taken.events().len()), (1, 1));
    // Nobody's sign-in waits for the record meanwhile.
    sign_in(&house, ada, 1).await;
    waiting.give_up(&taken).await.unwrap();
    assert!(waiting.take(NOW).await.unwrap().is_none());
    let again = waiting.take(NOW.after(Duration::from_secs(60))).await.unwrap().unwrap();
    assert_eq!((again.unreadable(), again.events().len()), (1, 0), "it is kept for whoever can read it");
}
