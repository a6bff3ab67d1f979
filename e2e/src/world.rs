//! One running installation.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::Permissions;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use cedargate_model::{Amendment, Decision, Event, EventBody, Outcome, ServiceEvent};
use tempfile::TempDir;
use uuid::Uuid;

use crate::http::{self, Answer, Connection};
use crate::process::{Running, binary, eventually, run};

/// How long the installation may take to start, on a busy machine and unoptimised.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// How long a written entry may take to be seen by a reader of the log.
const LOG_PATIENCE: Duration = Duration::from_secs(20);

/// The role and tenant of everybody who has an account: `<role>@<tenant>.example`.
const PEOPLE: [(&str, &str); 6] = [
    ("viewer", "acme"),
    ("clerk", "acme"),
    ("manager", "acme"),
    ("admin", "acme"),
    ("clerk", "globex"),
    ("manager", "globex"),
];

/// How an installation differs from the plain one.
#[derive(Clone, Debug, Default)]
pub struct WorldOptions {
    /// Lines of the table `[limits]` that replace the generous ones.
    pub limits: Option<&'static str>,
    /// Further tables of the gateway's configuration.
    pub config: &'static str,
    /// A further backend of the echo service, as the configuration names it.
    pub echo_beside: Option<String>,
    /// Another service instead of the echo service: the lines of its upstream's tables.
    pub instead_of_echo: Option<String>,
    /// Further lines of the table `[listen]`.
    pub listen: &'static str,
    /// Further tables of listeners.
    pub listen_more: String,
    /// Where gateway and inventory tell their spans, and further lines of the table `[telemetry]`.
    pub collector: Option<(String, &'static str)>,
    /// Certificate chain and key in PEM: then the gateway listens with TLS.
    pub tls: Option<(String, String)>,
    /// The URLs of the stores of the gateway, the inventory and the orders, instead of files in the installation's directory.
    pub stores: Option<[String; 3]>,
    /// Everybody's password in an installation whose store this one shares: then nobody is created.
    pub joins: Option<String>,
    /// Further files of the installation's directory, by name.
    pub files: Vec<(&'static str, String)>,
}

/// Nobody meets a rate unless a test is about rates.
const GENEROUS: &str = "address_requests = 1_000_000\nprincipal_requests = 1_000_000\ntenant_requests = 1_000_000";

/// Further tables of the gateway's configuration, and those that make it inspect as the demo does: by the Core Rule Set where its
/// package is installed.
pub fn with_the_demos_rules(config: &str) -> &'static str {
    let is_there = Path::new("/usr/share/modsecurity-crs/rules").is_dir();
    let rules = if is_there { "[inspection]\nrules = \"crs\"\n" } else { "" };
    // A test's few options live as long as its process.
    String::leak(format!("{config}{rules}"))
}

/// A person who is signed in.
#[derive(Clone, Debug)]
pub struct Person {
    /// The host of the person's tenant.
    pub host: String,
    /// The session cookie as a `Cookie` header has it: `cedargate=...`.
    pub cookie: String,
}

/// A gateway with two tenants, the inventory, the orders and the echo service, in a temporary directory.
pub struct World {
    dir: TempDir,
    address: SocketAddr,
    admin: SocketAddr,
    password: String,
    gateway: Mutex<Running>,
    echo: Mutex<Option<Running>>,
    inventory: Mutex<Running>,
    _orders: Running,
}

impl World {
    /// The plain installation, shared by all tests of a binary that run at the time.
    ///
    /// # Panics
    /// If it cannot be started, with what it said.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<World>> = Mutex::new(Weak::new());
        Self::share(&SHARED, &WorldOptions::default())
    }

    /// The same as the demo inspects it: by the Core Rule Set where its package is installed.
    ///
    /// # Panics
    /// If it cannot be started, with what it said.
    pub fn as_the_demo_inspects() -> Arc<Self> {
        static SHARED: Mutex<Weak<World>> = Mutex::new(Weak::new());
        Self::share(&SHARED, &WorldOptions { config: with_the_demos_rules(""), ..WorldOptions::default() })
    }

    #[expect(clippy::panic, reason = "a test without its world has failed")]
    fn share(shared: &Mutex<Weak<World>>, options: &WorldOptions) -> Arc<Self> {
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(world) = shared.upgrade() {
            return world;
        }
        let world = match Self::start(options) {
            Ok(world) => Arc::new(world),
            Err(error) => panic!("{error}"),
        };
        *shared = Arc::downgrade(&world);
        world
    }

