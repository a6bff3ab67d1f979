//! The inspection: any head and body end in an answer within the bounds, and the same one each time.

use std::sync::LazyLock;

use cedargate_waf::{Body, Engine, Inspected, Mode, Scope, Settings, Subject, Threshold, Verdict};

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(Settings::default()).expect("the rules compile"));

/// How many findings are kept.
const FINDINGS_MAX: usize = 64;

/// A query, a header's value, a content type and a body, each on a line but for the body.
pub fn inspection(data: &[u8]) {
    let [query, header, content_type, body] = crate::parts::<4>(data);
    let text = |octets| std::str::from_utf8(octets).ok();
    let (Some(query), Some(content_type)) = (text(query), text(content_type)) else { return };
    let target = format!("/a?{query}");
    let headers = [("user-agent", header), ("cookie", header)];
    let body = Body { content_type: (!content_type.is_empty()).then_some(content_type), bytes: body, complete: true };
    let subject = Subject {
        method: "POST",
        target: &target,
        path: "/a",
        query: Some(query),
        headers: &headers,
        body: Some(body),
    };
    let scope = Scope::new(Mode::Block).exempting(["password", "/user/password"]);
    let inspected = ENGINE.inspect(&subject, &scope);
    check(&inspected);
    assert_eq!(inspected.findings(), ENGINE.inspect(&subject, &scope).findings(), "two answers to one request");

    // Leaving a field alone refuses nothing that passes otherwise. It may find more: what it left out of a malformed text had
    // hidden the rest.
    let verdict = |scope| ENGINE.inspect_body(&body, scope).verdict(Threshold::default());
    let refused_without = verdict(&scope) == Verdict::Block;
    assert!(
        !refused_without || verdict(&Scope::new(Mode::Block)) == Verdict::Block,
        "leaving a field alone refused it"
    );
    for length in [body.bytes.len() / 2, body.bytes.len().saturating_sub(1)] {
        let prefix = Body { bytes: &body.bytes[..length], complete: false, ..body };
        check(&ENGINE.inspect_body(&prefix, &scope));
    }
}

fn check(inspected: &Inspected) {
    assert!(inspected.findings().len() <= FINDINGS_MAX * 2, "{} findings", inspected.findings().len());
    let _ = inspected.verdict(Threshold::default());
    for finding in inspected.findings() {
        let _ = finding.place.to_string();
    }
}
