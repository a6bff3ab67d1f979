//! The exporter against collectors that take everything, that falter, and that are not there.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cedargate_telemetry::{Endpoint, Exporter, Finished, Headers, Resource, Settings, Span, queue};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;

struct Named(&'static str);

impl Finished for Named {
    fn spans(self, into: &mut Vec<Span>) {
        into.push(Span { name: self.0.to_owned(), ..Span::default() });
    }
}

/// A message as a collector got it.
struct Received {
    head: String,
    body: Vec<u8>,
}

/// A collector that gives these answers, one after the other, then says that all is well.
fn collector(answers: Vec<(u16, Vec<u8>)>) -> (SocketAddr, mpsc::Receiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut answers = answers.into_iter();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let received = receive(&stream);
            let (status, body) = answers.next().unwrap_or((200, Vec::new()));
            let length = body.len();
            write!(stream, "HTTP/1.1 {status} -\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").unwrap();
            stream.write_all(&body).unwrap();
            if tell.send(received).is_err() {
                return;
            }
        }
    });
    (address, told)
}

fn receive(stream: &TcpStream) -> Received {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).unwrap();
    }
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    Received { head, body }
}

fn settings(address: SocketAddr) -> Settings {
    let endpoint = Endpoint::parse(&format!("http://{address}")).unwrap();
    let mut settings = Settings::new(endpoint, Resource::new("test", "1", "a"));
    settings.headers = Headers::parse_list("authorization=Bearer%20x").unwrap();
    settings
}

fn names(received: &Received) -> Vec<String> {
    let request = ExportTraceServiceRequest::decode(&*received.body).unwrap();
    let spans = request.resource_spans.into_iter().flat_map(|of| of.scope_spans).flat_map(|of| of.spans);
    spans.map(|span| span.name).collect()
}

#[test]
fn what_waits_at_the_end_is_delivered() {
    let (address, told) = collector(Vec::new());
    let (queue, waiting) = queue(8);
    let exporter = Exporter::start(settings(address), waiting, None).unwrap();
    queue.offer(Named("a"));
    queue.offer(Named("b"));
    exporter.stop();
    let received = told.recv().unwrap();
    assert!(received.head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{}", received.head);
    let head = received.head.to_lowercase();
    assert!(
        head.contains("content-type: application/x-protobuf") && head.contains("authorization: bearer x"),
        "{head}"
    );
    assert_eq!(names(&received), ["a", "b"]);
    assert_eq!(queue.counted().exported(), 2);
}

#[test]
fn a_message_that_may_pass_later_is_sent_again() {
    let (address, told) = collector(vec![(503, Vec::new())]);
    let (queue, waiting) = queue(8);
    let exporter = Exporter::start(settings(address), waiting, None).unwrap();
    queue.offer(Named("a"));
    for _ in 0..2 {
        assert_eq!(names(&told.recv().unwrap()), ["a"]);
    }
    exporter.stop();
    assert_eq!((queue.counted().exported(), queue.counted().export_failed()), (1, 0));
}

#[test]
fn what_a_collector_turns_down_is_counted_and_not_sent_again() {
    let partial_success = Some(ExportTracePartialSuccess { rejected_spans: 1, error_message: String::new() });
    let partly = ExportTraceServiceResponse { partial_success }.encode_to_vec();
    for (answer, exported, failed, rejected) in [((400, Vec::new()), 0, 2, 0), ((200, partly), 1, 0, 1)] {
        let (address, told) = collector(vec![answer]);
        let (queue, waiting) = queue(8);
        queue.offer(Named("a"));
        queue.offer(Named("b"));
        Exporter::start(settings(address), waiting, None).unwrap().stop();
        let counted = queue.counted();
        assert_eq!((counted.exported(), counted.export_failed(), counted.rejected()), (exported, failed, rejected));
        assert!(told.recv().is_ok() && told.try_recv().is_err(), "it came once");
    }
}

#[test]
fn a_collector_that_never_answers_holds_up_nobody() {
    // It takes connections by its backlog alone.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = settings(silent.local_addr().unwrap());
    settings.timeout = Duration::from_millis(50);
    let (queue, waiting) = queue(4);
    let exporter = Exporter::start(settings, waiting, None).unwrap();
    for _ in 0..10_000 {
        queue.offer(Named("a"));
    }
    exporter.stop();
    let counted = queue.counted();
    assert_eq!(counted.queue_full() + counted.export_failed(), 10_000, "every one is accounted for");
}

#[test]
fn nobody_there_is_no_reason_not_to_start() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (queue, waiting) = queue(4);
    let exporter = Exporter::start(settings(address), waiting, None).unwrap();
    queue.offer(Named("a"));
    exporter.stop();
    assert_eq!(queue.counted().export_failed(), 1);
}
