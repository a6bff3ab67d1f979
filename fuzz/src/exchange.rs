//! Exchanges: whatever a client and a service send, every reader, transformation and operator takes it, both ways alike.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::LazyLock;

use cedargate_waf::seclang::{EngineMode, InMemory, Report, RequestHead, RuleSet, Setup, Table, Way};

/// A rule for each transformation, over what each reader makes of a body, and one for each way to look at a value.
static RULES: LazyLock<Option<RuleSet>> = LazyLock::new(|| {
    let mut text =
        String::from("SecRequestBodyAccess On\nSecResponseBodyAccess On\nSecResponseBodyMimeType text/plain\n");
    for (index, (name, _)) in RuleSet::table(Table::Transformations).iter().enumerate() {
        let id = 1_000 + index;
        let _ = writeln!(
            text,
            "SecRule ARGS|ARGS_NAMES|REQUEST_URI|REQUEST_BODY|FILES|FILES_TMP_CONTENT|XML:/*|XML://@* \
             \"@rx (?i)(?:union|script|passwd|[0-9a-f]{{8}}|=)\" \"id:{id},phase:2,pass,capture,t:urlDecodeUni,t:{name}\"\n\
             SecRule REQUEST_COOKIES|REQUEST_HEADERS \"@pm union script passwd\" \"id:{},phase:1,pass,multiMatch,t:{name},t:lowercase\"",
            id + 1_000,
        );
    }
    text.push_str(OTHERS);
    RuleSet::load(&InMemory::new([("rules.conf", text.as_str())]), &[PathBuf::from("rules.conf")]).ok()
});

const OTHERS: &str = r#"
SecRule ARGS|ARGS_NAMES|REQUEST_COOKIES|XML:/* "@detectSQLi" "id:1,phase:2,pass,t:urlDecodeUni,t:utf8toUnicode"
SecRule ARGS|ARGS_NAMES|REQUEST_HEADERS|XML:/* "@detectXSS" "id:2,phase:2,pass,t:htmlEntityDecode,t:jsDecode"
SecRule ARGS|REQUEST_BODY "@validateUtf8Encoding" "id:3,phase:2,pass"
SecRule ARGS|REQUEST_BODY "@validateUrlEncoding" "id:4,phase:2,pass"
SecRule ARGS|REQUEST_URI_RAW "@validateByteRange 9,10,13,32-126" "id:5,phase:2,pass"
SecRule ARGS "@verifyCC [0-9]{13,16}" "id:6,phase:2,pass"
SecRule ARGS "@rx (?<!\w)(?:a|b)++(?=c)(\d)\1" "id:7,phase:2,pass,capture"
SecRule &ARGS "@gt 2" "id:8,phase:2,pass,chain"
SecRule ARGS_GET:/^x/|!ARGS:y "@within a,b,%{request_method}" "setvar:'tx.seen=+%{ARGS_COMBINED_SIZE}'"
SecRule TX:seen|MULTIPART_STRICT_ERROR|REQBODY_ERROR "@ge 1" "id:9,phase:2,pass"
SecRule MULTIPART_PART_HEADERS|FILES_NAMES "@contains filename" "id:10,phase:2,pass"
SecRule RESPONSE_BODY|RESPONSE_HEADERS "@pm script union" "id:11,phase:4,pass"
"#;

/// A target, a cookie and a body.
pub fn exchange(data: &[u8]) {
    let [target, cookie, body] = crate::parts::<3>(data);
    let Some(rules) = &*RULES else { panic!("the target's own rules do not load") };
    let mut scratch = rules.scratch();
    for content_type in [
        "application/x-www-form-urlencoded",
        "application/json",
        "application/soap+xml",
        "multipart/form-data; boundary=b",
        "text/plain",
    ] {
        let mut play = |way| {
            let cookie = String::from_utf8_lossy(cookie);
            let headers = [("content-type", content_type), ("cookie", &*cookie), ("user-agent", "fuzz")];
            let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let setup = Setup { reads_texts: true, ..Setup::of(EngineMode::DetectionOnly) };
            let mut transaction = rules.begin(&mut scratch, way).set_up(setup);
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
        assert!(plain.limit.is_some() || compiled.limit.is_none(), "a limit that only the compiled way reached");
        if plain.limit.is_none() {
            assert_eq!(plain, compiled, "what the compiled way found is not what there is");
        }
    }
}