    /// Starts an installation of its own.
    ///
    /// # Errors
    /// Whatever kept it from starting.
    pub fn start(options: &WorldOptions) -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let (address, admin) = (free_address()?, free_address()?);
        lay_out(dir.path(), address, admin, options)?;

        let password = options.joins.clone().unwrap_or_else(|| format!("correct horse {}", Uuid::new_v4()));
        cedargate(dir.path(), &["keys", "init"], "")?;
        if options.joins.is_none() {
            populate(dir.path(), &password)?;
        }

        for service in ["inventory", "orders"] {
            let credential = cedargate(dir.path(), &["service", "credential", "create", service], "")?;
            std::fs::write(dir.path().join(service).with_extension("credential"), credential)?;
        }
        let issuer = format!("{}://localhost:{}", if options.tls.is_some() { "https" } else { "http" }, address.port());
        std::fs::write(dir.path().join("issuer"), issuer)?;
        let collector = options.collector.as_ref().map_or("", |(url, _)| url);
        std::fs::write(dir.path().join("collector"), collector)?;

        let echo = start_echo(dir.path())?;
        let gateway = start_gateway(dir.path())?;
        let file = |name: &str| format!("sqlite:{}", dir.path().join(format!("{name}.db")).display());
        let [inventory, orders] = match &options.stores {
            Some([_, inventory, orders]) => [inventory.clone(), orders.clone()],
            None => [file("inventory"), file("orders")],
        };
        std::fs::write(dir.path().join("inventory.store"), inventory)?;
        std::fs::write(dir.path().join("orders.store"), orders)?;
        let inventory = start_service(dir.path(), "inventory")?;
        let orders = start_service(dir.path(), "orders")?;
        let world = Self {
            dir,
            address,
            admin,
            password,
            gateway: Mutex::new(gateway),
            echo: Mutex::new(Some(echo)),
            inventory: Mutex::new(inventory),
            _orders: orders,
        };
        world.ready()?;
        Ok(world)
    }

    /// The gateway's address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A tenant's host with its port, as `Host` has it.
    pub fn host(&self, tenant: &str) -> String {
        format!("{tenant}.localhost:{}", self.address.port())
    }

    /// The installation's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Everybody's password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Sends octets as they are and reads the answer.
    ///
    /// # Panics
    /// If there is none.
    #[expect(clippy::panic, reason = "a test without its answer has failed")]
    pub fn send(&self, method: &str, octets: &[u8]) -> Answer {
        match http::exchange(self.address, method, octets) {
            Ok(answer) => answer,
            Err(error) => panic!("no answer to {}: {error}\n{}", octets.escape_ascii(), self.logs()),
        }
    }

    /// Asks for `target` at a tenant's host, with these header lines and this body.
    pub fn ask(&self, tenant: &str, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.host(tenant));
        for (name, value) in headers {
            // Writing to a `String` cannot fail.
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
            let _ = write!(head, "Content-Length: {}\r\n", body.len());
        }
        let mut octets = format!("{head}\r\n").into_bytes();
        octets.extend_from_slice(body);
        self.send(method, &octets)
    }

    /// Asks for a page as nobody; none where there is no answer.
    pub fn try_ask(&self, tenant: &str, method: &str, target: &str) -> Option<Answer> {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.host(tenant));
        http::exchange(self.address, method, head.as_bytes()).ok()
    }

    /// Asks for a page as somebody.
    pub fn get(&self, person: &Person, target: &str) -> Answer {
        let tenant = person.host.split('.').next().unwrap_or_default();
        self.ask(tenant, "GET", target, &[("Cookie", &person.cookie)], b"")
    }

    /// Posts JSON as somebody.
    pub fn post(&self, person: &Person, target: &str, json: &str) -> Answer {
        let tenant = person.host.split('.').next().unwrap_or_default();
        let headers = [("Cookie", &*person.cookie), ("Content-Type", "application/json")];
        self.ask(tenant, "POST", target, &headers, json.as_bytes())
    }

    /// Signs somebody in over HTTP.
    ///
    /// # Panics
    /// If that fails.
    #[expect(clippy::panic, reason = "a test without its person has failed")]
    pub fn sign_in(&self, role: &str, tenant: &str) -> Person {
        let body = serde_json::json!({ "email": format!("{role}@{tenant}.example"), "password": self.password });
        let json = [("Content-Type", "application/json")];
        let answer = self.ask(tenant, "POST", "/auth/login", &json, body.to_string().as_bytes());
        let cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
        match (answer.status, cookie) {
            (200, Some(cookie)) => Person { host: self.host(tenant), cookie },
            _ => panic!("{role} of {tenant} could not sign in: {answer:?}\n{}", self.logs()),
        }
    }

    /// Asks the operator's listener.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn admin(&self, path: &str) -> io::Result<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
        http::exchange(self.admin, "GET", request.as_bytes())
    }

    /// The audit log's directory.
    pub fn audit(&self) -> PathBuf {
        self.dir.path().join("state/audit")
    }

    /// Everything in the audit log.
    pub fn events(&self) -> Vec<Event> {
        cedargate_audit::read(&self.audit()).filter_map(|entry| entry.ok()?.event().cloned()).collect()
    }

    /// The decision that this answer's request got.
    ///
    /// # Panics
    /// If the log has none: an answer without its record.
    #[expect(clippy::panic, reason = "an answer without its record is what the tests look for")]
    pub fn decision(&self, answer: &Answer) -> Decision {
        let request = answer.header("cedargate-request").map(str::to_owned).unwrap_or_else(|| answer.field("request"));
        let decisions = self.events().into_iter().filter_map(|event| match event.body {
            EventBody::Decision(decision) => Some(Decision::clone(&decision)),
            _ => None,
        });
        match decisions.into_iter().find(|decision| decision.request.to_string() == request) {
            Some(decision) => decision,
            None => panic!("no decision on request `{request}` of this answer is on disk:\n{answer:?}"),
        }
    }

    /// The outcome of a decision. Outcomes are written a moment after the answer.
    ///
    /// # Errors
    /// `TimedOut` if there is none.
    pub fn outcome(&self, decision: &Decision) -> io::Result<Outcome> {
        eventually(LOG_PATIENCE, "an outcome", || {
            self.events().into_iter().find_map(|event| match event.body {
                EventBody::Outcome(outcome) if outcome.decision == decision.decision => Some(outcome),
                _ => None,
            })
        })
    }

    /// What overtook a decision after forwarding began.
    pub fn amendments(&self, decision: &Decision) -> Vec<Amendment> {
        let amendments = self.events().into_iter().filter_map(|event| match event.body {
            EventBody::Amendment(amendment) => Some(amendment),
            _ => None,
        });
        amendments.filter(|amendment| amendment.decision == decision.decision).collect()
    }

    /// Runs `cedargate` on this installation.
    ///
    /// # Errors
    /// What it said, if it failed.
    pub fn cedargate(&self, arguments: &[&str]) -> io::Result<String> {
        cedargate(self.dir.path(), arguments, "")
    }

    /// Kills the gateway at once, as a power cut would.
    ///
    /// # Errors
    /// Those of the process.
    pub fn kill_gateway(&self) -> io::Result<ExitStatus> {
        self.gateway.lock().unwrap_or_else(PoisonError::into_inner).kill()
    }

    /// The gateway's process id.
    pub fn gateway_id(&self) -> u32 {
        self.gateway.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    /// Waits for the gateway to end by itself.
    ///
    /// # Errors
    /// `TimedOut` if it does not.
    pub fn wait_for_gateway(&self, patience: Duration) -> io::Result<ExitStatus> {
        self.gateway.lock().unwrap_or_else(PoisonError::into_inner).wait(patience)
    }

    /// Starts the gateway again.
    ///
    /// # Errors
    /// Whatever kept it from starting.
    pub fn restart_gateway(&self) -> io::Result<()> {
        *self.gateway.lock().unwrap_or_else(PoisonError::into_inner) = start_gateway(self.dir.path())?;
        self.ready()
    }

    /// Kills the inventory service at once.
    ///
    /// # Errors
    /// Those of the process.
    pub fn kill_inventory(&self) -> io::Result<ExitStatus> {
        self.inventory.lock().unwrap_or_else(PoisonError::into_inner).kill()
    }

    /// Starts the inventory service again.
    ///
    /// # Errors
    /// Whatever kept it from starting.
    pub fn restart_inventory(&self) -> io::Result<()> {
        // What the former ones said about their keys is of no use now, but whether one panicked is asked at the end.
        let before = self.keys_read("inventory");
        *self.inventory.lock().unwrap_or_else(PoisonError::into_inner) = start_service(self.dir.path(), "inventory")?;
        let again = || (self.keys_read("inventory") > before).then_some(());
        eventually(START_PATIENCE, "the inventory", again).map_err(|error| self.with_logs(&error))?;
        self.ready()
    }

    /// What services said that they did, oldest first, once there are so many.
    ///
    /// # Errors
    /// `TimedOut`, with the logs, if there are fewer.
    pub fn service_events(&self, least: usize) -> io::Result<Vec<ServiceEvent>> {
        let said = || {
            self.events().into_iter().filter_map(|event| match event.body {
                EventBody::ServiceEvent(said) => Some(*said),
                _ => None,
            })
        };
        eventually(LOG_PATIENCE, "service events", || Some(said().collect::<Vec<_>>()).filter(|all| all.len() >= least))
            .map_err(|error| io::Error::other(format!("{error}\n{}", self.logs())))
    }

    /// Hands events over on the internal listener, as a service would: status and answer.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn tell(&self, credential: &str, lines: &str) -> io::Result<Answer> {
        let length = lines.len();
        let request = format!(
            "POST /events HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nAuthorization: Bearer {credential}\r\n\
             Content-Type: application/x-ndjson\r\nContent-Length: {length}\r\n\r\n{lines}"
        );
        let mut connection = self.events_connection()?;
        connection.send(request.as_bytes())?;
        connection.answer("POST")
    }

    /// A connection to the internal listener.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn events_connection(&self) -> io::Result<Connection> {
        Connection::open_unix(&self.path("state/events.sock"))
    }

    /// Stops the echo service.
    ///
    /// # Errors
    /// Those of the process.
    pub fn stop_echo(&self) -> io::Result<()> {
        self.echo.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), |mut echo| echo.kill().map(drop))
    }

    /// Starts the echo service again.
    ///
    /// # Errors
    /// Those of the process.
    pub fn start_echo(&self) -> io::Result<()> {
        let echo = start_echo(self.dir.path())?;
        *self.echo.lock().unwrap_or_else(PoisonError::into_inner) = Some(echo);
        Ok(())
    }

    /// The gateway's log line that mentions this, and the whole log up to then. The line of an exchange is written a
    /// moment after the answer.
    ///
    /// # Errors
    /// `TimedOut` if there is none.
    pub fn log_line(&self, mention: &str) -> io::Result<(String, String)> {
        eventually(LOG_PATIENCE, "a log line", || {
            let log = std::fs::read_to_string(self.path("gateway.log")).ok()?;
            let line = log.lines().find(|line| line.contains(mention))?.to_owned();
            Some((line, log))
        })
    }

    /// What the processes have said so far.
    pub fn logs(&self) -> String {
        ["gateway.log", "inventory.log", "orders.log", "echo.log"]
            .map(|log| format!("--- {log}\n{}", std::fs::read_to_string(self.path(log)).unwrap_or_default()))
            .join("\n")
    }

    /// Waits until the operator's listener says that the gateway is ready and the services are healthy.
    fn ready(&self) -> io::Result<()> {
        let gateway = || self.admin("/readyz").is_ok_and(|answer| answer.status == 200);
        let services = || self.keys_read("inventory") > 0 && self.keys_read("orders") > 0;
        eventually(START_PATIENCE, "the gateway and the services", || (gateway() && services()).then_some(()))
            .map_err(|error| self.with_logs(&error))
    }

    /// How often a service said that it has the gateway's keys.
    fn keys_read(&self, service: &str) -> usize {
        let log = std::fs::read_to_string(self.path(&format!("{service}.log")));
        log.map_or(0, |log| log.matches("keys read").count())
    }

    fn with_logs(&self, error: &io::Error) -> io::Error {
        io::Error::other(format!("{error}\n{}", self.logs()))
    }
}

