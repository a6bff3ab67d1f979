//! The reference page of refusals says what the code says. `CEDARGATE_UPDATE_DOCS=1 cargo test -p cedargate-model` rewrites it.

use std::fmt::Write as _;
use std::path::Path;

use cedargate_model::RefusalCode;

/// The page's words around its table.
const HEAD: &str = "\
# Refusals

Every way in which the gateway refuses a request. The code is stable: it stands in the answer (`code` of the
`application/problem+json` body, and on the page that a browser gets), in the audit log, in the log line of the exchange, and as the
label of `cedargate_refusals_total`. The sentence is all that a client is told beside it; the operator's detail stands in the
audit log and in the log.

| stage | code | status | sentence |
|---|---|---|---|
";

#[test]
fn the_reference_page_lists_every_refusal() {
    let mut page = HEAD.to_owned();
    for code in RefusalCode::ALL {
        let (stage, status, sentence) = (code.stage().as_str(), code.status(), code.public_sentence());
        writeln!(page, "| {stage} | `{code}` | {status} | {sentence} |").unwrap();
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/refusals.md");
    if std::env::var_os("CEDARGATE_UPDATE_DOCS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap_or_default(), page, "write it anew with CEDARGATE_UPDATE_DOCS=1");
}
