//! Notices on their whole way: from a store to a mail server that nobody here wrote, and into a directory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cedargate_identity::{
    AccountLinks, Accounts, Email, LinkOrigin, NewAccount, Notice, Notices, PasswordHash, Tenants,
};
use cedargate_migrations::testing::TestStore;
use cedargate_migrations::{GATEWAY, Pool};
use cedargate_model::{Host, Micros, ProofKind, Scheme, TenantId, TenantName};
use cedargate_notices::{Courier, Outbox, Smtp, SmtpSettings, SmtpTls, Transport};
use tempfile::TempDir;
use zeroize::Zeroizing;

const NOW: Micros = Micros(1_700_000_000_000_000);

fn at(seconds: u64) -> Micros {
    NOW.after(Duration::from_secs(seconds))
}

/// What the mail server is made of.
const FILES: [(&str, &str); 2] =
    [("requirements.txt", include_str!("smtp/requirements.txt")), ("server.py", include_str!("smtp/server.py"))];

/// A store with one tenant, and people in it.
struct House {
    store: TestStore,
    pool: Pool,
    acme: TenantId,
}

impl House {
    async fn new() -> Self {
        let store = TestStore::new().await;
        let pool = store.migrated(&[&GATEWAY]).await;
        let acme = Tenants::new(pool.clone()).create(TenantName::parse("acme").unwrap(), NOW).await.unwrap().id;
        Self { store, pool, acme }
    }

    async fn ask(&self, recipient: &str, notice: Notice) {
        let recipient = Email::parse(recipient).unwrap();
        let ready = Notices::new(self.pool.clone()).ask(self.acme, &recipient, &notice, NOW).await.unwrap();
        ready.commit().await.unwrap();
    }

    async fn waiting(&self) -> u64 {
        Notices::new(self.pool.clone()).backlog().await.unwrap().count
    }

    fn courier(&self, transport: Transport) -> Courier {
        let from = "Cedargate <no-reply@gateway.example>".parse().unwrap();
        Courier::new(Notices::new(self.pool.clone()), AccountLinks::new(self.pool.clone()), transport, from)
    }
}

/// A running mail server, and what it took.
struct MailServer {
    directory: TempDir,
    port: u16,
    certificate: String,
    child: Child,
}

