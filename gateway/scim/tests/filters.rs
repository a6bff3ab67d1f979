//! What filters find, and what is no filter.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use cedargate_scim::{ENTERPRISE_USER, Filter, IndexKey, ResourceKind, ScimType};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn ada() -> Map<String, Value> {
    let ada = json!({
        "id": "7",
        "externalId": "Ext-7",
        "userName": "Ada@Acme.example",
        "name": { "familyName": "Lovelace" },
        "active": true,
        "title": "Countess",
        "emails": [
            { "value": "ada@acme.example", "type": "work", "primary": true },
            { "value": "ada@home.example", "type": "home" },
        ],
        "groups": [{ "value": "g1" }],
        "meta": { "lastModified": "2026-11-20T18:00:00.000000Z" },
        ENTERPRISE_USER: { "department": "Engines", "manager": { "value": "M-1" } },
    });
    ada.as_object().cloned().unwrap()
}

fn finds(filter: &str) -> bool {
    Filter::parse(ResourceKind::User, filter).unwrap_or_else(|error| panic!("{filter}: {error}")).matches(&ada())
}

#[test]
fn what_is_no_filter_is_refused() {
    let deep = format!("{}active pr{}", "(".repeat(11), ")".repeat(11));
    let wide = vec!["active pr"; 51].join(" or ");
    let long = format!("userName eq \"{}\"", "a".repeat(5_000));
    for filter in [
        "",
        " ",
        "userName",
        "userName eq",
        "userName is \"x\"",
        "userName eq x",
        "userName eq 7",
        "userName eq \"x",
        "userName eq \"\\x\"",
        "userName eq true",
        "eq \"x\"",
        "favouriteColour eq \"x\"",
        "name.colour eq \"x\"",
        "name eq \"x\"",
        "name[familyName eq \"x\"]",
        "active gt true",
        "active eq \"perhaps\"",
        "active co true",
        "meta.lastModified co \"2026\"",
        "meta.lastModified gt \"yesterday\"",
        "userName gt null",
        "not active pr",
        "not (active pr",
        "(active pr",
        "active pr)",
        "active pr or",
        "and active pr",
        "active pr active pr",
        "emails[type eq \"work\"",
        "emails[type eq \"work\"] x",
        "emails[emails[type eq \"x\"]]",
        "emails.type[value pr]",
        "emails[userName eq \"x\"]",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User pr",
        "urn:other:User:department eq \"x\"",
        "userName\u{a0}eq\u{a0}\"x\"",
        &deep,
        &wide,
        &long,
    ] {
        let refused = Filter::parse(ResourceKind::User, filter).unwrap_err();
        assert_eq!((refused.status, refused.kind), (400, Some(ScimType::InvalidFilter)), "{filter}");
    }
    assert!(Filter::parse(ResourceKind::Group, "userName eq \"x\"").is_err());
    assert!(Filter::parse(ResourceKind::User, "members eq \"x\"").is_err());
}

#[test]
fn each_operator_says_what_the_standard_says() {
    for filter in [
        r#"userName eq "ADA@acme.example""#,
        r#"USERNAME Eq "ada@acme.example""#,
        r#"externalId eq "Ext-7""#,
        r#"externalId ne "ext-7""#,
        r#"userName co "acme""#,
        r#"userName sw "ada""#,
        r#"userName ew ".EXAMPLE""#,
        r#"userName gt "a""#,
        r#"userName le "b""#,
        "title pr",
        "title ne null",
        "nickName eq null",
        "nickName ne \"x\"",
        "active eq true",
        "active eq \"True\"",
        r#"name.familyName eq "lovelace""#,
        r#"emails eq "ada@home.example""#,
        r#"emails co "@home""#,
        r#"emails.type eq "home""#,
        r#"emails[type eq "work" and value sw "ada"]"#,
        r#"emails[type eq "home" and not (primary eq true)]"#,
        r#"meta.lastModified gt "2026-11-20T17:59:59Z""#,
        r#"meta.lastModified le "2026-11-20T19:00:00+01:00""#,
        r#"urn:ietf:params:scim:schemas:core:2.0:User:userName pr"#,
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "engines""#,
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq "M-1""#,
        r#"groups.value eq "g1""#,
        r#"(title eq "x" or title eq "countess") and not (active eq false)"#,
    ] {
        assert!(finds(filter), "{filter}");
    }
    for filter in [
        r#"externalId eq "ext-7""#,
        r#"userName eq "ada""#,
        "nickName pr",
        "active ne true",
        r#"emails[type eq "home" and primary eq true]"#,
        r#"emails ne "ada@home.example""#,
        r#"meta.lastModified lt "2026-11-20T18:00:00Z""#,
        r#"groups.value eq "G1""#,
        "not (title pr)",
    ] {
        assert!(!finds(filter), "{filter}");
    }
}

