//! Stylesheet, mark and the one script, built in.

use std::sync::LazyLock;

use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse, Response};
use cedargate_model::RefusalCode;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

use crate::problem::Problem;
use crate::visit::Visit;

struct Asset {
    name: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
    /// The first 16 hexadecimal digits of the content's SHA-256.
    version: String,
    /// Address and version: another content is another address.
    href: String,
}

static STYLESHEET: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("cedargate.css", "text/css; charset=utf-8", include_bytes!("../assets/cedargate.css")));
static MARK: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("mark.svg", "image/svg+xml", include_bytes!("../assets/mark.svg")));

static PASSKEY_SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("passkey.js", "text/javascript; charset=utf-8", include_bytes!("../assets/passkey.js"))
});

impl Asset {
    fn new(name: &'static str, media_type: &'static str, bytes: &'static [u8]) -> Self {
        let digest = Sha256::digest(bytes);
        let version: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let href = format!("/auth/assets/{name}?v={version}");
        Self { name, media_type, bytes, version, href }
    }
}

/// For templates.
pub(crate) fn stylesheet_href() -> &'static str {
    &STYLESHEET.href
}

/// For templates.
pub(crate) fn mark_href() -> &'static str {
    &MARK.href
}

/// For templates.
pub(crate) fn passkey_script_href() -> &'static str {
    &PASSKEY_SCRIPT.href
}

/// Answers one of the assets. Under the address with its version it never changes; under the bare address, which the data
/// plane's refusals use, it is asked for again after five minutes.
pub(crate) async fn show(
    visit: Visit,
    Path(file): Path<String>,
    RawQuery(query): RawQuery,
    request: HeaderMap,
) -> Response {
    let Some(asset) = [&*STYLESHEET, &*MARK, &*PASSKEY_SCRIPT].into_iter().find(|asset| asset.name == file) else {
        return Problem::new(RefusalCode::RouteUnknown).of_request(visit.request).into_response();
    };
    let tag = format!("\"{}\"", asset.version);
    let is_versioned = query.and_then(|query| query.strip_prefix("v=").map(|v| v == asset.version)).unwrap_or(false);
    let caching = if is_versioned { "public, max-age=31536000, immutable" } else { "public, max-age=300" };
    let is_known = request.get_all(header::IF_NONE_MATCH).iter().any(|tags| {
        tags.to_str().is_ok_and(|tags| tags.split(',').any(|known| known.trim().trim_start_matches("W/") == tag))
    });
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, asset.media_type)], asset.bytes).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // An SVG is a document of its own when it is opened by its address.
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}
