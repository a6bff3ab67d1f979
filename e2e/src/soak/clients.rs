//! Clients: some that work, and more that do not behave.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Scope};
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::ledger::{Ledger, Write};
use crate::http::{Answer, Connection};
use crate::{Person, World};

/// Between two requests of one client: a load, and room for everything else on the machine.
const PACE: Duration = Duration::from_millis(4);

/// How long a client that stalls waits between two octets.
const STALL: Duration = Duration::from_millis(250);

/// Who asks, and where it is noted.
pub(super) struct Clients<'w> {
    world: &'w World,
    ledger: &'w Ledger,
    stop: &'w AtomicBool,
    clerk: Person,
    viewer: Person,
    manager: Person,
    other: Person,
}

impl<'w> Clients<'w> {
    pub(super) fn sign_in(world: &'w World, ledger: &'w Ledger, stop: &'w AtomicBool) -> io::Result<Self> {
        Ok(Self {
            world,
            ledger,
            stop,
            clerk: world.sign_in("clerk", "acme"),
            viewer: world.sign_in("viewer", "acme"),
            manager: world.sign_in("manager", "acme"),
            other: world.sign_in("clerk", "globex"),
        })
    }

    /// Starts all of them; each ends soon after it is told to.
    pub(super) fn spawn<'s>(&'s self, scope: &'s Scope<'s, '_>) {
        scope.spawn(|| self.keep_asking(&self.clerk, "/echo/a"));
        scope.spawn(|| self.keep_asking(&self.viewer, "/inventory/items?limit=5"));
        scope.spawn(|| self.keep_asking(&self.other, "/echo/b?x=1"));
        scope.spawn(|| self.keep_writing());
        scope.spawn(|| self.keep_writing());
        scope.spawn(|| self.keep_being_refused());
        scope.spawn(|| self.keep_sending_garbage());
        scope.spawn(|| self.keep_hanging_up());
        scope.spawn(|| self.keep_stalling(Self::a_slow_head));
        scope.spawn(|| self.keep_stalling(Self::a_slow_body));
        scope.spawn(|| self.keep_stalling(Self::a_slow_reader));
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// One connection for as long as it holds, one request after the other.
    fn keep_asking(&self, person: &Person, target: &str) {
        let request = head(person, "GET", target, "");
        while self.goes_on() {
            let Ok(mut connection) = Connection::open(self.world.address()) else { continue };
            while self.goes_on() && self.exchange(&mut connection, "GET", request.as_bytes()).is_some() {
                thread::sleep(PACE);
            }
        }
    }

    /// Items, each with a SKU that no other has.
    fn keep_writing(&self) {
        while self.goes_on() {
            let Ok(mut connection) = Connection::open(self.world.address()) else { continue };
            while self.goes_on() {
                let sku = Uuid::new_v4().to_string();
                let answer = self.exchange(&mut connection, "POST", self.item(&sku).as_bytes());
                let write = match &answer {
                    Some(answer) if answer.status == 201 => Write::Acknowledged,
                    Some(answer) if matches!(answer.status, 400..=499) => Write::Refused,
                    Some(_) | None => Write::Unknown,
                };
                self.ledger.wrote(sku, write);
                if answer.is_none() {
                    break;
                }
                thread::sleep(PACE);
            }
        }
    }

    fn item(&self, sku: &str) -> String {
        let body = json!({ "sku": sku, "name": "a soaked item", "unit": "kg" }).to_string();
        let fields = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        head(&self.manager, "POST", "/inventory/items", &fields) + &body
    }

