//! This repository's engine.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use anyhow::anyhow;
use cedargate_waf::seclang::{
    Disk, EngineMode, Interruption, LimitReached, Report, RequestHead, RuleSet, Scratch, Way,
};

use crate::requests::Request;
use crate::{Engine, Explained};

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

    fn report(&mut self, request: &Request) -> Report {
        let mut transaction = self.rules.begin(&mut self.scratch, Way::Compiled);
        transaction.request_head(&RequestHead {
            client: (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 50_000),
            server: (IpAddr::V4(Ipv4Addr::LOCALHOST), 80),
            method: &request.method,
            target: &request.target,
            protocol: &request.protocol,
            headers: &request.headers,
            id: "bench",
        });
        transaction.request_body(&request.body);
        transaction.finish()
    }
}

impl Engine for Ours {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&mut self, request: &Request) -> Option<u16> {
        status(&self.report(request))
    }

    fn explain(&mut self, request: &Request) -> Explained {
        let report = self.report(request);
        Explained {
            status: status(&report),
            rules: report.ids().collect(),
            limit: report.limit.map(LimitReached::code),
        }
    }
}

fn status(report: &Report) -> Option<u16> {
    report.limit.map(|_| 413).or_else(|| match report.interruption.as_ref()? {
        Interruption::Rule { status, .. } => Some(*status),
        Interruption::Limit(_) => Some(413),
    })
}
