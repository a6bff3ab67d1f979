//! Tenants and accounts on a real store.

use crate::house::{House, NOW, hash, role};
use cedargate_identity::{
    AccountState, AddHostError, CreateAccountError, CreateTenantError, Email, NewAccount, Passkeys, PasswordHash,
    UpdateAccountError, directory,
};
use cedargate_migrations::testing::each_engine;
use cedargate_model::{Host, Micros, PrincipalId, TenantId, TenantName};
use uuid::Uuid;

#[each_engine]
async fn a_tenants_name_can_be_taken_once_and_never_the_gateways_own() {
    let house = House::new().await;
    for name in ["directory", "admin"] {
        let refused = house.tenants.create(TenantName::parse(name).unwrap(), NOW).await;
        assert!(matches!(refused, Err(CreateTenantError::NameReserved(_))), "{name}");
    }
    let refused = house.tenants.create(TenantName::parse("acme").unwrap(), NOW).await;
    assert!(matches!(refused, Err(CreateTenantError::NameTaken(_))));
    let names: Vec<_> = house.tenants.list().await.unwrap().into_iter().map(|t| t.name.to_string()).collect();
    assert_eq!(names, ["acme", "globex"]);
    assert_eq!(directory().name.as_str(), "directory");
}

/// Such an address is an identity's: a local account could stand in its way, and a password would be a way in beside the provider.
#[each_engine]
async fn the_addresses_of_people_of_providers_are_nobody_elses() {
    let house = House::new().await;
    let reserved = || Email::parse("okta-0123@Federated.Invalid").unwrap();
    let new = NewAccount { email: reserved(), roles: vec![], password: None };
    let refused = house.accounts.create(house.acme, new, NOW).await;
    assert!(matches!(refused, Err(CreateAccountError::AddressReserved(email)) if email == reserved()));
    let mut tx = house.pool.tenant(house.acme).begin().await.unwrap();
    let insert = "INSERT INTO accounts (tenant_id, id, email, version, created_at) VALUES ($1, $1, $2, 1, 1)";
    tx.query(insert).bind(reserved().as_str()).execute().await.unwrap();
    tx.commit().await.unwrap();
    let refused =
        house.accounts.set_password(house.acme, PrincipalId(house.acme.0), &hash('a'), Passkeys::Kept, NOW).await;
    assert!(matches!(refused, Err(UpdateAccountError::AddressReserved(email)) if email == reserved()));
}

#[each_engine]
async fn a_host_is_one_tenants() {
    let house = House::new().await;
    let host = Host::parse("Portal.Example.com:8443").unwrap();
    house.tenants.add_host(house.acme, &host, NOW).await.unwrap();
    let refused = house.tenants.add_host(house.globex, &host, NOW).await;
    assert!(matches!(refused, Err(AddHostError::HostTaken(host)) if host == "portal.example.com"));
    let refused = house.tenants.add_host(TenantId(Uuid::from_u128(9)), &Host::parse("x").unwrap(), NOW).await;
    assert!(matches!(refused, Err(AddHostError::TenantUnknown(_))));

    let acme = house.tenants.find_by_name(&TenantName::parse("acme").unwrap()).await.unwrap().unwrap();
    assert_eq!(acme.hosts, ["portal.example.com"]);
    assert_eq!(house.tenants.list().await.unwrap().first(), Some(&acme));
    assert_eq!(house.tenants.find_by_name(&TenantName::parse("nobody").unwrap()).await.unwrap(), None);
    assert!(!house.tenants.remove_host(house.globex, &host).await.unwrap(), "it is not theirs");
    assert!(house.tenants.remove_host(house.acme, &host).await.unwrap());
    house.tenants.add_host(house.globex, &host, NOW).await.unwrap();
}

#[each_engine]
async fn an_address_is_one_accounts_within_its_tenant() {
    let house = House::new().await;
    let new = || NewAccount { email: Email::parse("ADA@example.com").unwrap(), roles: vec![], password: None };
    let ada = house.accounts.create(house.acme, new(), NOW).await.unwrap();
    let refused = house.accounts.create(house.acme, new(), NOW).await;
    assert!(matches!(refused, Err(CreateAccountError::EmailTaken(_))));
    let refused = house.accounts.create(TenantId(Uuid::from_u128(9)), new(), NOW).await;
    assert!(matches!(refused, Err(CreateAccountError::TenantUnknown(_))));
    let other = house.accounts.create(house.globex, new(), NOW).await.unwrap();
    assert_ne!(ada.id, other.id);
    assert_eq!(house.accounts.find(house.acme, ada.id).await.unwrap().as_ref(), Some(&ada));
    assert_eq!(house.accounts.find(house.globex, ada.id).await.unwrap(), None);
    assert_eq!(house.accounts.find_by_email(house.acme, &new().email).await.unwrap(), Some(ada));
}

