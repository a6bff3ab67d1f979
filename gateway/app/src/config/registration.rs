//! Puzzles for whoever asks for an account.

use cedargate_idp_adapters::oidc::ProviderUrl;
use cedargate_model::Host;
use zeroize::Zeroizing;

use super::key::{Fallback, Key, Shape, Table};
use super::mistake::Noted;
use super::secrets::read_private;
use super::section::Section;

pub(crate) const TABLE: Table = Table {
    header: "[registration]",
    about: "Who asks for an account may have to show first that they are no program. Which tenants let people ask stands in their own \
            tables.",
    keys: &[CAPTCHA_URL, CAPTCHA_SECRET_FILE, CAPTCHA_HOSTNAME],
};

const CAPTCHA_URL: Key = Key {
    name: "captcha_url",
    shape: Shape::Text("a URL, such as `https://captcha.example/siteverify`"),
    fallback: Fallback::Words("nobody has to"),
    environment: None,
    about: "A service that judges the field `captcha` of `POST /auth/register`: `secret`, `response` and `remoteip` are posted to it, and \
            JSON with `success` comes back. While it does not answer, nobody asks for an account. The gateway's own page loads nothing from \
            elsewhere and shows no puzzle: a page of yours does, and posts there.",
};
const CAPTCHA_SECRET_FILE: Key = Key {
    name: "captcha_secret_file",
    shape: Shape::Path,
    fallback: Fallback::Words("needed beside `captcha_url`"),
    environment: None,
    about: "A file with the secret by which the service knows the gateway. Nobody but its owner may read it (mode 0600 or 0400).",
};

const CAPTCHA_HOSTNAME: Key = Key {
    name: "captcha_hostname",
    shape: Shape::Text("a host, such as `www.acme.example`"),
    fallback: Fallback::Words("any"),
    environment: None,
    about: "The host of the page that shows the puzzle. One that the service says was solved elsewhere (`hostname` of its answer) counts as \
            unsolved: other pages may have the same secret.",
};

/// A service that judges puzzles.
pub(crate) struct CaptchaService {
    pub(crate) url: String,
    pub(crate) secret: Zeroizing<String>,
    pub(crate) hostname: Option<String>,
}

/// `[registration]`, checked. None where nobody has to solve anything.
pub(crate) fn read(mut section: Section<'_, '_>) -> Result<Option<CaptchaService>, Noted> {
    let document = section.document;
    let url = section.optional_text(&CAPTCHA_URL, |text| ProviderUrl::parse(text).map(|_| text.to_owned()));
    let secret = section.optional_text(&CAPTCHA_SECRET_FILE, |path| {
        let text = read_private(&document.resolve(path))?;
        Ok::<_, String>(Zeroizing::new(text.trim().to_owned()))
    });
    let hostname =
        section.optional_text(&CAPTCHA_HOSTNAME, |text| Host::parse(text).map(|host| host.name().to_owned()));
    let hostname = hostname?;
    let service = match (url?, secret?) {
        (Some(url), Some(secret)) => Ok(Some(CaptchaService { url, secret, hostname })),
        (None, None) if hostname.is_some() => {
            Err(section.complain(&CAPTCHA_HOSTNAME, "there is no `captcha_url` for it"))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err(section.complain(&CAPTCHA_URL, "there is no `captcha_secret_file` for it")),
        (None, Some(_)) => Err(section.complain(&CAPTCHA_SECRET_FILE, "there is no `captcha_url` for it")),
    };
    section.finish();
    service
}