/// Creates the tenants and everybody in them.
fn populate(dir: &Path, password: &str) -> io::Result<()> {
    for tenant in ["acme", "globex"] {
        cedargate(dir, &["tenant", "create", tenant], "")?;
    }
    for (role, tenant) in PEOPLE {
        let email = format!("{role}@{tenant}.example");
        let create = ["user", "create", "--tenant", tenant, &email, "--role", role, "--password-stdin"];
        cedargate(dir, &create, &format!("{password}\n"))?;
    }
    Ok(())
}

/// An address on this machine that nobody listens on at the time.
///
/// # Errors
/// Those of the socket.
pub fn free_address() -> io::Result<SocketAddr> {
    // Nobody listens there yet, so the system may name it once more: to another world of this program it must not.
    static GIVEN: Mutex<BTreeSet<SocketAddr>> = Mutex::new(BTreeSet::new());
    loop {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        if GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(address) {
            return Ok(address);
        }
    }
}

fn socket(dir: &Path, service: &str) -> String {
    format!("unix:{}", dir.join(format!("{service}.sock")).display())
}

/// Writes configuration, secret and policies: the shipped ones and the echo service's.
fn lay_out(dir: &Path, address: SocketAddr, admin: SocketAddr, options: &WorldOptions) -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    copy(&root.join("../policies"), &dir.join("policies"))?;
    copy(&root.join("policies"), &dir.join("policies"))?;
    let (scheme, tls) = match &options.tls {
        None => ("http", String::new()),
        Some((certificate, key)) => {
            std::fs::write(dir.join("tls.crt"), certificate)?;
            std::fs::write(dir.join("tls.key"), key)?;
            ("https", "tls_certificate = \"tls.crt\"\ntls_key = \"tls.key\"".to_owned())
        }
    };
    for (name, text) in &options.files {
        let file = dir.join(name);
        std::fs::create_dir_all(file.parent().unwrap_or(dir))?;
        std::fs::write(&file, text)?;
        if name.ends_with(".secret") {
            std::fs::set_permissions(&file, Permissions::from_mode(0o600))?;
        }
    }
    let backends: Vec<_> =
        options.echo_beside.iter().chain([&socket(dir, "echo")]).map(|address| format!("\"{address}\"")).collect();
    let echo = format!("addresses = [{}]\nhealth_interval_ms = 100", backends.join(", "));
    let telemetry = options
        .collector
        .as_ref()
        .map_or_else(String::new, |(url, more)| format!("[telemetry]\notlp_endpoint = \"{url}\"\n{more}\n"));
    let config = format!(
        r#"
[listen]
base_url = "{scheme}://localhost:{port}"
admin_address = "{admin}"
threads = 2
{listen}

[[listen.listener]]
address = "{address}"
{tls}

{listen_more}

[store]
state_dir = "state"
{store}

[upstreams.inventory]
addresses = ["{inventory}"]
health_path = "/healthz"
health_interval_ms = 100

[upstreams.orders]
addresses = ["{orders}"]
health_path = "/healthz"
health_interval_ms = 100

[upstreams.echo]
{echo}

[limits]
{limits}

{more}
{telemetry}
"#,
        port = address.port(),
        inventory = socket(dir, "inventory"),
        orders = socket(dir, "orders"),
        echo = options.instead_of_echo.clone().unwrap_or(echo),
        limits = options.limits.unwrap_or(GENEROUS),
        store = options.stores.as_ref().map(|[gateway, ..]| format!("url = \"{gateway}\"")).unwrap_or_default(),
        listen = options.listen,
        listen_more = options.listen_more,
        more = options.config,
    );
    std::fs::write(dir.join("cedargate.toml"), config)?;
    let key: String = [Uuid::new_v4(), Uuid::new_v4()].iter().map(|id| id.simple().to_string()).collect();
    std::fs::write(dir.join("master.key"), key)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &target)?,
            false => std::fs::copy(entry.path(), target).map(drop)?,
        }
    }
    Ok(())
}

