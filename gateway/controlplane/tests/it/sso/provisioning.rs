//! What a provider tells of its people by SCIM, and what follows for them: over a real store of each engine.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use cedargate_assertion::TenantScope;
use cedargate_controlplane::AUDIENCE;
use cedargate_identity::{AccountState, CreateScimTokenError, MatchBy, PresentedSecret, ScimTokens, SecretKind};
use cedargate_idp_adapters::connection::ProvisioningRule;
use cedargate_migrations::testing::each_engine;
use cedargate_model::{EventBody, PrincipalId, ProvisioningAct, ScimTokenId};
use cedargate_scim::GroupsBy;
use http::{Request, header};

use super::*;
use crate::house::{DECISION, REQUEST};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A provider that tells, by a token of one of a tenant's connections.
struct Teller<'s> {
    sso: &'s Sso,
    tenant: TenantScope,
    id: ScimTokenId,
    secret: String,
}

async fn provisioned() -> Sso {
    Sso::with(|connection| {
        let claim = ClaimPath::parse("sub").unwrap();
        connection.provisioning =
            Some(ProvisioningRule { by: MatchBy::ExternalId, claim, groups: GroupsBy::DisplayName });
    })
    .await
}

impl<'s> Teller<'s> {
    async fn of(sso: &'s Sso, connection: &str) -> Self {
        let tokens = ScimTokens::new(sso.house.pool.clone());
        let name = ConnectionName::parse(connection).unwrap();
        let lifetime = Duration::from_secs(3_600);
        let issuer = sso.identity().issuer;
        let made = tokens.create(sso.house.acme.id, name, &issuer, lifetime, sso.house.clock.now()).await;
        let (token, secret) = made.unwrap();
        Self { sso, tenant: sso.house.acme.clone(), id: token.id, secret: secret.expose().to_string() }
    }

