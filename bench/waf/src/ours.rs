//! This repository's engine.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use anyhow::anyhow;
use cedargate_waf::seclang::{Disk, EngineMode, Interruption, RequestHead, RuleSet, Scratch, Way};

use crate::Engine;
use crate::requests::Request;

pub(crate) const NAME: &str = "cedargate";

pub(crate) struct Ours {
    rules: RuleSet,
    scratch: Scratch,
}

impl Ours {
    pub(crate) fn load(files: &[PathBuf]) -> anyhow::Result<Self> {
        let rules =
            RuleSet::load(&Disk, files).map_err(|errors| anyhow!("{} mistakes: {:?}", errors.len(), errors.first()))?;
        let rules = rules.with_mode(EngineMode::On);
        let scratch = rules.scratch();
        Ok(Self { rules, scratch })
    }

    pub(crate) fn rules(&self) -> usize {
        self.rules.len()
    }
}

impl Engine for Ours {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&mut self, request: &Request) -> Option<u16> {
        let mut transaction = self.rules.begin(&mut self.scratch, Way::Compiled);
        transaction.request_head(&RequestHead {
            client: (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 50_000),
            server: (IpAddr::V4(Ipv4Addr::LOCALHOST), 80),
            method: request.method.as_bytes(),
            target: request.target.as_bytes(),
            protocol: b"HTTP/1.1",
            headers: &request.headers,
            id: "bench",
        });
        transaction.request_body(&request.body);
        let report = transaction.finish();
        report.limit.map(|_| 413).or_else(|| match report.interruption? {
            Interruption::Rule { status, .. } => Some(status),
            Interruption::Limit(_) => Some(413),
        })
    }
}