#[test]
fn and_binds_closer_than_or() {
    assert!(finds("active eq true or active eq false and title eq \"x\""));
    assert!(!finds("(active eq true or active eq false) and title eq \"x\""));
}

#[test]
fn a_store_is_told_what_it_can_find_by() {
    let key = |kind, filter: &str| match Filter::parse(kind, filter).unwrap().index_key() {
        Some(IndexKey::Id(text)) => format!("id {text}"),
        Some(IndexKey::ExternalId(text)) => format!("external {text}"),
        Some(IndexKey::Name(text)) => format!("name {text}"),
        Some(IndexKey::Member(text)) => format!("member {text}"),
        None => String::new(),
    };
    let user = |filter| key(ResourceKind::User, filter);
    let group = |filter| key(ResourceKind::Group, filter);
    assert_eq!(user(r#"userName eq "Ada""#), "name ada");
    assert_eq!(user(r#"active eq true and externalId eq "X""#), "external X");
    assert_eq!(user(r#"active eq true or externalId eq "X""#), "");
    assert_eq!(user(r#"not (userName eq "Ada")"#), "");
    assert_eq!(user(r#"displayName eq "Ada""#), "");
    assert_eq!(user(r#"userName sw "Ada""#), "");
    assert_eq!(group(r#"displayName eq "Clerks""#), "name clerks");
    assert_eq!(group(r#"id eq "1" and members eq "2""#), "id 1");
    assert_eq!(group(r#"members.value eq "2""#), "member 2");
}

/// A filter, and what it says of ada by another way of reading it.
fn tree() -> impl Strategy<Value = (String, bool)> {
    let leaf = prop_oneof![
        Just(("active eq true".to_owned(), true)),
        Just(("active eq false".to_owned(), false)),
        Just(("title pr".to_owned(), true)),
        Just(("nickName pr".to_owned(), false)),
        Just((r#"emails[type eq "work"]"#.to_owned(), true)),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|(text, holds)| (format!("not ({text})"), !holds)),
            (inner.clone(), inner.clone()).prop_map(|((a, x), (b, y))| (format!("({a}) AND ({b})"), x && y)),
            (inner.clone(), inner).prop_map(|((a, x), (b, y))| (format!("({a}) or ({b})"), x || y)),
        ]
    })
}

proptest! {
    #[test]
    fn a_filter_says_what_its_parts_say((text, holds) in tree()) {
        prop_assert_eq!(finds(&text), holds, "{}", text);
    }

    #[test]
    fn what_an_index_finds_by_holds_of_what_is_found(name in "[a-zA-Z0-9@.\"\\\\ ]{1,20}", other in "active eq true|title pr") {
        let quoted = serde_json::to_string(&name).unwrap();
        let filter = Filter::parse(ResourceKind::User, &format!("{other} and userName eq {quoted}")).unwrap();
        let lower = name.to_lowercase();
        prop_assert_eq!(filter.index_key(), Some(IndexKey::Name(&lower)));
        let mut user = ada();
        user.insert("userName".into(), name.into());
        prop_assert!(filter.matches(&user));
    }

    #[test]
    fn no_text_is_more_than_refused(text in "\\PC{0,80}|([a-zA-Z.]{1,9}|[()\\[\\]\" ]|eq|and|or|not|pr){0,30}") {
        if let Ok(filter) = Filter::parse(ResourceKind::User, &text) {
            let _ = (filter.matches(&ada()), filter.index_key());
        }
    }
}
