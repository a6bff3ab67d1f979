//! A collector of spans and metrics, with the messages of the OpenTelemetry project.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
pub use opentelemetry_proto::tonic::metrics::v1::Metric;
pub use opentelemetry_proto::tonic::trace::v1::Span;
pub use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;

use crate::process::eventually;

/// How long a span may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running collector.
pub struct Collector {
    address: SocketAddr,
    told: Arc<Mutex<Told>>,
}

#[derive(Default)]
struct Told {
    spans: Vec<Collected>,
    metrics: Vec<Metric>,
    octets: Vec<u8>,
}

/// A span, and who told it.
#[derive(Clone, Debug)]
pub struct Collected {
    /// `service.name` of the resource.
    pub service: String,
    /// The span.
    pub span: Span,
}

impl Collector {
    /// Starts one that takes everything.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let collector = Self { address: listener.local_addr()?, told: Arc::default() };
        let told = Arc::clone(&collector.told);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let told = Arc::clone(&told);
                // A message that is none is not taken; whoever waits for it says so.
                thread::spawn(move || serve(&stream, &told));
            }
        });
        Ok(collector)
    }

    /// Its base address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until the spans of a trace suffice, and gives them.
    ///
    /// # Errors
    /// `TimedOut` if they never do.
    pub fn trace(
        &self,
        is_enough: impl Fn(&[Collected]) -> bool,
        of: impl Fn(&Span) -> bool,
    ) -> io::Result<Vec<Collected>> {
        eventually(PATIENCE, "a trace", || {
            let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            let id = told.spans.iter().find(|collected| of(&collected.span))?.span.trace_id.clone();
            let spans: Vec<_> = told.spans.iter().filter(|collected| collected.span.trace_id == id).cloned().collect();
            is_enough(&spans).then_some(spans)
        })
    }

    /// Every span so far.
    pub fn spans(&self) -> Vec<Collected> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).spans.clone()
    }

    /// Waits for metrics, and gives the last of each name.
    ///
    /// # Errors
    /// `TimedOut` if there are none.
    pub fn metrics(&self) -> io::Result<Vec<Metric>> {
        eventually(PATIENCE, "metrics", || {
            let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            (!told.metrics.is_empty()).then(|| told.metrics.clone())
        })
    }

    /// Everything that was sent, octet by octet, heads included.
    pub fn octets(&self) -> Vec<u8> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).octets.clone()
    }
}

/// A span's attribute as text.
pub fn attribute(span: &Span, key: &str) -> Option<String> {
    value(&span.attributes, key)
}

fn value(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()? {
        AnyValue { value: Some(Value::StringValue(text)) } => Some(text.clone()),
        AnyValue { value: Some(Value::IntValue(number)) } => Some(number.to_string()),
        _ => None,
    }
}

fn serve(stream: &TcpStream, told: &Mutex<Told>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let lower = head.to_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|length| length.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        take(&head, &body, &mut told.lock().unwrap_or_else(PoisonError::into_inner))?;
        (&*stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    }
}

fn take(head: &str, body: &[u8], told: &mut Told) -> io::Result<()> {
    let malformed = |error: prost::DecodeError| io::Error::new(io::ErrorKind::InvalidData, error);
    told.octets.extend_from_slice(head.as_bytes());
    told.octets.extend_from_slice(body);
    if head.starts_with("POST /v1/traces ") {
        for of in ExportTraceServiceRequest::decode(body).map_err(malformed)?.resource_spans {
            let service = of.resource.and_then(|resource| value(&resource.attributes, "service.name"));
            let service = service.unwrap_or_default();
            let spans = of.scope_spans.into_iter().flat_map(|scope| scope.spans);
            told.spans.extend(spans.map(|span| Collected { service: service.clone(), span }));
        }
    } else {
        let of = ExportMetricsServiceRequest::decode(body).map_err(malformed)?.resource_metrics;
        told.metrics = of.into_iter().flat_map(|of| of.scope_metrics).flat_map(|scope| scope.metrics).collect();
    }
    Ok(())
}
