//! Rules: any text is refused or loads, and rules that load take any exchange, both ways alike.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use cedargate_waf::seclang::{EngineMode, InMemory, Report, RequestHead, RuleSet, Way};

/// A target and a body, each on a line, and rules behind them.
pub fn rules(data: &[u8]) {
    let [target, body, text] = crate::parts::<3>(data);
    let Ok(text) = std::str::from_utf8(text) else { return };
    let files = InMemory::new([("rules.conf", text)]);
    let Ok(rules) = RuleSet::load(&files, &[PathBuf::from("rules.conf")]) else { return };
    let rules = rules.with_mode(EngineMode::On);
    let mut scratch = rules.scratch();
    for content_type in
        ["application/x-www-form-urlencoded", "application/json", "text/xml", "multipart/form-data; boundary=b"]
    {
        let mut play = |way| {
            let headers = [("content-type", content_type), ("cookie", "a=1; b=x'y"), ("user-agent", "fuzz")];
            let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let mut transaction = rules.begin(&mut scratch, way);
            transaction.request_head(&RequestHead {
                client: (localhost, 1),
                server: (localhost, 80),
                method: b"POST",
                target,
                protocol: b"HTTP/1.1",
                headers: &headers,
                id: "fuzz",
            });
            transaction.request_body(body);
            transaction.response_head(200, b"HTTP/1.1", &[("content-type", "text/plain")]);
            transaction.response_body(body);
            transaction.finish()
        };
        let (plain, compiled): (Report, Report) = (play(Way::Plain), play(Way::Compiled));
        // A pattern that is run on fewer values, and values that are kept for fewer rules, reach fewer limits.
        assert!(plain.limit.is_some() || compiled.limit.is_none(), "a limit that only the compiled way reached");
        if plain.limit.is_none() {
            assert_eq!(plain, compiled, "what the compiled way found is not what there is");
        }
    }
}