    /// Every kind of refusal, and nothing else.
    fn keep_being_refused(&self) {
        let nobody = Person { host: self.clerk.host.clone(), cookie: "a=b".to_owned() };
        let astray = Person { host: "nobody.localhost".to_owned(), cookie: "a=b".to_owned() };
        let body = "Content-Type: application/json\r\nContent-Length: 21\r\n";
        let refused = [
            ("GET", head(&self.clerk, "GET", "/nowhere", "")),
            ("GET", head(&astray, "GET", "/", "")),
            ("PUT", head(&self.clerk, "PUT", "/echo/a", "Content-Length: 0\r\n")),
            ("GET", head(&nobody, "GET", "/echo/a", "Accept: application/json\r\n")),
            ("GET", head(&self.clerk, "GET", "/echo/strong/a", "")),
            ("GET", head(&self.clerk, "GET", "/echo/a?q=%27%20OR%201=1%20--%20", "")),
            ("GET", head(&self.clerk, "GET", "/echo/a%2fb", "")),
            ("GET", head(&self.clerk, "GET", "/echo/a", "X-Bad: \x01\r\n")),
            ("GET", head(&self.clerk, "GET", "/echo/a", "Cookie: cedargate=x\r\n")),
            ("POST", head(&self.viewer, "POST", "/inventory/items", body) + "{\"sku\":\"a\",\"name\":\"\"}"),
            ("POST", head(&self.clerk, "POST", "/echo/a", "Transfer-Encoding: chunked\r\n") + "5;\nhello\r\n0\r\n\r\n"),
            ("POST", head(&self.clerk, "POST", "/echo/a", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")),
        ];
        for (method, request) in refused.iter().cycle() {
            if !self.goes_on() {
                return;
            }
            if let Ok(mut connection) = Connection::open(self.world.address())
                && let Some(answer) = self.exchange(&mut connection, method, request.as_bytes())
                && answer.status < 300
            {
                let line = request.lines().next().unwrap_or_default();
                self.ledger.wrong(format!("`{line}` was answered with {}", answer.status));
            }
            thread::sleep(PACE);
        }
    }

    fn keep_sending_garbage(&self) {
        while self.goes_on() {
            let Ok(mut connection) = Connection::open(self.world.address()) else { continue };
            let garbage: Vec<u8> = (0..16).flat_map(|_| Uuid::new_v4().into_bytes()).collect();
            let sent = connection.send(&garbage).and_then(|()| connection.send(b"\r\n\r\n"));
            match sent.and_then(|()| connection.answer("GET")) {
                Ok(answer) if answer.status < 400 => self.ledger.wrong(format!("garbage got {}", answer.status)),
                Ok(answer) => self.ledger.answered(&answer),
                Err(_) => self.ledger.unanswered("garbage"),
            }
            thread::sleep(PACE * 2);
        }
    }

    /// Goes away in the middle of a head, of a body, before the answer, and in the middle of it.
    fn keep_hanging_up(&self) {
        while self.goes_on() {
            let sku = Uuid::new_v4().to_string();
            let whole = self.item(&sku);
            let read = head(&self.clerk, "GET", "/echo/stream?chunks=5&bytes=2000&ms=20", "");
            let cut = |of: &str, bytes: usize| of.as_bytes().get(..bytes).unwrap_or_default().to_vec();
            let middle_of_the_answer = cut(&read, read.len());
            for octets in
                [cut(&whole, 20), cut(&whole, whole.len() - 9), cut(&whole, whole.len()), middle_of_the_answer]
            {
                let Ok(mut stream) = TcpStream::connect(self.world.address()) else { continue };
                if stream.write_all(&octets).is_ok() && octets.starts_with(b"GET") {
                    let _ = stream.read(&mut [0; 512]);
                }
                let _ = stream.shutdown(Shutdown::Both);
                self.ledger.unanswered("hung up");
            }
            // The whole request was sent once, and its answer not waited for.
            self.ledger.wrote(sku, Write::Unknown);
            thread::sleep(PACE * 4);
        }
    }

    fn keep_stalling(&self, stall: fn(&Self) -> io::Result<()>) {
        while self.goes_on() {
            // What becomes of such a connection is the gateway's choice; that it ends is all that counts.
            if stall(self).is_err() {
                self.ledger.unanswered("stalled");
            }
        }
    }

    /// An octet now and then, until the gateway has had enough of it.
    fn a_slow_head(&self) -> io::Result<()> {
        let mut connection = Connection::open(self.world.address())?;
        for octet in head(&self.clerk, "GET", "/echo/a", "").bytes() {
            if !self.goes_on() {
                return Ok(());
            }
            connection.send(&[octet])?;
            thread::sleep(STALL);
        }
        self.ledger.wrong("a head that took minutes was waited for".to_owned());
        Ok(())
    }

    fn a_slow_body(&self) -> io::Result<()> {
        let mut connection = Connection::open(self.world.address())?;
        connection.send(head(&self.clerk, "POST", "/echo/a", "Content-Length: 400\r\n").as_bytes())?;
        for _ in 0..20 {
            if !self.goes_on() {
                return Ok(());
            }
            connection.send(b"x")?;
            thread::sleep(STALL);
        }
        let answer = connection.answer("POST")?;
        self.ledger.answered(&answer);
        Ok(())
    }

    /// Asks for much, takes little of it, and leaves.
    fn a_slow_reader(&self) -> io::Result<()> {
        let mut stream = TcpStream::connect(self.world.address())?;
        let request = head(&self.clerk, "GET", "/echo/stream?chunks=40&bytes=200000&ms=5", "");
        stream.write_all(request.as_bytes())?;
        for _ in 0..12 {
            if !self.goes_on() {
                break;
            }
            let _ = stream.read(&mut [0; 256])?;
            thread::sleep(STALL);
        }
        Ok(())
    }

    /// One request and its answer, noted; none where there was no answer.
    fn exchange(&self, connection: &mut Connection, method: &str, request: &[u8]) -> Option<Answer> {
        match connection.send(request).and_then(|()| connection.answer(method)) {
            Ok(answer) => {
                self.ledger.answered(&answer);
                let closes = answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
                if closes {
                    // The next request takes a new connection.
                    *connection = Connection::open(self.world.address()).ok()?;
                }
                Some(answer)
            }
            Err(_) => {
                self.ledger.unanswered("no answer");
                None
            }
        }
    }
}

fn head(person: &Person, method: &str, target: &str, fields: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n{fields}\r\n", person.host, person.cookie)
}
