//! Texts that people really send, in which nothing must be found.

use crate::sender::{body, everywhere, header, path, query};

/// Asserts that nothing at all is found in a value wherever it is sent.
fn quiet(values: &[&str]) {
    let mut loud = Vec::new();
    for value in values {
        for (way, inspected) in everywhere(value) {
            if !inspected.findings().is_empty() {
                loud.push(format!("{way}: {value} -> {:?}", inspected.rules()));
            }
        }
    }
    assert!(loud.is_empty(), "{loud:#?}");
}

#[test]
fn names_of_people_and_places_pass() {
    quiet(&[
        "O'Brien",
        "Miles O'Brien-D'Angelo",
        "Seán Ó'Faoláin",
        "L'Hôpital",
        "Coeur d'Alene",
        "Hawai'i",
        "Jean-Luc",
        "Dr. Select",
        "Union, NJ",
        "Ann & Bob Ltd.",
        "Toys \"R\" Us",
        "AT&T",
        "Müller GmbH & Co. KG",
        "Drop Table Mountain Tours",
        "null",
        "N/A",
        "100%",
        "C++",
        "C#",
        "R&D; Sales",
        "李小龍",
        "Привет, мир!",
        "🙂 thanks!!",
    ]);
}

#[test]
fn prose_passes() {
    quiet(&[
        "It's a dog's life -- or so they say; don't you think so?",
        "Please select an option from the list and update the table where needed.",
        "The union will select a new chair on Monday; the vote is 1 to 0.",
        "We'll drop the old table into storage, then insert a new one.",
        "I'd like to order 5 or 6 boxes, and if possible delete the last order.",
        "Rock 'n' roll isn't noise - it's music, and they're 'the best'.",
        "She said: \"It's fine\", and left. 'Twas late.",
        "The cat sat; the dog ran | nobody knew why & everyone laughed.",
        "Protocols: http; ssh; telnet; ftp. Skills: Java; Python; Perl; SQL.",
        "Sizes (S|M|L|XL) are sold out; more soon, find out at 5 pm; who knows?",
        "Dear team,\n\nthe meeting is at 10:00.\nAgenda:\n- budget (Q3 = 5% up)\n- hiring\n\nBest,\nAnn",
        "Use Ctrl+C to copy and Ctrl+V to paste; press <Enter> when done",
        "if a < b and b > c then a != c",
        "Temperatures fell < 0 °C -- the pipe's valve (no. 3) burst.",
        "Terms & conditions apply; see section 3.1 (a) and/or (b)...",
        "The order's status is 'open' and its total is 12.50 EUR.",
        "JavaScript: the good parts; onward = upward",
        "He asked for an alert (see below) and to confirm (again).",
        "My style is casual. Style: modern; colour = blue",
        "Where's the file? In C:\\Users\\Ann\\Documents\\report.docx or \\\\server\\share\\x.",
        "See ../guide for (../images/a.png) details, and the etc folder",
        "Between 1 and 2 or between 3 and 4",
        "Tom & Jerry; cat & mouse; sort of; more or less; that's it.",
        "Having 3 or more children, group by age",
        "This isn't a drill: exec summary -- update by Friday, set the date!",
        "I don't know what it's worth; 50% or more?",
    ]);
}

#[test]
fn mathematics_and_formats_pass() {
    quiet(&[
        "x^2 + y^2 = z^2",
        "f(x) = (a*x + b) / (c*x - d)",
        "1 + 1 = 2",
        "{a, b} ∪ {c}",
        "2024-02-29T12:30:00Z",
        "2024-02-29 12:30:00.123+01:00",
        "+49 (0) 30 123456-78",
        "550e8400-e29b-41d4-a716-446655440000",
        "12.50",
        "-1",
        "1e-5",
        "0x1F",
        "#ff00aa",
        "rgba(0, 0, 0, 0.5)",
        "10.0.0.0/8",
        "2001:db8::1",
        "ann.smith+orders@example.co.uk",
        "https://example.com/a/b?c=d&e=f#g",
        "https://example.com/search?q=it%27s&sort=-date&page=2",
        "dGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVyIHRoZSBsYXp5IGRvZw==",
        "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl",
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
        "-name,+created_at",
        "name;id",
        "name|id|date",
        "items[0].qty",
        "status:open AND owner:me",
        "price>=10",
        "en-GB,en;q=0.7",
        "application/json; charset=utf-8",
        "{{name}}, your order {{order_id}} is ready",
        "Hello ${name}",
        "{{date 2024-01-02}}",
        "image: app:${TAG:-latest}",
        "const parse = require('semver/functions/parse')",
        "The shell is `/bin/sh`, on Windows `cmd.exe`; Perl is in /usr/bin/perl",
        "let rows = query(\"SELECT name FROM items WHERE id = ?\")",
        "b\"a\\x00b\\x00\"",
        "https://10.0.0.5:8443/a",
        "see https://example.com/?a=b/?c=d",
        "for 5 % in (parts)",
        "v1.2.3/4",
        "/images/a.png",
        "1/2, 3/4 + 5",
    ]);
}