    async fn asks(&self, method: &str, path: &str, body: Option<&Value>, headers: &[(&'static str, &str)]) -> Answer {
        let house = &self.sso.house;
        let now = house.clock.now();
        let shown = PresentedSecret::parse(SecretKind::ScimToken, &self.secret).unwrap();
        let principal = house.sessions.find_scim_token(self.tenant.id, &shown, now).await.unwrap();
        let issued = house.issuer.issue(&Caller::Principal(principal), &self.tenant, AUDIENCE, now).unwrap();
        let host = format!("{}.localhost:8080", self.tenant.name);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/scim/v2{path}"))
            .header(header::HOST, &host)
            .header("cedargate-identity", &*issued.token)
            .header("cedargate-decision", DECISION)
            .header("cedargate-request", REQUEST)
            .header("x-forwarded-host", &host)
            .header("x-forwarded-proto", "http")
            .header("x-forwarded-for", "192.0.2.1");
        if body.is_some() && !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header(header::CONTENT_TYPE, "application/scim+json; charset=utf-8");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        house.at(&self.tenant).send(request.body(axum::body::Body::from(body)).unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.asks("GET", path, None, &[]).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.asks("POST", path, Some(&body), &[]).await
    }

    async fn patch(&self, path: &str, operations: Value) -> Answer {
        let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations });
        self.asks("PATCH", path, Some(&body), &[]).await
    }

    /// Tells of somebody who is called so, and gives back their id.
    async fn user(&self, name: &str) -> String {
        let answer = self.post("/Users", user(name)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    async fn group(&self, name: &str, members: &[&str]) -> String {
        let members: Vec<_> = members.iter().map(|id| json!({ "value": id })).collect();
        let body = json!({ "schemas": [GROUP], "displayName": name, "members": members });
        let answer = self.post("/Groups", body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    async fn names(&self, path: &str) -> Vec<String> {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        let found = answer.json();
        let found = found["Resources"].as_array().unwrap().iter();
        let name = |one: &Value| one.get("userName").or(one.get("displayName")).unwrap().as_str().unwrap().to_owned();
        found.map(name).collect()
    }

    async fn account(&self, id: &str) -> Account {
        let id = PrincipalId(id.parse().unwrap());
        self.sso.house.accounts.find(self.tenant.id, id).await.unwrap().unwrap()
    }

    async fn roles(&self, id: &str) -> Vec<String> {
        self.account(id).await.roles.iter().map(ToString::to_string).collect()
    }

    fn acts(&self) -> Vec<ProvisioningAct> {
        let act = |event: cedargate_model::Event| match event.body {
            EventBody::Provisioning(done) => {
                assert_eq!((done.token, done.decision.is_some()), (self.id, true));
                Some(done.act)
            }
            _ => None,
        };
        self.sso.house.recorder.take_all().into_iter().filter_map(act).collect()
    }
}

fn user(name: &str) -> Value {
    json!({ "schemas": [USER], "userName": name, "externalId": format!("ext-{name}"), "active": true })
}

fn filter(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, kind: Option<&str>) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/scim+json"));
    let body = answer.json();
    assert_eq!(body["schemas"][0], "urn:ietf:params:scim:api:messages:2.0:Error");
    assert_eq!((body["status"].as_str(), body["scimType"].as_str()), (Some(&*status.to_string()), kind));
}

#[each_engine]
async fn nobody_but_a_token_that_counts_is_told_anything() {
    let sso = provisioned().await;
    let okta = Teller::of(&sso, "okta").await;
    let cookie = sso.house.sign_ada_in().await;
    for visitor in [sso.house.at(&sso.house.acme), sso.house.at(&sso.house.acme).with_cookie(&cookie)] {
        assert_refused(&visitor.get("/scim/v2/Users").await, 403, None);
        assert_refused(&visitor.get("/scim/v2/ServiceProviderConfig").await, 403, None);
    }
    assert_eq!(okta.get("/Users").await.status, StatusCode::OK);
    // A connection that tells of nobody any more.
    sso.connect(|_| {});
    assert_refused(&okta.get("/Users").await, 403, None);
    sso.connect(|connection| {
        let claim = ClaimPath::parse("sub").unwrap();
        connection.provisioning =
            Some(ProvisioningRule { by: MatchBy::ExternalId, claim, groups: GroupsBy::DisplayName });
    });
    // What is let in by a gateway that has not heard yet changes nothing any more.
    let tokens = ScimTokens::new(sso.house.pool.clone());
    tokens.revoke(sso.house.acme.id, okta.id, sso.house.clock.now()).await.unwrap().unwrap();
    assert_refused(&okta.post("/Users", user("ada")).await, 403, None);
    let shown = PresentedSecret::parse(SecretKind::ScimToken, &okta.secret).unwrap();
    sso.house.sessions.listen(sso.house.clock.now()).await.unwrap();
    let found = sso.house.sessions.find_scim_token(sso.house.acme.id, &shown, sso.house.clock.now()).await;
    assert!(found.is_err(), "it is forgotten");
}

#[each_engine]
async fn a_user_is_made_read_changed_and_taken_away() {
    let sso = provisioned().await;
    let okta = Teller::of(&sso, "okta").await;
    for (body, status, kind) in [
        (json!([]), 400, Some("invalidSyntax")),
        (json!({ "userName": "ada" }), 400, Some("invalidSyntax")),
        (json!({ "schemas": [USER] }), 400, Some("invalidValue")),
        (json!({ "schemas": [USER], "userName": " ada" }), 400, Some("invalidValue")),
        (json!({ "schemas": [USER], "userName": "a".repeat(255) }), 400, Some("invalidValue")),
        (json!({ "schemas": [USER], "userName": "ada", "emails": "x" }), 201, None),
        (json!({ "schemas": [USER], "userName": "ADA" }), 409, Some("uniqueness")),
        (json!({ "schemas": [USER], "userName": "b", "active": "perhaps" }), 400, Some("invalidValue")),
    ] {
        let answer = okta.post("/Users", body.clone()).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.body);
        assert_eq!(answer.json()["scimType"].as_str(), kind, "{body}");
    }
    let plain = okta.asks("POST", "/Users", Some(&user("x")), &[("content-type", "text/plain")]).await;
    assert_refused(&plain, 415, None);
    sso.house.recorder.take_all();

    let made = okta.post("/Users", user("Bo@Acme.example")).await;
    let (body, etag) = (made.json(), made.header("etag").unwrap().to_owned());
    let id = body["id"].as_str().unwrap().to_owned();
    let place = format!("http://acme.localhost:8080/scim/v2/Users/{id}");
    assert_eq!((made.header("location"), &body["meta"]["location"]), (Some(&*place), &json!(place)));
    assert_eq!((&body["meta"]["version"], &body["active"]), (&json!(etag), &json!(true)));
    assert_eq!((made.header("cache-control"), made.status), (Some("no-store"), StatusCode::CREATED));
    let account = okta.account(&id).await;
    assert_eq!((account.shown(), &account.password), ("Bo@Acme.example", &None));
    assert!(account.email.as_str().ends_with("@federated.invalid"));
    let principal = account.id;
    assert_eq!(okta.acts(), [ProvisioningAct::UserCreated { principal, roles: vec![], active: true }]);

    let path = format!("/Users/{id}");
    assert_eq!(okta.get(&path).await.json(), body);
    assert_eq!(okta.asks("GET", &path, None, &[("if-none-match", &etag)]).await.status, StatusCode::NOT_MODIFIED);
    let only = okta.get(&format!("{path}?attributes=userName")).await.json();
    assert_eq!(only, json!({ "schemas": [USER], "id": id, "userName": "Bo@Acme.example" }));

    let changed = okta.patch(&path, json!([{ "op": "add", "value": { "title": "Head", "displayName": "Bo" } }])).await;
    assert_eq!((changed.json()["title"].as_str(), changed.status), (Some("Head"), StatusCode::OK));
    assert_eq!(okta.account(&id).await.shown(), "Bo");
    let attributes = vec!["displayName".to_owned(), "title".to_owned()];
    assert_eq!(okta.acts(), [ProvisioningAct::UserChanged { principal, attributes }], "names and no values");
    let stale = okta.asks("PUT", &path, Some(&user("bo")), &[("if-match", &etag)]).await;
    assert_refused(&stale, 412, None);
    let now = changed.header("etag").unwrap();
    let replaced = okta.asks("PUT", &path, Some(&user("bo")), &[("if-match", now)]).await;
    assert_eq!((replaced.json()["title"].as_str(), replaced.json()["userName"].as_str()), (None, Some("bo")));
    let taken = okta.patch(&path, json!([{ "op": "replace", "path": "userName", "value": "Ada" }])).await;
    assert_refused(&taken, 409, Some("uniqueness"));
    assert_eq!(okta.get(&path).await.json()["userName"], "bo", "nothing of it was done");

    assert_eq!(okta.asks("DELETE", &path, None, &[]).await.status, StatusCode::NO_CONTENT);
    for (method, body) in [("GET", None), ("DELETE", None), ("PUT", Some(user("bo")))] {
        assert_refused(&okta.asks(method, &path, body.as_ref(), &[]).await, 404, None);
    }
    assert_ne!(okta.user("bo").await, id, "whoever gets the name gets another account");
}

#[each_engine]
async fn what_may_not_be_recorded_is_not_done() {
    let sso = provisioned().await;
    let okta = Teller::of(&sso, "okta").await;
    let id = okta.user("ada").await;
    sso.house.recorder.broken.store(true, Ordering::SeqCst);
    let off = json!([{ "op": "replace", "path": "active", "value": false }]);
    for answer in [
        okta.post("/Users", user("bo")).await,
        okta.patch(&format!("/Users/{id}"), off).await,
        okta.asks("DELETE", &format!("/Users/{id}"), None, &[]).await,
        okta.post("/Groups", json!({ "schemas": [GROUP], "displayName": "g" })).await,
    ] {
        assert_refused(&answer, 503, None);
    }
    assert_eq!(okta.names("/Users").await, ["ada"]);
    assert_eq!(okta.names("/Groups").await, Vec::<String>::new());
    assert_eq!(okta.get(&format!("/Users/{id}")).await.json()["active"], true);
}

/// Everything that one token could ask about what is not its connection's is answered as if it were not there.
#[each_engine]
async fn a_token_reaches_its_own_connections_people_and_nobody_else() {
    let sso = provisioned().await;
    let (okta, entra) = (Teller::of(&sso, "okta").await, Teller::of(&sso, "entra").await);
    let ada = okta.user("ada").await;
    let clerks = okta.group("clerks", &[&ada]).await;
    let own = entra.user("own").await;
    let local = sso.house.ada.to_string();
    let nobody = "01900000-0000-7000-8000-00000000dead".to_owned();
    let off = json!([{ "op": "replace", "path": "active", "value": false }]);
    for id in [&ada, &local, &nobody, &"x".to_owned(), &ada.to_uppercase()] {
        let path = format!("/Users/{id}");
        let answers = [
            entra.get(&path).await,
            entra.asks("PUT", &path, Some(&user("x")), &[]).await,
            entra.patch(&path, off.clone()).await,
            entra.asks("DELETE", &path, None, &[]).await,
            entra
                .post("/Groups", json!({ "schemas": [GROUP], "displayName": "x", "members": [{ "value": id }] }))
                .await,
        ];
        for answer in answers.iter().filter(|_| id.as_str() != "x") {
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{id}: {}", answer.body);
        }
        assert!(answers.iter().all(|answer| answer.status == StatusCode::NOT_FOUND), "{id}");
        // The same words for each, so that none is told from another.
        assert!(answers[..4].iter().all(|answer| answer.json()["detail"] == "there is no such resource"));
    }
    for path in [format!("/Groups/{clerks}"), format!("/Groups/{nobody}")] {
        assert_refused(&entra.get(&path).await, 404, None);
        assert_refused(&entra.patch(&path, json!([{ "op": "remove", "path": "members" }])).await, 404, None);
        assert_refused(&entra.asks("DELETE", &path, None, &[]).await, 404, None);
    }
    for question in [
        format!("id eq \"{ada}\""),
        "userName eq \"ada\"".to_owned(),
        "externalId eq \"ext-ada\"".to_owned(),
        "userName sw \"ada\"".to_owned(),
        format!("id eq \"{local}\""),
    ] {
        let found = entra.names(&format!("/Users?filter={}", filter(&question))).await;
        assert_eq!(found, Vec::<String>::new(), "{question}");
    }
    for question in [format!("members eq \"{ada}\""), format!("id eq \"{clerks}\""), "displayName eq \"clerks\"".into()]
    {
        let found = entra.names(&format!("/Groups?filter={}", filter(&question))).await;
        assert_eq!(found, Vec::<String>::new(), "{question}");
    }
    assert_eq!(entra.names("/Users").await, ["own"]);
    // Names are taken within a connection alone: that one is free says nothing of others.
    let _ = entra.user("ada").await;
    let _ = entra.group("clerks", &[&own]).await;
    assert_eq!(okta.names("/Users").await, ["ada"]);
    assert_eq!(okta.get(&format!("/Users/{ada}")).await.json()["active"], true);
    // Another tenant's store does not know the token at all.
    let shown = PresentedSecret::parse(SecretKind::ScimToken, &okta.secret).unwrap();
    let abroad = sso.house.sessions.find_scim_token(sso.house.globex.id, &shown, sso.house.clock.now()).await;
    assert!(abroad.is_err());
    let store = Identities::new(sso.house.pool.clone()).provisioning();
    let desk = store.desk(sso.house.globex.id, cedargate_model::SessionId(okta.id.0), sso.house.clock.now()).await;
    assert_eq!(desk.unwrap(), None);
}

#[each_engine]
async fn lists_are_pages_and_filters_find_what_they_say() {
    let sso = provisioned().await;
    let okta = Teller::of(&sso, "okta").await;
    for name in ["a", "b", "c", "d"] {
        let _ = okta.user(name).await;
        // Ids sort by time, and within a millisecond by chance.
        sso.house.advance(Duration::from_millis(1));
    }
    let page = okta.get("/Users?startIndex=2&count=2").await.json();
    assert_eq!((&page["totalResults"], &page["itemsPerPage"], &page["startIndex"]), (&json!(4), &json!(2), &json!(2)));
    assert_eq!(okta.names("/Users?startIndex=2&count=2").await, ["b", "c"]);
    assert_eq!(okta.names("/Users?startIndex=9").await, Vec::<String>::new());
    let none = okta.get("/Users?count=0").await.json();
    assert_eq!((&none["totalResults"], &none["Resources"]), (&json!(4), &json!([])));
    for (question, found) in [
        ("userName eq \"B\"", vec!["b"]),
        ("externalId eq \"ext-c\" and active eq true", vec!["c"]),
        ("externalId eq \"ext-c\" and active eq false", vec![]),
        ("userName gt \"b\"", vec!["c", "d"]),
        ("not (userName eq \"a\") and userName lt \"c\"", vec!["b"]),
        ("userName eq \"a\\u0000\"", vec![]),
        ("meta.created pr", vec!["a", "b", "c", "d"]),
    ] {
        assert_eq!(okta.names(&format!("/Users?filter={}", filter(question))).await, found, "{question}");
    }
    assert_refused(&okta.get("/Users?filter=colour+eq+1").await, 400, Some("invalidFilter"));
    assert_refused(&okta.get("/Users?count=many").await, 400, Some("invalidValue"));
    assert_eq!(okta.get("/Schemas").await.json()["totalResults"], 3);
    assert_refused(&okta.get("/Schemas/urn:x").await, 404, None);
    assert_eq!(okta.get("/ServiceProviderConfig").await.json()["bulk"]["supported"], false);
    assert_eq!(okta.get("/ResourceTypes/User").await.json()["endpoint"], "/Users");
}

#[each_engine]
async fn roles_follow_groups_by_the_connections_rules() {
    let sso = provisioned().await;
    let okta = Teller::of(&sso, "okta").await;
    let (ada, bo) = (okta.user("ada").await, okta.user("bo").await);
    let group = okta.group("warehouse", &[&ada]).await;
    assert_eq!((okta.roles(&ada).await, okta.roles(&bo).await), (vec!["clerk".to_owned()], vec![]));
    let path = format!("/Groups/{group}");
    sso.house.recorder.take_all();
    let added = json!([{ "op": "Add", "path": "members", "value": [{ "value": bo }, { "value": ada }] }]);
    assert_eq!(okta.patch(&path, added).await.status, StatusCode::OK);
    assert_eq!(okta.roles(&bo).await, ["clerk"]);
    let acts = okta.acts();
    let [ProvisioningAct::GroupChanged { added, removed, .. }, ProvisioningAct::RolesChanged { accounts }] = &acts[..]
    else {
        panic!("{acts:?}")
    };
    assert_eq!((added.len(), removed.len(), accounts.len()), (1, 0, 1));
    let groups = okta.get(&format!("/Users/{bo}")).await.json()["groups"].clone();
    assert_eq!((&groups[0]["value"], &groups[0]["display"]), (&json!(group), &json!("warehouse")));

    let renamed = okta.patch(&path, json!([{ "op": "replace", "value": { "displayName": "heads" } }])).await;
    assert_eq!(renamed.json()["members"].as_array().unwrap().len(), 2);
    assert_eq!((okta.roles(&ada).await, okta.roles(&bo).await), (vec!["manager".to_owned()], vec!["manager".into()]));
    let gone = json!([{ "op": "remove", "path": format!("members[value eq \"{ada}\"]") }]);
    okta.patch(&path, gone).await;
    assert_eq!((okta.roles(&ada).await, okta.roles(&bo).await), (vec![], vec!["manager".to_owned()]));
    assert_refused(
        &okta.post("/Groups", json!({ "schemas": [GROUP], "displayName": "HEADS" })).await,
        409,
        Some("uniqueness"),
    );
    assert_eq!(okta.asks("DELETE", &path, None, &[]).await.status, StatusCode::NO_CONTENT);
    assert_eq!(okta.roles(&bo).await, Vec::<String>::new());
    assert_refused(&okta.get(&path).await, 404, None);
}

#[each_engine]
async fn somebody_told_of_signs_in_to_their_account_until_they_are_taken_away() {
    let sso = provisioned().await;
    let okta = Teller::of(&sso, "okta").await;
    let body = json!({ "schemas": [USER], "userName": "ada", "externalId": "00u1", "displayName": "Ada" });
    let id = okta.post("/Users", body.clone()).await.json()["id"].as_str().unwrap().to_owned();
    let group = okta.group("heads", &[&id]).await;
    // The token's own groups say another thing, and count for nothing.
    let answer = sso.sign_in().await;
    let person = sso.person(&answer).await;
    assert_eq!((person.id.to_string(), roles(&person)), (id.clone(), vec!["manager", "member"]));
    let cookie = answer.cookie_value().unwrap();
    // What changes there is so here at once.
    okta.asks("DELETE", &format!("/Groups/{group}"), None, &[]).await;
    sso.house.sessions.listen(sso.house.clock.now()).await.unwrap();
    assert_eq!(roles(&*sso.person(&answer).await), ["member"]);
    sso.house.recorder.take_all();

    // As Entra ID says it. On this gateway the session is over with the answer.
    let off = json!([{ "op": "Replace", "path": "active", "value": "False" }]);
    assert_eq!(okta.patch(&format!("/Users/{id}"), off).await.json()["active"], false);
    assert!(!sso.house.knows(&cookie).await, "the session is over");
    let acts = okta.acts();
    assert!(matches!(&acts[..], [ProvisioningAct::UserDeactivated { ended, .. }] if ended.len() == 1), "{acts:?}");
    // Everybody is admitted by this connection, and ada is not.
    sso.assert_refused(&sso.sign_in().await, SigninReason::AccountDisabled);
    let on = json!([{ "op": "replace", "value": { "active": true } }]);
    assert_eq!(okta.patch(&format!("/Users/{id}"), on.clone()).await.json()["active"], true);
    assert_eq!(sso.person(&sso.sign_in().await).await.id.to_string(), id);
    sso.house.recorder.take_all();

    // What an operator disabled, no provider enables.
    sso.house.accounts.disable(sso.house.acme.id, person.id, sso.house.clock.now()).await.unwrap();
    assert_eq!(okta.patch(&format!("/Users/{id}"), on).await.json()["active"], false);
    sso.house.accounts.enable(sso.house.acme.id, person.id, sso.house.clock.now()).await.unwrap();

    okta.asks("DELETE", &format!("/Users/{id}"), None, &[]).await;
    sso.house.recorder.take_all();
    sso.assert_refused(&sso.sign_in().await, SigninReason::AccountDisabled);
    let again = okta.post("/Users", body).await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(sso.person(&sso.sign_in().await).await.id.to_string(), again, "told of anew, it is another account");
}

#[each_engine]
async fn a_second_subject_does_not_get_what_is_anothers() {
    let sso = Sso::with(|connection| {
        let claim = ClaimPath::parse("email").unwrap();
        connection.provisioning =
            Some(ProvisioningRule { by: MatchBy::UserName, claim, groups: GroupsBy::DisplayName });
    })
    .await;
    let okta = Teller::of(&sso, "okta").await;
    sso.provider.conduct().claims = json!({ "email": "Ada@acme.example" });
    let id = okta.user("ada@acme.example").await;
    assert_eq!(sso.person(&sso.sign_in().await).await.id.to_string(), id);
    sso.house.recorder.take_all();
    // Somebody who got the address that another had.
    sso.provider.conduct().claims = json!({ "email": "ada@acme.example", "sub": "00u2" });
    sso.assert_refused(&sso.sign_in().await, SigninReason::NotAdmitted);
}

#[each_engine]
async fn whoever_came_before_they_were_told_of_gets_the_account_that_was_told_of() {
    let sso = provisioned().await;
    let before = sso.sign_in().await;
    let former = sso.person(&before).await.id;
    let okta = Teller::of(&sso, "okta").await;
    let body = json!({ "schemas": [USER], "userName": "ada", "externalId": "00u1" });
    let id = okta.post("/Users", body).await.json()["id"].as_str().unwrap().to_owned();
    let now = sso.person(&sso.sign_in().await).await.id;
    assert_eq!((now.to_string(), now == former), (id, false));
    assert!(!sso.house.knows(&before.cookie_value().unwrap()).await, "what began before is over");
    // An operator's link to an account of one's own stands.
    let identities = Identities::new(sso.house.pool.clone());
    identities.unlink(sso.house.acme.id, &sso.identity(), sso.house.clock.now()).await.unwrap();
    identities.link(sso.house.acme.id, sso.house.ada, &sso.identity(), sso.house.clock.now()).await.unwrap();
    assert_eq!(sso.person(&sso.sign_in().await).await.id, sso.house.ada);
}

fn by_email(connection: &mut Connection) {
    let claim = ClaimPath::parse("email").unwrap();
    connection.provisioning = Some(ProvisioningRule { by: MatchBy::UserName, claim, groups: GroupsBy::DisplayName });
}

fn off() -> Value {
    json!([{ "op": "replace", "path": "active", "value": false }])
}

fn on() -> Value {
    json!([{ "op": "replace", "path": "active", "value": true }])
}

/// They were told of as another account, and never came back to move to it: where the rule looks at the subject, they are found by it.
#[each_engine]
async fn whoever_came_before_they_were_told_of_is_out_when_they_are_taken_away() {
    for how in ["told of as inactive", "deactivated", "deleted"] {
        let sso = provisioned().await;
        let before = sso.sign_in().await;
        let cookie = before.cookie_value().unwrap();
        let former = sso.person(&before).await.id;
        sso.house.recorder.take_all();
        let okta = Teller::of(&sso, "okta").await;
        let is_active = how != "told of as inactive";
        let body = json!({ "schemas": [USER], "userName": "ada", "externalId": "00u1", "active": is_active });
        let id = okta.post("/Users", body).await.json()["id"].as_str().unwrap().to_owned();
        if is_active {
            assert!(sso.house.knows(&cookie).await, "{how}");
            okta.acts();
            match how {
                "deleted" => okta.asks("DELETE", &format!("/Users/{id}"), None, &[]).await,
                _ => okta.patch(&format!("/Users/{id}"), off()).await,
            };
        }
        assert!(!sso.house.knows(&cookie).await, "{how}");
        let account = sso.house.accounts.find(sso.house.acme.id, former).await.unwrap().unwrap();
        assert_eq!(account.roles, [], "{how}");
        let acts = okta.acts();
        let is_ended = |act: &ProvisioningAct| match act {
            ProvisioningAct::UserDeactivated { ended, .. } | ProvisioningAct::UserDeleted { ended, .. } => {
                ended.len() == 1
            }
            _ => false,
        };
        let is_taken = |act: &ProvisioningAct| matches!(act, ProvisioningAct::RolesChanged { accounts } if accounts[0].principal == former && accounts[0].roles.is_empty());
        assert!(acts.iter().any(is_ended) && acts.iter().any(is_taken), "{how}: {acts:?}");
        sso.assert_refused(&sso.sign_in().await, SigninReason::AccountDisabled);
    }
}

/// Where the rule looks at another claim, nobody knows whose session that is before they sign in again. Then it ends, also of an account that
/// an operator gave them.
#[each_engine]
async fn whoever_is_refused_because_they_were_taken_away_keeps_nothing_of_before() {
    for linked in [false, true] {
        let sso = Sso::with(by_email).await;
        sso.provider.conduct().claims = json!({ "email": "ada@acme.example" });
        let okta = Teller::of(&sso, "okta").await;
        if linked {
            let identities = Identities::new(sso.house.pool.clone());
            identities.link(sso.house.acme.id, sso.house.ada, &sso.identity(), sso.house.clock.now()).await.unwrap();
        }
        let before = sso.sign_in().await;
        let cookie = before.cookie_value().unwrap();
        assert_eq!(sso.person(&before).await.id == sso.house.ada, linked);
        let id = okta.user("ada@acme.example").await;
        assert_eq!(okta.patch(&format!("/Users/{id}"), off()).await.status, StatusCode::OK);
        assert!(sso.house.knows(&cookie).await, "nobody knows whose it is");
        sso.house.recorder.broken.store(true, Ordering::SeqCst);
        let _ = sso.sign_in().await;
        assert!(sso.house.knows(&cookie).await, "not without a record");
        sso.house.recorder.broken.store(false, Ordering::SeqCst);
        sso.house.recorder.take_all();
        assert_eq!(sso.sign_in().await.status, StatusCode::UNAUTHORIZED);
        assert!(!sso.house.knows(&cookie).await, "linked: {linked}");
        let acts = sso.house.recorder.take_acts();
        let is_ended = |act: &AccountAct| matches!(act, AccountAct::SessionsEnded { ended } if ended.len() == 1);
        assert!(acts.iter().any(is_ended), "{acts:?}");
        assert!(acts.contains(&AccountAct::RolesChanged { roles: vec![] }), "{acts:?}");
        assert_eq!(sso.account(sso.house.acme.id).await.unwrap().roles, []);
        sso.house.recorder.take_all();
        okta.asks("DELETE", &format!("/Users/{id}"), None, &[]).await;
        sso.house.recorder.take_all();
        sso.assert_refused(&sso.sign_in().await, SigninReason::AccountDisabled);
    }
}

#[each_engine]
async fn what_a_provider_and_an_operator_say_of_an_account_do_not_undo_each_other() {
    let sso = provisioned().await;
    let okta = Teller::of(&sso, "okta").await;
    let id = okta.user("ada").await;
    let (path, account) = (format!("/Users/{id}"), PrincipalId(id.parse().unwrap()));
    let (acme, accounts) = (sso.house.acme.id, &sso.house.accounts);
    let state = async || okta.account(&id).await.state;
    // The provider first, the operator after it, the provider back: still disabled.
    assert_eq!(okta.patch(&path, off()).await.json()["active"], false);
    assert!(matches!(state().await, AccountState::Deactivated { .. }));
    accounts.disable(acme, account, sso.house.clock.now()).await.unwrap();
    okta.acts();
    assert_eq!(okta.patch(&path, on()).await.json()["active"], false);
    assert_eq!(okta.acts(), [ProvisioningAct::UserActivated { principal: account }], "what is told is recorded");
    assert!(matches!(state().await, AccountState::Disabled { .. }));
    // Told while the operator's holds: it holds when that is over.
    assert_eq!(okta.patch(&path, off()).await.json()["active"], false);
    assert_eq!(okta.acts(), [ProvisioningAct::UserDeactivated { principal: account, ended: vec![] }]);
    accounts.enable(acme, account, sso.house.clock.now()).await.unwrap();
    assert!(matches!(state().await, AccountState::Deactivated { .. }), "an operator says nothing for the provider");
    assert_eq!(okta.get(&path).await.json()["active"], false);
    // What is not said of it changes nothing of it.
    let title = json!([{ "op": "add", "value": { "title": "Head" } }]);
    assert_eq!(okta.patch(&path, title).await.json()["active"], false);
    assert_eq!(okta.patch(&path, on()).await.json()["active"], true);
    assert_eq!(state().await, AccountState::Active);
}

#[each_engine]
async fn a_sign_in_that_does_not_say_whom_it_means_lets_nobody_new_in() {
    let sso = Sso::with(by_email).await;
    for claims in [json!({ "email": null }), json!({ "email": "" })] {
        sso.provider.conduct().claims = claims;
        sso.assert_refused(&sso.sign_in().await, SigninReason::ClaimRequired);
    }
    assert_eq!(sso.account(sso.house.acme.id).await, None);
    // Whose the identity is already needs no claim.
    let okta = Teller::of(&sso, "okta").await;
    let id = okta.user("ada@acme.example").await;
    sso.provider.conduct().claims = json!({ "email": "ada@acme.example" });
    let _ = sso.sign_in().await;
    sso.provider.conduct().claims = json!({ "email": null });
    assert_eq!(sso.person(&sso.sign_in().await).await.id.to_string(), id);
}

#[each_engine]
async fn a_provisioned_person_without_what_is_required_loses_roles_and_sessions() {
    let sso = provisioned().await;
    let okta = Teller::of(&sso, "okta").await;
    let body = json!({ "schemas": [USER], "userName": "ada", "externalId": "00u1" });
    let id = okta.post("/Users", body).await.json()["id"].as_str().unwrap().to_owned();
    let _ = okta.group("heads", &[&id]).await;
    let cookie = sso.sign_in().await.cookie_value().unwrap();
    sso.house.recorder.take_all();
    sso.connect(|connection| {
        let claim = ClaimPath::parse("sub").unwrap();
        connection.provisioning =
            Some(ProvisioningRule { by: MatchBy::ExternalId, claim, groups: GroupsBy::DisplayName });
        let claim = ClaimPath::parse("hd").unwrap();
        connection.required = vec![ClaimMatch { claim, value: "acme.example".to_owned() }];
    });
    sso.assert_refused(&sso.sign_in().await, SigninReason::ClaimRequired);
    assert!(!sso.house.knows(&cookie).await);
    assert_eq!(okta.roles(&id).await, Vec::<String>::new());
}

#[each_engine]
async fn another_provider_behind_the_same_name_knows_nobody_of_the_former_ones() {
    let sso = provisioned().await;
    let okta = Teller::of(&sso, "okta").await;
    let body = json!({ "schemas": [USER], "userName": "ada", "externalId": "00u1" });
    let id = okta.post("/Users", body.clone()).await.json()["id"].as_str().unwrap().to_owned();
    let Teller { id: token, secret, .. } = okta;
    let other = Sso { house: sso.house, provider: Provider::start().await };
    let rule = |connection: &mut Connection| {
        let claim = ClaimPath::parse("sub").unwrap();
        connection.provisioning =
            Some(ProvisioningRule { by: MatchBy::ExternalId, claim, groups: GroupsBy::DisplayName });
    };
    other.connect(rule);
    // The former one's token tells nothing any more, and whom it told of the new one's word does not mean.
    let okta = Teller { sso: &other, tenant: other.house.acme.clone(), id: token, secret };
    assert_refused(&okta.get("/Users").await, 403, None);
    assert_ne!(other.person(&other.sign_in().await).await.id.to_string(), id, "an account of its own");
    let tokens = ScimTokens::new(other.house.pool.clone());
    let (name, now) = (ConnectionName::parse("okta").unwrap(), other.house.clock.now());
    let lifetime = Duration::from_secs(3_600);
    let refused = tokens.create(other.house.acme.id, name.clone(), &other.identity().issuer, lifetime, now).await;
    assert!(matches!(refused, Err(CreateScimTokenError::IssuerDiffers(_))), "{refused:?}");
    let forgotten = tokens.forget_people(other.house.acme.id, &name, now).await.unwrap();
    assert_eq!((forgotten.tokens, forgotten.accounts), (1, 1));
    assert!(matches!(okta.account(&id).await.state, AccountState::Deactivated { .. }));
    let okta = Teller::of(&other, "okta").await;
    assert_eq!(okta.names("/Users").await, Vec::<String>::new());
    let again = okta.post("/Users", body).await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(other.person(&other.sign_in().await).await.id.to_string(), again);
}

/// The requests of Entra ID's provisioning service, in the order in which it sends them.
#[each_engine]
async fn entra_id_makes_itself_understood() {
    let sso = provisioned().await;
    let entra = Teller::of(&sso, "entra").await;
    // "Test connection": somebody who is not there.
    let probe = entra.get(&format!("/Users?filter={}", filter("userName eq \"0b8d1f0e\""))).await.json();
    assert_eq!((&probe["totalResults"], &probe["Resources"]), (&json!(0), &json!([])));
    let made = entra
        .post(
            "/Users",
            json!({
                "schemas": [USER, ENTERPRISE],
                "externalId": "5b1c", "userName": "Test_User@acme.example", "active": true,
                "emails": [{ "primary": true, "type": "work", "value": "t@acme.example" }],
                "meta": { "resourceType": "User" },
                "name": { "formatted": "given family", "familyName": "family", "givenName": "given" },
                "roles": [],
            }),
        )
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/Users/{id}");
    let changed = entra
        .patch(
            &path,
            json!([
                { "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "u@acme.example" },
                { "op": "Replace", "path": "name.familyName", "value": "other" },
                { "op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+1 5" },
                { "op": "Add", "path": format!("{ENTERPRISE}:department"), "value": "Stock" },
                { "op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": id },
            ]),
        )
        .await
        .json();
    assert_eq!(
        (&changed["emails"][0]["value"], &changed["name"]["familyName"]),
        (&json!("u@acme.example"), &json!("other"))
    );
    assert_eq!(changed[ENTERPRISE]["manager"]["value"], json!(id));
    let group = entra
        .post(
            "/Groups",
            json!({ "schemas": [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
            "externalId": "8aa1", "displayName": "Stock", "meta": { "resourceType": "Group" } }),
        )
        .await;
    let group = group.json()["id"].as_str().unwrap().to_owned();
    let members = format!("/Groups/{group}");
    let add = json!([{ "op": "Add", "path": "members", "value": [{ "$ref": null, "value": id }] }]);
    assert_eq!(entra.patch(&members, add).await.status, StatusCode::OK);
    let is_in = filter(&format!("id eq \"{group}\" and members eq \"{id}\""));
    let found = entra.get(&format!("/Groups?excludedAttributes=members&filter={is_in}")).await.json();
    assert_eq!((&found["totalResults"], found["Resources"][0].get("members")), (&json!(1), None));
    let remove = json!([{ "op": "Remove", "path": "members", "value": [{ "$ref": null, "value": id }] }]);
    assert_eq!(entra.patch(&members, remove).await.json().get("members"), None);
    let off = json!([{ "op": "Replace", "path": "active", "value": "False" }]);
    assert_eq!(entra.patch(&path, off).await.json()["active"], false);
    assert_eq!(entra.asks("DELETE", &path, None, &[]).await.status, StatusCode::NO_CONTENT);
}

/// The requests of Okta, which replaces users whole, deactivates and does not delete, and pushes groups.
#[each_engine]
async fn okta_makes_itself_understood() {
    let sso = provisioned().await;
    let okta = Teller::of(&sso, "okta").await;
    assert_eq!(okta.names("/Users?startIndex=1&count=2").await, Vec::<String>::new());
    assert_eq!(
        okta.names(&format!("/Users?filter={}&startIndex=1&count=100", filter("userName eq \"x@y.z\""))).await,
        Vec::<String>::new()
    );
    let body = |active: bool| {
        json!({
            "schemas": [USER], "userName": "test.user@okta.local", "externalId": "00ujl29u0le5T6Aj10h7",
            "name": { "givenName": "Test", "familyName": "User" }, "displayName": "Test User", "locale": "en-US",
            "emails": [{ "primary": true, "value": "test.user@okta.local", "type": "work" }],
            "groups": [], "password": "1mz050nq", "active": active,
        })
    };
    let made = okta.post("/Users", body(true)).await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert!(made.json().get("password").is_none() && !made.body.contains("1mz050nq"));
    let path = format!("/Users/{id}");
    assert_eq!(okta.asks("PUT", &path, Some(&body(false)), &[]).await.json()["active"], false);
    assert_eq!(okta.asks("PUT", &path, Some(&body(true)), &[]).await.json()["active"], true);
    let group = okta.group("Push", &[]).await;
    let path = format!("/Groups/{group}");
    let replace =
        json!([{ "op": "replace", "path": "members", "value": [{ "value": id, "display": "test.user@okta.local" }] }]);
    assert_eq!(okta.patch(&path, replace).await.json()["members"][0]["value"], json!(id));
    let rename = json!([{ "op": "replace", "value": { "id": group, "displayName": "Pushed" } }]);
    assert_eq!(okta.patch(&path, rename).await.json()["displayName"], "Pushed");
    let whole = json!({ "schemas": [GROUP], "id": group, "displayName": "Pushed", "members": [] });
    assert_eq!(okta.asks("PUT", &path, Some(&whole), &[]).await.json().get("members"), None);
}
