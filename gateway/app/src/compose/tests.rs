//! Reloading: what is broken never replaces what is live.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use cedargate_assertion::{IssuedCache, Issuer, SigningKeys, Verifier};
use cedargate_audit::{Spool, SpoolSettings};
use cedargate_controlplane::AUDIENCE;
use cedargate_dataplane::{Gateway, Issuers, Metrics};
use cedargate_identity::{PolicyChanges, Sessions, Tenant, Tenants};
use cedargate_model::{
    AccessToken, ApiKeyId, Clock as _, EventBody, Host, KeyEvent, Micros, PrincipalId, SystemClock, TenantId,
    TenantName, TokenId, TokenSource,
};
use cedargate_policy::Decisions;
use cedargate_tokens::{KeyLook, LIFETIME, TenantUrls, TokenAuthority, TokenKeys};
use ed25519_dalek::SigningKey;
use tempfile::TempDir;
use uuid::Uuid;

use super::connections::Watched;
use super::key_record::KeyRecord;
use super::live_sets::LiveSets;
use super::reload::{Reloader, Seen};
use super::rule_sets::RuleLoader;
use super::sites::SiteLoader;
use super::token_keys::TokenKeyRing;
use super::workloads::WatchedWorkloads;
use super::{parts, store};
use crate::config::{Config, Environment, MasterKeyUse};
use crate::keys::{KeyRing, MasterKey, Purpose};

/// A gateway that serves nobody, with policies of its own to break.
struct House {
    dir: TempDir,
    reloader: Reloader,
}

impl House {
    async fn build() -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies")), &dir.path().join("policies"));
        let text = "[[listen.listener]]\naddress = \"127.0.0.1:8080\"\n";
        let file = dir.path().join("c.toml");
        let parsed = Config::parse(&file, text, &Environment::default(), MasterKeyUse::Unused);
        let config = parsed.unwrap().0;
        let ring = KeyRing::new(dir.path().join("keys"), MasterKey::parse(&"0123456789abcdef".repeat(4)).unwrap());
        ring.init().unwrap();

        let pool = store::open(&config.store).await.unwrap();
        let issuer = Issuer::new(config.listen.base_url.to_string(), ring.identity().unwrap());
        let verifier = Verifier::new(issuer.url(), AUDIENCE, issuer.keys().jwks());
        let urls = TenantUrls::new("http", "localhost:8080");
        let tokens = TokenAuthority::new(urls, ring.token().unwrap(), config.policies.reload_interval);
        let tokens = Arc::new(ArcSwap::from_pointee(tokens));
        let sessions = Sessions::new(pool.clone(), config.sessions);
        let key_record = Arc::new(KeyRecord::open(dir.path().join("recorded-keys.json"), Spool::danger_discarding()));
        let token_keys =
            TokenKeyRing::new(ring.clone(), Arc::clone(&tokens), sessions.clone(), Arc::clone(&key_record));
        let token_keys = Arc::new(token_keys);
        let workload_sessions = sessions.clone();
        let mut loader = SiteLoader::new(&config.policies.dir, config.listen.base_url.clone());
        let loaded = loader.load(&[acme()]).unwrap();
        let gateway = Gateway {
            settings: parts::settings(&config).unwrap(),
            sites: ArcSwap::from_pointee(loaded.sites),
            decisions: Decisions::new(0),
            sessions,
            tokens,
            issuers: Issuers::new(Arc::default()),
            token_keys: Arc::new(KeyLook::new(Arc::clone(&token_keys) as Arc<dyn TokenKeys>)),
            engine: parts::engine().unwrap(),
            rule_sets: ArcSwap::default(),
            spool: Spool::danger_discarding(),
            forms: None,
            issuer: ArcSwap::from_pointee(issuer),
            issued: IssuedCache::new(0),
            upstreams: parts::upstreams(&config).unwrap(),
            addresses: parts::addresses(&config).unwrap(),
            quotas: parts::quotas(&config).unwrap(),
            metrics: Metrics::new().unwrap(),
            tracing: None,
            clock: Arc::new(SystemClock),
        };
        let seen = Seen::of(vec![acme()], &config.policies.dir, &ring, &[]);
        let reloader = Reloader {
            gateway: Arc::new(gateway),
            loader,
            rules: RuleLoader::new(&config),
            tenants: Tenants::new(pool.clone()),
            sets: LiveSets::new(PolicyChanges::new(pool)),
            policies: config.policies.dir.clone(),
            ring,
            key_record,
            token_keys,
            verifier: Arc::new(ArcSwap::from_pointee(verifier)),
            jwks_file: dir.path().join("jwks.json"),
            tls: None,
            certificates: Vec::new(),
            connections: Watched::new(config.connections.clone(), config.policies.dir.clone(), Arc::default()),
            workloads: WatchedWorkloads::new(config.workloads.clone(), Arc::default(), workload_sessions),
            seen,
            failed_identity_key: None,
        };
        Self { dir, reloader }
    }

    fn policy(&self, name: &str) -> PathBuf {
        self.dir.path().join("policies").join(name)
    }

    /// The snapshot that is live at a host.
    fn live(&self, host: &str) -> Option<String> {
        let sites = self.reloader.gateway.sites.load();
        sites.at(&Host::parse(host).ok()?)?.snapshot.as_ref().map(|snapshot| snapshot.id().to_string())
    }

    fn reload_failures(&self) -> u64 {
        let text = self.reloader.gateway.metrics.render().unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("policy_reload_failures_total "));
        line.unwrap().parse().unwrap()
    }
}