#[test]
fn markdown_passes() {
    quiet(&[
        "# Title\n\n* one\n* two\n\n**bold** and _italic_, [link](https://example.com/a_(b)) and `code`.\n\n> quote\n",
        "| id | name | date |\n|----|------|------|\n| 1 | Ann | 2024-01-01 |\n| 2 | O'Brien | 2024-01-02 |\n",
        "`curl` is a tool; `ls` lists files.\n\n1. Run `make`\n2. Read [the guide](../docs/guide.md)\n\n---\n",
        "- [ ] todo\n- [x] done -- really\n\n![image](images/a.png)\n",
    ]);
}

#[test]
fn queries_that_are_odd_but_legal_pass() {
    for legal in [
        "q=100%",
        "q=%",
        "q",
        "q=",
        "=",
        "&&",
        "a=b=c",
        "a[]=1&a[]=2",
        "filter[name]=ann",
        "q=a+b+c",
        "q=50%25+off",
        "sort=-name,id",
        "redirect=https%3A%2F%2Fexample.com%2Fa%3Fb%3Dc%26d%3De",
        "date[gte]=2024-01-01",
        "$top=10&$filter=a%20eq%20b",
        "fields=id,name&limit=10&offset=20",
        "_=1700000000000",
        "utm_source=news&utm_campaign=spring%20sale",
        "callback=jQuery1234_5678",
        "cursor=eyJpZCI6MTIzfQ%3D%3D",
        "q=caf%C3%A9",
        "bbox=1.5,-2.5,3.0,4.25",
    ] {
        assert_eq!(query(legal).findings(), [], "{legal}");
    }
}

#[test]
fn ordinary_paths_and_headers_pass() {
    for legal in [
        "/",
        "/inventory/items/42",
        "/people/O%27Brien",
        "/files/report%20(final).pdf",
        "/a/caf%C3%A9",
        "/v1/items:batch",
        "/~ann/x.y",
    ] {
        assert_eq!(path(legal).findings(), [], "{legal}");
    }
    for (name, value) in [
        (
            "user-agent",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
        ),
        (
            "user-agent",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0",
        ),
        ("user-agent", "curl/8.5.0"),
        ("user-agent", "python-requests/2.32.3"),
        ("user-agent", "Go-http-client/2.0"),
        ("user-agent", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
        ("referer", "https://www.google.com/"),
        ("referer", "https://acme.example/search?q=o'brien&page=2"),
        ("cookie", "consent={\"analytics\":true,\"v\":2}; session=abc.def-ghi_jkl=="),
        (
            "cookie",
            "OptanonConsent=isGpcEnabled=0&datestamp=Mon+Jan+01+2024&version=202401.1.0&groups=C0001%3A1%2CC0002%3A0; a=\"quoted value\"",
        ),
        ("x-requested-with", "XMLHttpRequest"),
        ("link", "<https://example.com/a>; rel=\"next\""),
        ("cedargate-test", "{\"json\": [1, 2]}"),
        ("content-encoding", "identity"),
    ] {
        assert_eq!(header(name, value).findings(), [], "{name}: {value}");
    }
}

#[test]
fn business_data_passes() {
    let order = serde_json::json!({
        "id": "0190b8e4-7c1a-7d7e-a1b2-c3d4e5f60718",
        "customer": { "name": "Seán O'Brien & Sons", "email": "sean@obrien.example", "vat": "IE1234567T" },
        "lines": [
            { "sku": "OAT-1L", "description": "Oat milk, 1 l (organic) -- 6 x 4", "qty": 24, "price": "1.95", "note": null },
            { "sku": "M8x40", "description": "Bolt M8 x 40, 8.8; zinc \"A2K\"", "qty": 500, "price": "0.08", "note": "don't mix w/ M8x45" },
        ],
        "notes": "Deliver to the back door, between 8 and 10 or after 14:00.\r\nCall +353 1 234 5678 if closed!",
        "tags": ["priority:high", "region=eu/west", "50% off"],
        "created_at": "2024-05-01T08:30:00.000Z",
        "$schema": "https://example.com/schemas/order.json",
        "_links": { "self": { "href": "/orders/0190b8e4" } },
    });
    assert_eq!(body("application/json", order.to_string().as_bytes()).findings(), []);
    assert_eq!(body("application/json", serde_json::to_string_pretty(&order).unwrap().as_bytes()).findings(), []);
    let csv = "sku,name,qty\nOAT-1L,\"Oat milk, 1 l\",24\nM8x40,Bolt; zinc,500\nTEA,Barry's Gold,12\n";
    assert_eq!(body("text/csv", csv.as_bytes()).findings(), []);
    let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><order id=\"1\"><name>Seán O'Brien</name><qty>5</qty></order>";
    assert_eq!(body("application/xml", xml.as_bytes()).findings(), []);
}

#[test]
fn binary_bodies_pass() {
    let mut noise: u64 = 1;
    let blob: Vec<u8> = (0..1 << 16)
        .map(|_| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            noise.to_be_bytes()[0]
        })
        .collect();
    assert_eq!(body("application/octet-stream", &blob).findings(), []);
    let mut form =
        b"--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"John's report (1) -- final.pdf\"\r\n\
        Content-Type: application/pdf\r\n\r\n"
            .to_vec();
    form.extend_from_slice(&blob);
    form.extend_from_slice(b"\r\n--b--\r\n");
    assert_eq!(body("multipart/form-data; boundary=b", &form).findings(), []);
}
