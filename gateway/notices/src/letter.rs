//! A mail: from what happened to its octets.

use std::fmt::Write as _;

use cedargate_identity::{LinkOrigin, LinkToken, Notice, Waiting};
use cedargate_model::{Micros, ProofKind, TenantName};
use chrono::DateTime;
use lettre::address::AddressError;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::{Address, Message};
use zeroize::Zeroizing;

/// A mail that can be sent. `Debug` shows nothing of what it says: there may be a link in it.
pub struct Letter {
    id: String,
    message: Message,
}

/// Why no mail can be written. No retry helps.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// No mail server would take the address.
    #[error("the address is none that mail can be sent to")]
    Address(#[source] AddressError),
    /// The parts do not make a mail.
    #[error("the mail cannot be put together")]
    Message(#[source] lettre::error::Error),
}

/// What a mail says in its header: ours, and a tenant's name, which is letters, digits and hyphens.
struct Subject {
    what: &'static str,
    tenant: TenantName,
}

impl Letter {
    /// Writes what waits. `link` is there where the notice is about one.
    ///
    /// # Errors
    /// [`LetterError`].
    pub fn write(from: &Mailbox, waiting: &Waiting, link: Option<&LinkToken>) -> Result<Self, LetterError> {
        let (local, domain) = waiting.recipient.as_str().split_once('@').unwrap_or_default();
        let address = Address::new(local, domain).map_err(LetterError::Address)?;
        let (subject, text) = words(waiting, link);
        let domain = from.email.domain();
        let message = Message::builder()
            .from(from.clone())
            .to(Mailbox::new(None, address))
            .subject(format!("{} ({})", subject.what, subject.tenant))
            // The same for each time that it is sent: who gets it twice can tell.
            .message_id(Some(format!("<{}@{domain}>", waiting.id)))
            .header(ContentType::TEXT_PLAIN)
            .body(text.as_str().to_owned())
            .map_err(LetterError::Message)?;
        Ok(Self { id: waiting.id.to_string(), message })
    }

    /// Its own name.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn message(&self) -> &Message {
        &self.message
    }

    /// As it goes over the wire.
    ///
    /// # Security
    /// There may be a link in it: for a mail server and the file outbox alone.
    pub fn formatted(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.message.formatted())
    }
}

impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What is said. Nothing of it is somebody else's text: agents, names and reasons may be anybody's.
fn words(waiting: &Waiting, link: Option<&LinkToken>) -> (Subject, Zeroizing<String>) {
    let (tenant, when) = (&waiting.tenant_name, moment(waiting.since));
    let mut text = Zeroizing::new(String::with_capacity(1024));
    let what = match &waiting.notice {
        Notice::FactorAdded { method } => {
            say(&mut text, format_args!("{} was added to your account at {tenant}, {when}.", kind(*method)));
            "A second factor was added"
        }
        Notice::FactorRemoved { method } => {
            say(&mut text, format_args!("{} was removed from your account at {tenant}, {when}.", kind(*method)));
            "A second factor was removed"
        }
        Notice::FactorsRemoved => {
            say(
                &mut text,
                format_args!("All second factors were removed from your account at {tenant} by an operator, {when}."),
            );
            "Your second factors were removed"
        }
        Notice::RecoveryCodesDrawn => {
            say(
                &mut text,
                format_args!(
                    "New recovery codes were shown for your account at {tenant}, {when}. Earlier ones count no more."
                ),
            );
            "New recovery codes"
        }
        Notice::PasswordChanged => {
            say(
                &mut text,
                format_args!(
                    "The password of your account at {tenant} was changed, {when}. You are signed out everywhere."
                ),
            );
            "Your password was changed"
        }
        Notice::NewDevice { address } => {
            let from = address.map_or_else(String::new, |address| format!(" from the address {address}"));
            say(
                &mut text,
                format_args!("Somebody signed in to your account at {tenant}{from}, on a new device, {when}."),
            );
            "A sign-in on a new device"
        }
        Notice::ResetAsked { origin } => {
            say(&mut text, format_args!("Somebody asked to set a new password for your account at {tenant}."));
            say(&mut text, format_args!("If it was you, open this link within half an hour. It works once:"));
            leads(&mut text, origin, "/auth/reset", link);
            say(&mut text, format_args!("If it was not you, do nothing: your password stays as it is."));
            return (Subject { what: "Set a new password", tenant: tenant.clone() }, text);
        }
        Notice::RegistrationAsked { origin } => {
            match link {
                Some(_) => {
                    say(&mut text, format_args!("Somebody wants an account at {tenant} with this address."));
                    say(
                        &mut text,
                        format_args!("If it was you, open this link within a day. An administrator decides then:"),
                    );
                    leads(&mut text, origin, "/auth/registration", link);
                }
                None => {
                    say(
                        &mut text,
                        format_args!("Somebody wants an account at {tenant} with this address, which has one already."),
                    );
                    say(
                        &mut text,
                        format_args!("If it was you, sign in. If you do not know your password, set a new one there."),
                    );
                }
            }
            say(&mut text, format_args!("If it was not you, do nothing."));
            return (Subject { what: "An account for you", tenant: tenant.clone() }, text);
        }
        Notice::Invited { origin, .. } => {
            say(&mut text, format_args!("There is an account for you at {tenant}."));
            say(&mut text, format_args!("Open this link within seven days to choose a password. It works once:"));
            leads(&mut text, origin, "/auth/invitation", link);
            say(&mut text, format_args!("If you do not know what this is about, do nothing: no account is made."));
            return (Subject { what: "You are invited", tenant: tenant.clone() }, text);
        }
    };
    say(
        &mut text,
        format_args!("If it was you, there is nothing to do. If it was not, tell whoever looks after {tenant} now."),
    );
    (Subject { what, tenant: tenant.clone() }, text)
}