fn command(dir: &Path) -> io::Result<Command> {
    let mut command = Command::new(binary("cedargate")?);
    let key = std::fs::read_to_string(dir.join("master.key"))?;
    command.current_dir(dir).env_clear().env("CEDARGATE_MASTER_KEY", key).env("CEDARGATE_CONFIG", "cedargate.toml");
    Ok(command)
}

fn cedargate(dir: &Path, arguments: &[&str], input: &str) -> io::Result<String> {
    run(command(dir)?.args(arguments), input)
}

fn start_gateway(dir: &Path) -> io::Result<Running> {
    Running::start(command(dir)?.arg("serve"), &dir.join("gateway.log"))
}

fn start_service(dir: &Path, name: &str) -> io::Result<Running> {
    let file = |name: String| dir.join(name).display().to_string();
    Running::start(
        Command::new(binary(&format!("cedargate-{name}"))?)
            .arg("serve")
            .env("CEDARGATE_OTLP_ENDPOINT", std::fs::read_to_string(dir.join("collector"))?)
            .args(["--listen", &socket(dir, name)])
            .args(["--store", &std::fs::read_to_string(dir.join(format!("{name}.store")))?])
            .args(["--identity-keys", &format!("file:{}", file("state/jwks.json".into()))])
            .args(["--issuer", &std::fs::read_to_string(dir.join("issuer"))?])
            .args(["--events-to", &format!("unix:{}", file("state/events.sock".into()))])
            .args(["--events-credential", &file(format!("{name}.credential"))]),
        &dir.join(format!("{name}.log")),
    )
}

fn start_echo(dir: &Path) -> io::Result<Running> {
    Running::start(Command::new(binary("examples/echo")?).arg(socket(dir, "echo")), &dir.join("echo.log"))
}
