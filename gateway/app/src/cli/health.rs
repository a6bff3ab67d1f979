//! `cedargate health`.

use std::time::Duration;

use axum::body::Body;
use clap::Args;
use http::uri::InvalidUri;
use http_body_util::{BodyExt as _, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::time::timeout;

use super::output::Output;
use super::{Common, Ending, Failure, block_on};

/// Longer than a store that is slow may take, shorter than whoever asks every few seconds waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// The answer is a dozen lines.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, Args)]
pub(crate) struct Health {
    /// Ask whether it may be sent requests (`/readyz`), instead of whether it should be restarted (`/healthz`)
    #[arg(long)]
    ready: bool,
    /// Answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Health {
    pub(crate) fn run(self, common: &Common, output: &Output) -> Result<Ending, Failure> {
        let address = common.load()?.listen.admin_address;
        let path = if self.ready { "readyz" } else { "healthz" };
        let said = block_on(async {
            let silent = || format!("nothing at {address} answered within {} s", PATIENCE.as_secs());
            let asked = timeout(PATIENCE, ask(format!("http://{address}/{path}"))).await;
            asked.unwrap_or_else(|late| Err(Failure::unavailable_because(silent(), &late)))
        })?;
        output.answer(&said, table(&said));
        Ok(Ending::yes_if(said.get("ok") == Some(&Value::Bool(true))))
    }
}

async fn ask(url: String) -> Result<Value, Failure> {
    let uri = url.parse().map_err(|error: InvalidUri| Failure::mistaken(&error))?;
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.get(uri).await.map_err(|error| Failure::unavailable_because(url, &error))?;
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| Failure::unavailable_because("the gateway's answer broke off", &*error))?;
    let said = serde_json::from_slice(&body.to_bytes());
    said.map_err(|error| Failure::unavailable_because("what listens at `listen.admin_address` is no gateway", &error))
}

/// A line for each check.
fn table(said: &Value) -> String {
    let checks = said.get("checks").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let text = |check: &Value, name: &str| check.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let line = |check: &Value| {
        let mark = if check.get("ok") == Some(&Value::Bool(true)) { "ok" } else { "FAILED" };
        format!("{mark:6}  {:10}  {}", text(check, "name"), text(check, "detail")).trim_end().to_owned()
    };
    checks.iter().map(line).collect::<Vec<_>>().join("\n")
}
