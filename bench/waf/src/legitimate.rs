//! Requests that people and their programs send, in which nothing is wrong: texts of several kinds, each sent as a query,
//! a form's field, a member of a JSON document and a cookie.

use crate::requests::{Request, get, post};

const TEXTS: [&str; 48] = [
    "O'Brien",
    "Miles O'Brien-D'Angelo",
    "Seán Ó'Faoláin",
    "L'Hôpital",
    "Coeur d'Alene",
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
    "李小龍",
    "Привет, мир!",
    "مرحبا بالعالم",
    "It's a dog's life -- or so they say; don't you think so?",
    "Please select an option from the list and update the table where needed.",
    "The union will select a new chair on Monday; the vote is 1 to 0.",
    "I'd like to order 5 or 6 boxes, and if possible delete the last order.",
    "Rock 'n' roll isn't noise - it's music, and they're 'the best'.",
    "She said: \"It's fine\", and left. 'Twas late.",
    "Protocols: http; ssh; telnet; ftp. Skills: Java; Python; Perl; SQL.",
    "Sizes (S|M|L|XL) are sold out; more soon, find out at 5 pm; who knows?",
    "Dear team,\n\nthe meeting is at 10:00.\nAgenda:\n- budget (Q3 = 5% up)\n- hiring\n\nBest,\nAnn",
    "if a < b and b > c then a != c",
    "Terms & conditions apply; see section 3.1 (a) and/or (b)...",
    "The order's status is 'open' and its total is 12.50 EUR.",
    "JavaScript: the good parts; onward = upward",
    "Where's the file? In C:\\Users\\Ann\\Documents\\report.docx or \\\\server\\share\\x.",
    "See ../guide for (../images/a.png) details, and the etc folder",
    "Between 1 and 2 or between 3 and 4",
    "Having 3 or more children, group by age",
    "I don't know what it's worth; 50% or more?",
    "2026-07-31T10:15:00+02:00",
    "jo.smith+news@example.co.uk",
    "https://www.example.org/a/b?c=d&e=f#g",
    "+44 20 7946 0958",
    "£12.50 / €14,30",
    "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJqbyJ9.c2lnbmF0dXJl",
    "{\"a\": [1, 2, {\"b\": null}]}",
    "# Heading\n\n* one\n* two\n\n`code` and [a link](https://example.org)",
    "SELECT committee: minutes of the meeting FROM March",
];

/// Every text in every way.
pub(crate) fn all() -> Vec<Request> {
    let mut requests = Vec::new();
    for (number, text) in TEXTS.iter().enumerate() {
        let encoded = encode(text);
        let form = "application/x-www-form-urlencoded";
        let document = serde_json::json!({ "note": text, "count": number }).to_string();
        let mut cookie = get("cookie", "page=2");
        cookie.headers.push(("Cookie".to_owned(), format!("note={encoded}").into_bytes()));
        let ways = [
            get("query", &format!("page=2&q={encoded}")),
            post("form", form, format!("note={encoded}&count={number}")),
            post("JSON", "application/json", document),
            cookie,
        ];
        requests.extend(ways.map(|request| Request { name: format!("{} of `{text}`", request.name), ..request }));
    }
    requests
}

fn encode(text: &str) -> String {
    let octet = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(octet).collect()
}