#[each_engine]
async fn roles_that_follow_from_being_signed_in_cannot_be_given() {
    let house = House::new().await;
    for reserved in ["member", "anonymous"] {
        let email = Email::parse("ada@example.com").unwrap();
        let new = NewAccount { email, roles: vec![role(reserved)], password: None };
        let refused = house.accounts.create(house.acme, new, NOW).await;
        assert!(matches!(refused, Err(CreateAccountError::Roles(_))), "{reserved}");
    }
    let bob = house.account("bob@example.com", &["clerk"]).await;
    let refused = house.accounts.set_roles(house.acme, bob, vec![role("member")], NOW).await;
    assert!(matches!(refused, Err(UpdateAccountError::Roles(_))));
}

#[each_engine]
async fn changes_reach_only_accounts_of_the_tenant() {
    let house = House::new().await;
    let ada = house.account("ada@example.com", &["clerk"]).await;
    let hash = hash('x');
    let unknown = |result| matches!(result, Err(UpdateAccountError::AccountUnknown(id)) if id == ada);
    assert!(unknown(house.accounts.set_roles(house.globex, ada, vec![], NOW).await));
    let set = house.accounts.set_password(house.globex, ada, &hash, Passkeys::Kept, NOW).await;
    assert!(unknown(set.map(drop)));
    assert!(unknown(house.accounts.disable(house.globex, ada, NOW).await));
    assert!(unknown(house.accounts.enable(house.globex, ada, NOW).await));
    let before = house.find("ada@example.com").await;
    assert_eq!((before.version, before.state, before.password), (1, AccountState::Active, None));
    let nobody = house.accounts.enable(house.acme, PrincipalId(Uuid::from_u128(9)), NOW).await;
    assert!(matches!(nobody, Err(UpdateAccountError::AccountUnknown(_))));
}

#[each_engine]
async fn each_change_of_what_a_principal_is_gives_another_version() {
    let house = House::new().await;
    let ada = house.account("ada@example.com", &["viewer", "clerk", "clerk"]).await;
    assert_eq!(house.find("ada@example.com").await.roles, [role("clerk"), role("viewer")]);

    house.accounts.set_roles(house.acme, ada, vec![role("boss")], NOW).await.unwrap();
    let found = house.find("ada@example.com").await;
    assert_eq!((found.version, found.roles), (2, vec![role("boss")]));

    house.accounts.disable(house.acme, ada, Micros(5)).await.unwrap();
    house.accounts.disable(house.acme, ada, Micros(6)).await.unwrap();
    let found = house.find("ada@example.com").await;
    assert_eq!((found.version, found.state), (4, AccountState::Disabled { at: Micros(5) }));

    house.accounts.enable(house.acme, ada, NOW).await.unwrap();
    assert_eq!(house.find("ada@example.com").await.state, AccountState::Active);
}

#[each_engine]
async fn a_rehash_does_not_undo_a_new_password() {
    let house = House::new().await;
    let ada = house.account("ada@example.com", &[]).await;
    let [old, new, rehashed] = ['o', 'n', 'r'].map(hash);
    house.accounts.set_password(house.acme, ada, &old, Passkeys::Kept, NOW).await.unwrap();
    house.accounts.set_password(house.acme, ada, &new, Passkeys::Kept, NOW).await.unwrap();
    assert!(!house.accounts.rehash(house.acme, ada, &old, &rehashed).await.unwrap());
    assert_eq!(house.find("ada@example.com").await.password, Some(new.clone()));
    assert!(house.accounts.rehash(house.acme, ada, &new, &rehashed).await.unwrap());
    assert_eq!(house.find("ada@example.com").await.password, Some(rehashed));
}

#[each_engine]
async fn a_list_has_every_account_once_and_only_the_tenants() {
    let house = House::new().await;
    for n in 0..5 {
        house.account(&format!("p{n}@example.com"), &["clerk"]).await;
    }
    let all = house.accounts.list(house.acme, None).await.unwrap();
    assert_eq!(all.len(), 5);
    assert!(all.iter().all(|account| account.roles == [role("clerk")]));
    let rest = house.accounts.list(house.acme, Some(&Email::parse("p2@example.com").unwrap())).await.unwrap();
    assert_eq!(rest.iter().map(|a| a.email.as_str()).collect::<Vec<_>>(), ["p3@example.com", "p4@example.com"]);
    assert_eq!(house.accounts.list(house.globex, None).await.unwrap(), []);
}

#[test]
fn only_argon2id_is_a_password_hash_and_nothing_shows_it() {
    for text in ["", "secret", "$argon2i$v=19$x", "$2b$12$x"] {
        assert!(PasswordHash::parse(text.to_owned()).is_err(), "{text}");
    }
    assert_eq!(format!("{:?}", hash('x')), "PasswordHash(..)");
}
