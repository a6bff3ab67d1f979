//! What is SAML's of a connection.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use cedargate_idp_adapters::oidc::ProviderUrl;
use cedargate_idp_adapters::saml::{IdpMetadata, Published, SamlCertificate, SamlSettings, SpKey};

use super::SecretUse;
use super::keys::{
    ALLOW_INSECURE_CBC, CERTIFICATE_FILE, CLOCK_SKEW_SECONDS, IDP_INITIATED, KEY_FILE, METADATA_CERTIFICATE_FILES,
    METADATA_FILE, METADATA_URL, NAME_ID_FORMAT, REQUIRE_ENCRYPTION,
};
use super::read::bounded;
use crate::config::mistake::Noted;
use crate::config::secrets::read_private;
use crate::config::section::Section;

/// How many certificates metadata may be signed by.
const PINNED_MAX: usize = 4;

/// The longest file that is read, in octets: beyond it, what is read is refused for its size.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

pub(super) fn settings(section: &mut Section<'_, '_>, secrets: SecretUse) -> Result<SamlSettings, Noted> {
    let document = section.document;
    let metadata = section.text(&METADATA_FILE, |path| {
        let octets = read(&document.resolve(path))?;
        IdpMetadata::parse(&octets).map_err(|error| format!("the provider's metadata is not taken: {error}"))
    });
    let url = section.optional_text(&METADATA_URL, ProviderUrl::parse);
    let pinned = section.texts(&METADATA_CERTIFICATE_FILES, |path| {
        let text = String::from_utf8(read(&document.resolve(path))?).map_err(|_| "it is no text".to_owned())?;
        SamlCertificate::parse_pem(&text).map_err(|error| format!("`{path}`: {error}"))
    });
    let published = match (url, pinned) {
        (Ok(None), Ok(pinned)) if pinned.is_empty() => Ok(None),
        (Ok(Some(url)), Ok(pinned)) if pinned.len() <= PINNED_MAX => Ok(Some(Published { url, pinned })),
        (Ok(Some(_)), Ok(_)) => {
            Err(section.complain(&METADATA_CERTIFICATE_FILES, format!("write at most {PINNED_MAX} of them")))
        }
        (Ok(None), Ok(_)) => {
            Err(section.complain(&METADATA_CERTIFICATE_FILES, "there is no `metadata_url` that they are for"))
        }
        (Err(noted), _) | (_, Err(noted)) => Err(noted),
    };
    let certificate = section.text(&CERTIFICATE_FILE, |path| match secrets {
        SecretUse::Unused => Ok(String::new()),
        SecretUse::Needed => String::from_utf8(read(&document.resolve(path))?).map_err(|_| "it is no text".to_owned()),
    });
    let certificate = certificate.ok();
    let has_certificate = certificate.is_some();
    let key = section.text(&KEY_FILE, |path| match (secrets, &certificate) {
        // What is wrong with the certificate is said already.
        (SecretUse::Unused, _) | (_, None) => Ok(SpKey::unused()),
        (SecretUse::Needed, Some(certificate)) => {
            let key = read_private(&document.resolve(path))?;
            SpKey::parse(&key, certificate).map_err(|error| error.to_string())
        }
    });
    let clock_skew = section.integer(&CLOCK_SKEW_SECONDS);
    let name_id_format = section.optional_text(&NAME_ID_FORMAT, |text| bounded(text, 256));
    let (unsolicited, encrypted_only) = (section.switch(&IDP_INITIATED), section.switch(&REQUIRE_ENCRYPTION));
    let cbc = section.switch(&ALLOW_INSECURE_CBC);
    Ok(SamlSettings {
        metadata: metadata?,
        published: published?,
        key: key.and_then(|key| if has_certificate { Ok(key) } else { Err(Noted) })?,
        clock_skew: Duration::from_secs(clock_skew?),
        unsolicited: unsolicited?,
        encrypted_only: encrypted_only?,
        cbc: cbc?,
        name_id_format: name_id_format?,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut octets = Vec::new();
    let file = fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut octets));
    file.map(|_| octets).map_err(|error| format!("`{}` cannot be read: {error}", path.display()))
}
