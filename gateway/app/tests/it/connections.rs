//! Connections to identity providers, and the sessions that came by them.

use std::os::unix::fs::PermissionsExt as _;

use cedargate_identity::{
    Arrival, Device, Federation, Grounds, Identities, Identity, Issuer, SessionSettings, Sessions, SignIn, Subject,
    Tenants, Vouched,
};
use cedargate_migrations::{Pool, StoreUrl};
use cedargate_model::{
    AuthnMethod, AuthnStrength, Clock as _, ConnectionName, PrincipalId, SystemClock, TenantId, TenantName,
};

use crate::house::House;

fn file(issuer: &str) -> String {
    format!(
        "[[oidc]]\nname = \"okta\"\ntitle = \"Okta\"\nissuer = \"{issuer}\"\nclient_id = \"gate\"\n\
         client_secret_file = \"okta.secret\"\nadmission = \"anyone\"\n"
    )
}

/// Somebody who came by a connection: their account, and whether they are signed in still.
async fn come(pool: &Pool, tenant: TenantId, connection: &str, issuer: &str) -> PrincipalId {
    let identity = Identity {
        connection: ConnectionName::parse(connection).unwrap(),
        issuer: Issuer::parse(issuer).unwrap(),
        subject: Subject::parse("00u1").unwrap(),
    };
    let now = SystemClock.now();
    let arrival =
        Arrival { identity: identity.clone(), display: None, roles: vec![], admit: true, name_id_format: None };
    let arrived = Identities::new(pool.clone()).arrive(tenant, &arrival, now).await.unwrap();
    let account = arrived.change().account.id;
    let strength = AuthnStrength { level: 1, methods: vec![AuthnMethod::Fed] };
    let sign_in =
        SignIn { tenant, principal: account, strength, replaces: None, remember: false, device: Device::default() };
    let federation = Federation { identity, provider_session: None, id_token: None, name_id: None };
    let vouched = Vouched { federation: &federation, authenticated_at: now, anew: false, ends_by: None, begun_at: now };
    let sessions = Sessions::new(pool.clone(), SessionSettings::default());
    let begun = sessions.begin_federated(arrived, sign_in, vouched, &Grounds::default(), now).await.unwrap();
    let _ = begun.commit().await.unwrap();
    account
}

/// A gateway beside others, with yesterday's files or some of them, ends nobody's sessions by being started.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_ends_what_came_by_a_connection_that_it_lost_and_nothing_else() {
    let house = House::new();
    house.furnish();
    std::fs::create_dir(house.path("connections")).unwrap();
    house.write("connections/okta.secret", "s3cret");
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(house.path("connections/okta.secret"), private).unwrap();
    house.write("connections/acme.toml", &file("https://idp.example"));
    house.append("cedargate.toml", "[connections]\ndir = \"connections\"\n");
    let pool = Pool::open(&StoreUrl::sqlite(house.path("var/gateway.db"))).await.unwrap();
    let acme = Tenants::new(pool.clone()).find_by_name(&TenantName::parse("acme").unwrap()).await.unwrap().unwrap().id;
    let ours = come(&pool, acme, "okta", "https://idp.example").await;
    let others = come(&pool, acme, "entra", "https://idp.example").await;
    let signed_in = async |account| {
        let sessions = Sessions::new(pool.clone(), SessionSettings::default());
        sessions.list(acme, account, SystemClock.now()).await.unwrap().len()
    };
    let mut serving = house.serve();
    // The name leads elsewhere from now on.
    house.write("connections/acme.toml", &file("https://other.example"));
    let ended = serving.wait_for("sessions of a connection that was removed were ended");
    assert_eq!((&ended["cedargate.connection"], &ended["cedargate.sessions"]), (&"okta".into(), &1.into()), "{ended}");
    assert_eq!((signed_in(ours).await, signed_in(others).await), (0, 1));
    assert_eq!(serving.end(), Some(0));
    pool.close().await;
}
