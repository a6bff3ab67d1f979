//! Mails to people.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cedargate_notices::{Mailbox, SmtpTls};
use zeroize::Zeroizing;

use super::key::{Fallback, Key, Shape, Table};
use super::mistake::Noted;
use super::secrets::read_private;
use super::section::Section;

pub(crate) const TABLE: Table = Table {
    header: "[notices]",
    about: "Mails to people: links that they asked for, invitations, and notices of what happened to their account. Sent by SMTP, or \
            kept as files where there is no mail server.",
    keys: &[
        FROM,
        SMTP_HOST,
        SMTP_PORT,
        SMTP_TLS,
        SMTP_USER,
        SMTP_PASSWORD_FILE,
        SMTP_CA_FILE,
        SMTP_TIMEOUT_MS,
        OUTBOX_DIR,
        OUTBOX_FILES_MAX,
    ],
};

const FROM: Key = Key {
    name: "from",
    shape: Shape::Text("an address, such as `Cedargate <no-reply@gateway.example>`"),
    fallback: Fallback::Words("`Cedargate <no-reply@HOST>`, the host of `listen.base_url`"),
    environment: None,
    about: "Whom mails are from.",
};
const SMTP_HOST: Key = Key {
    name: "smtp_host",
    shape: Shape::Text("a host's name or address"),
    fallback: Fallback::Words("mails are files in `notices.outbox_dir`"),
    environment: None,
    about: "The mail server. Its certificate must be for this name.",
};
const SMTP_PORT: Key = Key {
    name: "smtp_port",
    shape: Shape::Integer { min: 1, max: 65_535 },
    fallback: Fallback::Value("587"),
    environment: None,
    about: "Its port: 587 for `starttls`, 465 for `implicit`.",
};
const SMTP_TLS: Key = Key {
    name: "smtp_tls",
    shape: Shape::Text("`starttls`, `implicit` or `none`"),
    fallback: Fallback::Value(r#""starttls""#),
    environment: None,
    about: "`starttls` asks for TLS and says nothing to a server that has none, `implicit` speaks TLS from the start. `none` is for a \
            server on this machine alone: mails have links in them.",
};
const SMTP_USER: Key = Key {
    name: "smtp_user",
    shape: Shape::Text("a name"),
    fallback: Fallback::Words("nobody signs in there"),
    environment: None,
    about: "Who the gateway is at the mail server.",
};
const SMTP_PASSWORD_FILE: Key = Key {
    name: "smtp_password_file",
    shape: Shape::Path,
    fallback: Fallback::Words("not used"),
    environment: None,
    about: "A file with the password for `smtp_user`. Nobody but its owner may read it (mode 0600 or 0400).",
};
const SMTP_CA_FILE: Key = Key {
    name: "smtp_ca_file",
    shape: Shape::Path,
    fallback: Fallback::Words("the system's"),
    environment: None,
    about: "A certificate authority (PEM) of the mail server, instead of the system's.",
};
const SMTP_TIMEOUT_MS: Key = Key {
    name: "smtp_timeout_ms",
    shape: Shape::Integer { min: 100, max: 20_000 },
    fallback: Fallback::Value("10000"),
    environment: None,
    about: "How long the server may take for a step. What it does not take is tried again for a day, ever more rarely.",
};
const OUTBOX_DIR: Key = Key {
    name: "outbox_dir",
    shape: Shape::Path,
    fallback: Fallback::Words("`outbox` in `store.state_dir`"),
    environment: None,
    about: "Where mails are kept, one file each (`.eml`), while there is no `smtp_host`. There are links in them: the directory is its \
            owner's alone.",
};
const OUTBOX_FILES_MAX: Key = Key {
    name: "outbox_files_max",
    shape: Shape::Integer { min: 1, max: 1_000_000 },
    fallback: Fallback::Value("10000"),
    environment: None,
    about: "How many mails there may be in it. Beyond, they wait in the store until somebody takes some away.",
};

/// `[notices]`, checked.
pub(crate) struct NoticeSettings {
    /// None where the host of the base URL says it.
    pub(crate) from: Option<Mailbox>,
    /// None where mails are files.
    pub(crate) smtp: Option<SmtpServer>,
    pub(crate) outbox_dir: PathBuf,
    pub(crate) outbox_files_max: usize,
}

/// A mail server, as configured.
pub(crate) struct SmtpServer {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: SmtpTls,
    pub(crate) login: Option<(String, Zeroizing<String>)>,
    pub(crate) authorities: Option<Vec<u8>>,
    pub(crate) timeout: Duration,
}

impl NoticeSettings {
    /// `state_dir` is none where it has a mistake of its own.
    pub(crate) fn read(mut section: Section<'_, '_>, state_dir: Option<&Path>) -> Result<Self, Noted> {
        let document = section.document;
        let from = section.optional_text(&FROM, |text| match text.parse::<Mailbox>() {
            Ok(mailbox) => Ok(mailbox),
            Err(_) => Err(format!("`{text}` is no address that a mail can be from")),
        });
        let host = section.optional_text(&SMTP_HOST, server_name);
        let port = section.integer_as(&SMTP_PORT);
        let tls = section.text(&SMTP_TLS, |text| match text {
            "starttls" => Ok(SmtpTls::StartTls),
            "implicit" => Ok(SmtpTls::Implicit),
            "none" => Ok(SmtpTls::None),
            other => Err(format!("write `starttls`, `implicit` or `none`, not `{other}`")),
        });
        let user = section.optional_text(&SMTP_USER, |text| Ok::<_, String>(text.to_owned()));
        let password = section.optional_text(&SMTP_PASSWORD_FILE, |path| {
            let text = read_private(&document.resolve(path))?;
            Ok::<_, String>(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
        });
        let authorities = section.optional_text(&SMTP_CA_FILE, |path| {
            let path = document.resolve(path);
            fs::read(&path).map_err(|error| format!("`{}` cannot be read: {error}", path.display()))
        });
        let timeout = section.integer(&SMTP_TIMEOUT_MS);
        let outbox_dir = section.optional_path(&OUTBOX_DIR);
        let outbox_files_max = section.integer_as(&OUTBOX_FILES_MAX);
        let login = match (user?, password?) {
            (Some(user), Some(password)) => Ok(Some((user, password))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(section.complain(&SMTP_USER, "there is no `smtp_password_file` for it")),
            (None, Some(_)) => Err(section.complain(&SMTP_PASSWORD_FILE, "there is no `smtp_user` for it")),
        };
        let (host, tls) = (host?, tls?);
        let secret = match (&host, tls) {
            (Some(host), SmtpTls::None) if !is_this_machine(host) => Err(section.complain(
                &SMTP_TLS,
                format!("`none` is for a mail server on this machine, and `{host}` is none: anybody on the way could use the links"),
            )),
            (Some(_) | None, SmtpTls::None | SmtpTls::StartTls | SmtpTls::Implicit) => Ok(()),
        };
        section.finish();
        secret?;
        let (port, login, authorities) = (port?, login?, authorities?);
        let timeout = Duration::from_millis(timeout?);
        let outbox_dir = outbox_dir?.or_else(|| state_dir.map(|dir| dir.join("outbox"))).ok_or(Noted);
        Ok(Self {
            from: from?,
            smtp: host.map(|host| SmtpServer { host, port, tls, login, authorities, timeout }),
            outbox_dir: outbox_dir?,
            outbox_files_max: outbox_files_max?,
        })
    }
}

fn server_name(text: &str) -> Result<String, String> {
    match cedargate_model::Host::parse(text) {
        Ok(host) if host.port().is_none() => Ok(host.name().trim_matches(['[', ']']).to_owned()),
        Ok(_) | Err(_) => Err(format!("`{text}` is no host's name; the port is `smtp_port`")),
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
