//! Whether both engines block and pass the same requests, and where not, why.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::bail;
use cedargate_waf_conformance::Corpus;

use crate::requests::Request;
use crate::{Engine, legitimate};

/// Plays a corpus and the legitimate requests through both engines, and prints every difference.
pub(crate) fn compare(engines: &mut [Box<dyn Engine>], corpus: &Path) -> anyhow::Result<()> {
    let [ours, other] = engines else { bail!("this needs both engines: build with `--features libmodsecurity`") };
    let mut attacks = Vec::new();
    for case in &Corpus::read(corpus)?.cases {
        for (stage, request) in case.requests().into_iter().enumerate() {
            attacks.push(Request {
                name: format!("{}-{}/{}", case.rule, case.number, stage + 1),
                method: request.method,
                target: request.target,
                protocol: request.protocol,
                headers: request.headers,
                body: request.body,
            });
        }
    }
    for (what, requests) in [("corpus", attacks), ("legitimate", legitimate::all())] {
        let mut counts: BTreeMap<(bool, bool), usize> = BTreeMap::new();
        for request in &requests {
            let (mine, theirs) = (ours.explain(request), other.explain(request));
            let blocks = (mine.status.is_some(), theirs.status.is_some());
            *counts.entry(blocks).or_default() += 1;
            if blocks.0 != blocks.1 {
                let only = |these: &[u64], those: &[u64]| -> Vec<u64> {
                    these.iter().copied().filter(|rule| !those.contains(rule)).collect()
                };
                println!(
                    "{}: {} {:?}{} only {:?}, {} {:?} only {:?}",
                    request.name,
                    ours.name(),
                    mine.status,
                    mine.limit.map(|code| format!(" ({code})")).unwrap_or_default(),
                    only(&mine.rules, &theirs.rules),
                    other.name(),
                    theirs.status,
                    only(&theirs.rules, &mine.rules),
                );
            }
        }
        let count = |blocks| counts.get(&blocks).copied().unwrap_or_default();
        println!(
            "{what}: {} requests, {} blocked by both, {} passed by both, {} blocked by {} alone, {} by {} alone",
            requests.len(),
            count((true, true)),
            count((false, false)),
            count((true, false)),
            ours.name(),
            count((false, true)),
            other.name(),
        );
    }
    Ok(())
}