fn acme() -> Tenant {
    tenant(1, "acme")
}

fn tenant(id: u128, name: &str) -> Tenant {
    let name = TenantName::parse(name).unwrap();
    Tenant { id: TenantId(Uuid::from_u128(id)), name, hosts: Vec::new(), created_at: Micros(0) }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target)
        } else {
            drop(fs::copy(entry.path(), target))
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_broken_policy_leaves_what_is_live() {
    let mut house = House::build().await;
    let before = house.live("acme.localhost").unwrap();

    fs::write(house.policy("inventory/extra.cedar"), "permit (principal, action, resource) when { principal.nose };")
        .unwrap();
    house.reloader.look(vec![acme()], false);
    assert_eq!(house.live("acme.localhost").unwrap(), before);
    assert_eq!(house.reload_failures(), 1);

    house.reloader.look(vec![acme()], false);
    assert_eq!(house.reload_failures(), 1, "the same mistake is told once");

    fs::remove_file(house.policy("inventory/extra.cedar")).unwrap();
    fs::write(house.policy("stray"), "").unwrap();
    house.reloader.look(vec![acme()], false);
    assert_eq!(house.live("acme.localhost").unwrap(), before, "a directory that cannot be read changes nothing");
    assert_eq!(house.reload_failures(), 2);
}

#[tokio::test(flavor = "current_thread")]
async fn a_changed_policy_is_taken_up_where_it_belongs() {
    let mut house = House::build().await;
    let tenants = vec![acme(), tenant(2, "globex")];
    house.reloader.look(tenants.clone(), false);
    let (acme, globex) = (house.live("acme.localhost").unwrap(), house.live("globex.localhost").unwrap());

    let text = "@id(\"tenants/acme/nobody\")\n@description(\"Closed.\")\nforbid (principal, action == Inventory::Action::\"ListItems\", resource);\n";
    fs::create_dir_all(house.policy("tenants/acme")).unwrap();
    fs::write(house.policy("tenants/acme/closed.cedar"), text).unwrap();
    house.reloader.look(tenants, false);
    assert_eq!(house.reload_failures(), 0);
    assert_ne!(house.live("acme.localhost").unwrap(), acme);
    assert_eq!(house.live("globex.localhost").unwrap(), globex);
}

#[tokio::test(flavor = "current_thread")]
async fn a_tenants_broken_policy_concerns_that_tenant_alone() {
    let mut house = House::build().await;
    fs::create_dir_all(house.policy("tenants/initech")).unwrap();
    fs::write(house.policy("tenants/initech/bad.cedar"), "permit").unwrap();
    house.reloader.look(vec![acme(), tenant(3, "initech")], false);
    assert!(house.live("acme.localhost").is_some());
    assert!(house.live("localhost").is_some());
    assert!(house.live("initech.localhost").is_none(), "no snapshot: every request of it is refused");
    assert_eq!(house.reload_failures(), 1);
}

#[tokio::test(flavor = "current_thread")]
async fn a_rotated_key_is_published_and_signs() {
    let mut house = House::build().await;
    let former = house.reloader.gateway.issuer.load().keys().kid();
    house.reloader.ring.rotate(Purpose::Identity, SystemClock.now()).unwrap();
    // Not told by the file's time: two changes may fall into one tick of the clock.
    house.reloader.look(vec![acme()], true);
    let issuer = house.reloader.gateway.issuer.load();
    assert_ne!(issuer.keys().kid(), former);
    let published = fs::read_to_string(house.dir.path().join("jwks.json")).unwrap();
    assert!(published.contains(&issuer.keys().kid().to_string()) && published.contains(&former.to_string()));

    let tenant = cedargate_assertion::TenantScope { id: TenantId(Uuid::from_u128(1)), name: acme().name };
    let now = SystemClock.now();
    let issued = issuer.issue(&cedargate_model::Caller::Anonymous, &tenant, AUDIENCE, now).unwrap();
    assert!(house.reloader.verifier.load().verify(&issued.token, now).is_ok(), "the control plane knows it, too");
}

#[tokio::test(flavor = "current_thread")]
async fn a_rotated_token_key_signs_and_the_former_one_signs_nobody_out() {
    let mut house = House::build().await;
    let now = SystemClock.now();
    let token = AccessToken {
        id: TokenId(Uuid::from_u128(1)),
        subject: PrincipalId(Uuid::from_u128(2)),
        source: TokenSource::ApiKey(ApiKeyId(Uuid::from_u128(3))),
        roles: None,
        issued_at: now,
        expires_at: now.after(LIFETIME),
    };
    let before = house.reloader.gateway.tokens.load_full();
    let text = before.issue(&token, acme().id, &acme().name).unwrap();
    house.reloader.ring.rotate(Purpose::Token, SystemClock.now()).unwrap();
    house.reloader.look(vec![acme()], true);
    let after = house.reloader.gateway.tokens.load_full();
    assert_ne!(after.kid(), before.kid());
    assert!(after.verify(&text, acme().id, &acme().name, now).is_ok());
    let fresh = after.issue(&token, acme().id, &acme().name).unwrap();
    assert!(before.verify(&fresh, acme().id, &acme().name, now).is_err(), "another key signs");
}

#[tokio::test(flavor = "current_thread")]
async fn a_withdrawn_token_key_verifies_nothing_though_the_same_key_signs() {
    let mut house = House::build().await;
    let former = house.reloader.gateway.tokens.load_full();
    house.reloader.ring.rotate(Purpose::Token, SystemClock.now()).unwrap();
    house.reloader.look(vec![acme()], true);
    let rotated = house.reloader.gateway.tokens.load_full();
    assert_eq!(rotated.keys().older().collect::<Vec<_>>(), [former.kid()]);
    house.reloader.ring.withdraw(Purpose::Token, former.kid()).unwrap();
    house.reloader.look(vec![acme()], false);
    let left = house.reloader.gateway.tokens.load_full();
    assert_eq!((left.kid(), left.keys().older().count()), (rotated.kid(), 0));
}

/// What a record that is opened, used and closed by `used` has of keys.
fn recorded(dir: &Path, used: impl FnOnce(&KeyRecord)) -> Vec<KeyEvent> {
    let settings = SpoolSettings::new(dir.join("audit"), "gw-1");
    let (spool, _) = Spool::open(settings, SigningKey::from_bytes(&[7; 32]), Arc::new(SystemClock)).unwrap();
    used(&KeyRecord::open(dir.join("recorded-keys.json"), spool.clone()));
    spool.close().unwrap();
    let events = cedargate_audit::read(&dir.join("audit")).filter_map(|entry| entry.unwrap().event().cloned());
    let keys = events.filter_map(|event| match event.body {
        EventBody::Key(taken) => Some(taken),
        _ => None,
    });
    keys.collect()
}

/// Who has a copy of a key can also keep the record busy.
#[tokio::test(flavor = "current_thread")]
async fn a_key_is_withdrawn_though_the_record_refuses_and_one_that_cannot_be_recorded_does_not_sign() {
    let house = House::build().await;
    let (ring, authority) = (&house.reloader.ring, Arc::clone(&house.reloader.gateway.tokens));
    let former = authority.load().keys().clone();
    let _ = recorded(house.dir.path(), |record| assert!(record.taken_up(Purpose::Token, &former, true)));
    let settings = SpoolSettings::new(house.dir.path().join("closed"), "gw-1");
    let (closed, _) = Spool::open(settings, SigningKey::from_bytes(&[7; 32]), Arc::new(SystemClock)).unwrap();
    closed.close().unwrap();
    let record = Arc::new(KeyRecord::open(house.dir.path().join("recorded-keys.json"), closed));
    let sessions = house.reloader.gateway.sessions.clone();
    let keys = TokenKeyRing::new(ring.clone(), Arc::clone(&authority), sessions, record);

    let fresh = ring.rotate(Purpose::Token, SystemClock.now()).unwrap();
    keys.look(false);
    assert_eq!(authority.load().kid(), former.kid());
    ring.withdraw(Purpose::Token, former.kid()).unwrap();
    keys.look(false);
    let left = authority.load().keys().clone();
    assert_eq!((left.kid().to_string(), left.older().count()), (fresh.id.clone(), 0));
    let told = recorded(house.dir.path(), |record| assert!(record.taken_up(Purpose::Token, &left, true)));
    let told = told.last().map(|told| (told.key.clone(), told.withdrawn.clone()));
    assert_eq!(told, Some((fresh.id, vec![former.kid().to_string()])), "it is still to be recorded, and is");
}

#[test]
fn a_key_that_was_rotated_while_nothing_ran_is_recorded_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let keys = |seed| SigningKeys::from_seed(&[seed; 32]);
    let name = |seed| keys(seed).kid().to_string();
    let start = |keys: &SigningKeys| {
        let before = recorded(dir.path(), |_| {}).len();
        recorded(dir.path(), |record| assert!(record.taken_up(Purpose::Token, keys, true))).split_off(before)
    };
    assert_eq!(start(&keys(1)), [], "the first key is no news");
    assert_eq!(start(&keys(1)), []);
    let rotated = keys(1).succeeded_by(keys(2));
    let taken = |key, former, withdrawn| KeyEvent { purpose: "token".to_owned(), key, former, withdrawn };
    assert_eq!(start(&rotated), [taken(name(2), name(1), vec![])]);
    assert_eq!(start(&rotated), [], "once");
    assert_eq!(start(&keys(2)), [taken(name(2), name(2), vec![name(1)])], "a withdrawal, too");
}

#[tokio::test(flavor = "current_thread")]
async fn an_unreadable_key_leaves_the_one_that_signs() {
    let mut house = House::build().await;
    let former = house.reloader.gateway.issuer.load().keys().kid();
    fs::write(house.dir.path().join("keys/identity.sealed"), "{}").unwrap();
    house.reloader.look(vec![acme()], true);
    assert_eq!(house.reloader.gateway.issuer.load().keys().kid(), former);
}