fn say(text: &mut String, sentence: std::fmt::Arguments<'_>) {
    // Writing to a `String` cannot fail.
    let _infallible = write!(text, "{sentence}\r\n\r\n");
}

/// The token is a query's parameter: neither the record nor a log nor a trace has a query.
fn leads(text: &mut String, origin: &LinkOrigin, path: &str, link: Option<&LinkToken>) {
    if let Some(link) = link {
        let token = link.expose();
        say(text, format_args!("{origin}{path}?token={}", token.as_str()));
    }
}

fn kind(method: ProofKind) -> &'static str {
    match method {
        ProofKind::Password => "A password",
        ProofKind::Totp => "An authenticator app",
        ProofKind::RecoveryCode => "A recovery code",
        ProofKind::Passkey => "A passkey",
        ProofKind::SecurityKey => "A security key",
    }
}

fn moment(at: Micros) -> String {
    let time = DateTime::from_timestamp_micros(at.0).unwrap_or_default();
    format!("on {} UTC", time.format("%Y-%m-%d at %H:%M"))
}

#[cfg(test)]
mod tests {
    use cedargate_identity::Email;
    use cedargate_model::{Host, Scheme, TenantId};
    use uuid::Uuid;

    use super::*;

    fn waiting(recipient: &str, notice: Notice) -> Waiting {
        Waiting {
            tenant: TenantId(Uuid::from_u128(1)),
            tenant_name: TenantName::parse("acme").unwrap(),
            id: Uuid::from_u128(7),
            recipient: Email::parse(recipient).unwrap(),
            notice,
            tries: 1,
            since: Micros(1_700_000_000_000_000),
        }
    }

    fn written(recipient: &str, notice: Notice) -> String {
        let from = "Cedargate <no-reply@gateway.example>".parse().unwrap();
        let letter = Letter::write(&from, &waiting(recipient, notice), None).unwrap();
        String::from_utf8(letter.formatted().to_vec()).unwrap()
    }

    #[test]
    fn a_letter_says_what_happened_where_and_when() {
        let text = written("ada@example.com", Notice::FactorAdded { method: ProofKind::Totp });
        for part in [
            "To: ada@example.com\r\n",
            "From: Cedargate <no-reply@gateway.example>\r\n",
            "Subject: A second factor was added (acme)\r\n",
            "Message-ID: <00000000-0000-0000-0000-000000000007@gateway.example>\r\n",
            "An authenticator app was added to your account at acme, on 2023-11-14 at",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn no_address_makes_a_header() {
        for local in ["a%0d%0abcc", "a'b", "{a}", "a=?utf-8?q?b?=", "a`b"] {
            let text = written(&format!("{local}@example.com"), Notice::PasswordChanged);
            let (head, _) = text.split_once("\r\n\r\n").unwrap();
            assert_eq!(head.lines().filter(|line| line.starts_with("To:")).count(), 1, "{head}");
            assert!(!head.to_lowercase().contains("\nbcc"), "{head}");
        }
    }

    #[test]
    fn an_address_that_no_server_takes_is_said_so() {
        let from = "no-reply@gateway.example".parse().unwrap();
        let refused = Letter::write(&from, &waiting("a..b@example.com", Notice::PasswordChanged), None);
        assert!(matches!(refused, Err(LetterError::Address(_))), "{refused:?}");
    }

    #[test]
    fn nothing_shows_what_a_letter_says() {
        let origin = LinkOrigin::new(Scheme::Https, Host::parse("acme.gateway.example").unwrap());
        let from = "no-reply@gateway.example".parse().unwrap();
        let letter = Letter::write(&from, &waiting("ada@example.com", Notice::ResetAsked { origin }), None).unwrap();
        assert_eq!(format!("{letter:?}"), "Letter { id: \"00000000-0000-0000-0000-000000000007\", .. }");
    }
}