impl MailServer {
    fn start(tls: &str, refusals: u32, login: &[&str]) -> Self {
        let place = installed();
        let directory = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = made.cert.pem();
        fs::write(directory.path().join("cert.pem"), &certificate).unwrap();
        fs::write(directory.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let mut command = Command::new(place.join("bin/python"));
        command.arg(place.join("server.py")).arg(directory.path()).args([tls, &refusals.to_string()]).args(login);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("listening on ").unwrap().parse().unwrap();
        Self { directory, port, certificate, child }
    }

    fn client(&self, tls: SmtpTls, login: Option<(&str, &str)>) -> Transport {
        let smtp = Smtp::new(SmtpSettings {
            host: "localhost".to_owned(),
            port: self.port,
            tls,
            login: login.map(|(user, password)| (user.to_owned(), Zeroizing::new(password.to_owned()))),
            authorities: Some(self.certificate.clone().into_bytes()),
            hello: "gateway.example".to_owned(),
            timeout: Duration::from_secs(20),
        });
        Transport::Smtp(smtp.unwrap())
    }

    /// What it took, as it stands in its files.
    fn mails(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().path());
        let mails = entries.filter(|path| path.extension().is_some_and(|extension| extension == "mail"));
        mails.map(|path| fs::read_to_string(path).unwrap()).collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Where this version is installed, beside the build. Made aside and then moved, so that whoever finds it finds all of it.
fn installed() -> PathBuf {
    let mut hash = DefaultHasher::new();
    FILES.hash(&mut hash);
    // target/<profile>/deps/<test>
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    let place = target.join(format!("aiosmtpd-{:016x}", hash.finish()));
    if place.join("server.py").exists() {
        return place;
    }
    let aside = tempfile::Builder::new().prefix("aiosmtpd-").tempdir_in(target).unwrap();
    run(Command::new("python3").args(["-m", "venv"]).arg(aside.path()));
    fs::write(aside.path().join("requirements.txt"), FILES[0].1).unwrap();
    let pip =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:", "--require-hashes"];
    let mut install = Command::new(aside.path().join("bin/python"));
    run(install.args(pip).arg("-r").arg(aside.path().join("requirements.txt")));
    fs::write(aside.path().join("server.py"), FILES[1].1).unwrap();
    match fs::rename(aside.path(), &place) {
        Ok(()) => drop(aside.keep()),
        // Another test was first.
        Err(error) => assert!(place.join("server.py").exists(), "{error}"),
    }
    place
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn figure(courier: &Courier, name: &str) -> u64 {
    courier.counted().figures().into_iter().find(|(result, _)| *result == name).unwrap().1
}

#[tokio::test]
async fn a_notice_reaches_a_mail_server_over_tls_once() {
    let house = House::new().await;
    for (tls, kind) in [("starttls", SmtpTls::StartTls), ("implicit", SmtpTls::Implicit)] {
        let server = MailServer::start(tls, 0, &[]);
        let courier = house.courier(server.client(kind, None));
        house.ask("ada@example.com", Notice::FactorAdded { method: ProofKind::Passkey }).await;
        assert_eq!(courier.round(NOW).await.unwrap(), 1);
        assert_eq!((figure(&courier, "sent"), courier.round(NOW).await.unwrap(), house.waiting().await), (1, 0, 0));
        let [mail] = server.mails().try_into().unwrap();
        assert!(mail.starts_with("tls\nno-reply@gateway.example\nada@example.com\n"), "{mail}");
        assert!(mail.contains("Subject: A second factor was added (acme)"), "{mail}");
        assert!(mail.contains("A passkey was added to your account at acme"), "{mail}");
    }
}

#[tokio::test]
async fn the_mail_server_is_told_who_we_are() {
    let house = House::new().await;
    let server = MailServer::start("starttls", 0, &["gateway", "a password"]);
    house.ask("ada@example.com", Notice::PasswordChanged).await;
    let stranger = house.courier(server.client(SmtpTls::StartTls, Some(("gateway", "another"))));
    assert_eq!(stranger.round(NOW).await.unwrap(), 1);
    assert_eq!((server.mails().len(), figure(&stranger, "retried")), (0, 1));
    let known = house.courier(server.client(SmtpTls::StartTls, Some(("gateway", "a password"))));
    known.round(at(60)).await.unwrap();
    assert_eq!((server.mails().len(), figure(&known, "sent")), (1, 1));
}

/// A link in clear would be anybody's on the way.
#[tokio::test]
async fn nothing_is_said_to_a_server_without_tls_or_with_anothers_certificate() {
    let house = House::new().await;
    house.ask("ada@example.com", Notice::PasswordChanged).await;
    let plain = MailServer::start("none", 0, &[]);
    let courier = house.courier(plain.client(SmtpTls::StartTls, None));
    courier.round(NOW).await.unwrap();
    let mut mistaken = MailServer::start("starttls", 0, &[]);
    mistaken.certificate.clone_from(&plain.certificate);
    let astray = house.courier(mistaken.client(SmtpTls::StartTls, None));
    astray.round(at(60)).await.unwrap();
    assert_eq!((figure(&courier, "retried"), figure(&astray, "retried")), (1, 1));
    assert!(plain.mails().is_empty() && mistaken.mails().is_empty());
    assert_eq!(house.waiting().await, 1, "it waits for a server that can be trusted");
}

#[tokio::test]
async fn what_is_not_taken_is_tried_again_later_and_given_up_after_a_day() {
    let house = House::new().await;
    let server = MailServer::start("none", 2, &[]);
    let courier = house.courier(server.client(SmtpTls::None, None));
    house.ask("ada@example.com", Notice::PasswordChanged).await;
    assert_eq!(courier.round(NOW).await.unwrap(), 1);
    assert_eq!(courier.round(at(14)).await.unwrap(), 0, "not yet");
    assert_eq!(courier.round(at(15)).await.unwrap(), 1);
    assert_eq!(courier.round(at(44)).await.unwrap(), 0, "twice as long");
    assert_eq!(courier.round(at(45)).await.unwrap(), 1);
    assert_eq!((server.mails().len(), figure(&courier, "retried"), house.waiting().await), (1, 2, 0));

    drop(server);
    house.ask("ada@example.com", Notice::PasswordChanged).await;
    courier.round(at(100)).await.unwrap();
    courier.round(at(24 * 60 * 60)).await.unwrap();
    assert_eq!((figure(&courier, "given_up"), house.waiting().await), (1, 0));
}

/// Two gateways on one store, and one that dies with a notice in its hands.
#[tokio::test]
async fn a_notice_is_sent_by_one_gateway_and_by_another_where_that_one_died() {
    let house = House::new().await;
    house.ask("ada@example.com", Notice::PasswordChanged).await;
    let notices = Notices::new(house.pool.clone());
    let lease = Duration::from_secs(300);
    let [taken] = notices.take(lease, 5, NOW).await.unwrap().try_into().unwrap();
    assert_eq!((taken.tries, taken.recipient.as_str()), (1, "ada@example.com"));
    assert!(notices.take(lease, 5, at(299)).await.unwrap().is_empty(), "somebody has it in hand");
    let [again] = notices.take(lease, 5, at(300)).await.unwrap().try_into().unwrap();
    assert_eq!((again.id, again.tries), (taken.id, 2));
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn without_a_mail_server_a_mail_is_a_file_that_nobody_else_reads() {
    use std::os::unix::fs::PermissionsExt as _;
    let house = House::new().await;
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("outbox");
    let courier = house.courier(Transport::Directory(Outbox::new(place.clone(), 2)));
    for _ in 0..3 {
        house.ask("ada@example.com", Notice::RecoveryCodesDrawn).await;
    }
    courier.round(NOW).await.unwrap();
    let files = files(&place);
    assert_eq!((files.len(), figure(&courier, "sent"), figure(&courier, "retried")), (2, 2, 1), "{files:?}");
    assert!(files.iter().all(|file| file.extension().unwrap() == "eml"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&place), mode(&files[0])), (0o700, 0o600));
    fs::remove_file(&files[0]).unwrap();
    courier.round(at(60)).await.unwrap();
    assert_eq!((figure(&courier, "sent"), house.waiting().await), (3, 0), "what waited is sent once there is room");
}

/// Whoever asks learns nothing, because nothing is looked up before; whoever has no account gets no mail.
#[tokio::test]
async fn a_link_is_mailed_to_whoever_has_a_password_and_to_nobody_else() {
    let house = House::new().await;
    let directory = tempfile::tempdir().unwrap();
    let courier = house.courier(Transport::Directory(Outbox::new(directory.path().to_owned(), 100)));
    let hash = PasswordHash::parse("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$a".to_owned()).unwrap();
    let accounts = Accounts::new(house.pool.clone());
    for (email, password) in [("ada@example.com", Some(hash)), ("fed@example.com", None)] {
        let new = NewAccount { email: Email::parse(email).unwrap(), roles: vec![], password };
        accounts.create(house.acme, new, NOW).await.unwrap();
    }
    let origin = LinkOrigin::new(Scheme::Https, Host::parse("acme.gateway.example").unwrap());
    for email in ["ada@example.com", "fed@example.com", "nobody@example.com"] {
        house.ask(email, Notice::ResetAsked { origin: origin.clone() }).await;
    }
    courier.round(NOW).await.unwrap();
    assert_eq!((figure(&courier, "sent"), figure(&courier, "nobody"), house.waiting().await), (1, 2, 0));
    let [file] = files(directory.path()).try_into().unwrap();
    let mail = fs::read_to_string(file).unwrap();
    assert!(mail.contains("To: ada@example.com"), "{mail}");
    assert!(mail.contains("https://acme.gateway.example/auth/reset?token="), "{mail}");
}

/// An outage of some minutes must not use up the links that an account may have.
#[tokio::test]
async fn a_reset_that_waits_through_an_outage_is_sent_once_that_is_over() {
    let house = House::new().await;
    let directory = tempfile::tempdir().unwrap();
    let hash = PasswordHash::parse("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$a".to_owned()).unwrap();
    let new = NewAccount { email: Email::parse("ada@example.com").unwrap(), roles: vec![], password: Some(hash) };
    Accounts::new(house.pool.clone()).create(house.acme, new, NOW).await.unwrap();
    let origin = LinkOrigin::new(Scheme::Https, Host::parse("acme.gateway.example").unwrap());
    house.ask("ada@example.com", Notice::ResetAsked { origin: origin.clone() }).await;
    house.ask("ada@example.com", Notice::PasswordChanged).await;
    // Full from the start.
    let away = house.courier(Transport::Directory(Outbox::new(directory.path().to_owned(), 0)));
    for seconds in [0, 15, 45, 105, 225, 465, 945, 1_905] {
        away.round(at(seconds)).await.unwrap();
    }
    assert_eq!((figure(&away, "retried"), figure(&away, "nobody")), (16, 0));
    let courier = house.courier(Transport::Directory(Outbox::new(directory.path().to_owned(), 10)));
    courier.round(at(10_000)).await.unwrap();
    assert_eq!((figure(&courier, "sent"), house.waiting().await), (2, 0));
}

#[tokio::test]
async fn what_people_must_be_told_goes_before_what_strangers_ask_for() {
    let house = House::new().await;
    let origin = LinkOrigin::new(Scheme::Https, Host::parse("acme.gateway.example").unwrap());
    for _ in 0..3 {
        house.ask("ada@example.com", Notice::ResetAsked { origin: origin.clone() }).await;
    }
    house.ask("ada@example.com", Notice::PasswordChanged).await;
    let taken = Notices::new(house.pool.clone()).take(Duration::ZERO, 1, at(60)).await.unwrap();
    assert_eq!(taken.into_iter().map(|taken| taken.notice).collect::<Vec<_>>(), [Notice::PasswordChanged]);
}

/// One of a later version's, which a rolling upgrade may leave.
#[tokio::test]
async fn a_notice_that_cannot_be_read_keeps_nobody_elses_waiting() {
    let house = House::new().await;
    for _ in 0..2 {
        house.ask("ada@example.com", Notice::PasswordChanged).await;
    }
    let mut operator = house.store.operator().await;
    let spoil = "UPDATE notices SET notice = '{\"notice\":\"later\"}' WHERE id IN (SELECT id FROM notices LIMIT 1)";
    operator.run(spoil).await;
    let taken = Notices::new(house.pool.clone()).take(Duration::from_secs(60), 10, NOW).await.unwrap();
    assert_eq!(taken.len(), 1);
    assert_eq!(house.waiting().await, 2, "it is left for whoever can read it");
}
