//! What people are told by mail: written, and sent by SMTP or into a directory.
//!
//! Notices wait in the store, left there by the transaction that does what they tell of (`cedargate_identity::Notices`). A [`Courier`]
//! takes them from there. Three things are always true of what stands here:
//! - no request waits for a mail, and none fails for one: what cannot be sent is tried again, ever more rarely, for a day;
//! - no text from outside becomes a header: an address is a parsed one, a subject is ours and a tenant's name;
//! - the only secret in a mail is the link that it is sent for. Its token is drawn when the mail is written, the store holds its hash,
//!   and nothing of it is logged.
//!
//! ```
//! use std::sync::Arc;
//!
//! use cedargate_identity::{AccountLinks, Notices};
//! use cedargate_model::{Clock, SystemClock};
//! use cedargate_notices::{Courier, Mailbox, Outbox, Transport};
//! # use cedargate_migrations::{GATEWAY, Pool, StoreUrl};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let pool = Pool::open(&StoreUrl::sqlite(directory.path().join("gateway.db"))).await?;
//! # let _ = pool.migrate(&GATEWAY, SystemClock.now()).await?;
//! let from: Mailbox = "Cedargate <no-reply@gateway.example>".parse()?;
//! let transport = Transport::Directory(Outbox::new(directory.path().join("outbox"), 10_000));
//! let courier = Courier::new(Notices::new(pool.clone()), AccountLinks::new(pool), transport, from);
//! let delivered = courier.round(SystemClock.now()).await?;
//! assert_eq!(delivered, 0, "nobody has to be told anything");
//! # Ok(())
//! # }
//! ```
//!
//! To tell people something more: a variant of `cedargate_identity::Notice`, its words in `letter.rs`, and `Ready::noticed` where the
//! change is made.

mod courier;
mod letter;
mod outbox;
mod smtp;

pub use courier::{Counted, Courier, RoundError};
pub use letter::{Letter, LetterError};
pub use lettre::message::Mailbox;
pub use outbox::{Outbox, OutboxError};
pub use smtp::{Smtp, SmtpError, SmtpSettings, SmtpTls};

/// Where mails go.
#[derive(Debug)]
pub enum Transport {
    /// To a mail server.
    Smtp(Smtp),
    /// Into a directory, one file each, for whoever has no mail server.
    Directory(Outbox),
}

/// Why a mail was not sent. A retry may help.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The mail server did not take it.
    #[error(transparent)]
    Smtp(#[from] SmtpError),
    /// The directory did not take it.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

impl SendError {
    /// Whether a retry brings the same: the mail server says of the mailbox that there is none, or that it takes nothing (RFC 5321 §4.2.3).
    /// Other refusals, such as of a wrong password, are ours to mend, and the mail waits for that.
    fn is_permanent(&self) -> bool {
        match self {
            Self::Smtp(SmtpError::NotTaken(error)) => {
                error.status().is_some_and(|code| matches!(u16::from(code), 550 | 551 | 553))
            }
            Self::Smtp(_) | Self::Outbox(_) => false,
        }
    }
}

impl Transport {
    /// Sends one mail.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        match self {
            Self::Smtp(smtp) => Ok(smtp.send(letter).await?),
            Self::Directory(outbox) => Ok(outbox.put(letter).await?),
        }
    }
}
