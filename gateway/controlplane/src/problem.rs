//! What a client is told when something is refused or fails (RFC 9457).

use std::borrow::Cow;
use std::error::Error;

use axum::Json;
use axum::response::{IntoResponse, Response};
use cedargate_model::{RefusalCode, RequestId};
use cedargate_texts::Texts;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::view::Answering;

/// One kind of refusal or failure: its status, its stable code, and the one plain sentence that clients read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) sentence: &'static str,
}

impl Kind {
    /// The sentence as people read it. Programs are told the English one.
    pub(crate) fn said(self, texts: Texts) -> Cow<'static, str> {
        texts.refusal(self.code).unwrap_or(Cow::Borrowed(self.sentence))
    }
}

pub(crate) const IDENTITY_MISSING: Kind = Kind {
    status: StatusCode::UNAUTHORIZED,
    code: "identity_missing",
    sentence: "This is answered only behind the gateway.",
};
pub(crate) const IDENTITY_INVALID: Kind = Kind {
    status: StatusCode::UNAUTHORIZED,
    code: "identity_invalid",
    sentence: "The identity assertion is not accepted.",
};
pub(crate) const SIGNIN_FAILED: Kind = Kind {
    status: StatusCode::UNAUTHORIZED,
    code: "signin_failed",
    sentence: "The e-mail address or the password is not right.",
};
pub(crate) const SIGNIN_DELAYED: Kind = Kind {
    status: StatusCode::TOO_MANY_REQUESTS,
    code: "signin_delayed",
    sentence: "Too many failed sign-ins. Please wait before the next one.",
};
pub(crate) const SIGNIN_BUSY: Kind = Kind {
    status: StatusCode::SERVICE_UNAVAILABLE,
    code: "signin_busy",
    sentence: "Many people are signing in right now. Please try again in a moment.",
};
pub(crate) const SIGNIN_MALFORMED: Kind = Kind {
    status: StatusCode::BAD_REQUEST,
    code: "signin_malformed",
    sentence: "Send `email` and `password`, once each.",
};
pub(crate) const SIGNIN_TYPE_UNSUPPORTED: Kind = Kind {
    status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
    code: "content_type_unsupported",
    sentence: "Send a form or `application/json`.",
};
pub(crate) const SSO_FAILED: Kind = Kind {
    status: StatusCode::UNAUTHORIZED,
    code: "sso_failed",
    sentence: "The sign-in by your identity provider could not be completed. Please try again.",
};
pub(crate) const PROVIDER_UNAVAILABLE: Kind = Kind {
    status: StatusCode::SERVICE_UNAVAILABLE,
    code: "provider_unavailable",
    sentence: "The identity provider cannot be reached right now. Please try again in a moment.",
};
pub(crate) const LOGOUT_TOKEN_REFUSED: Kind = Kind {
    status: StatusCode::BAD_REQUEST,
    code: "logout_token_refused",
    sentence: "The logout token is not accepted.",
};
pub(crate) const LOGOUT_REQUEST_REFUSED: Kind = Kind {
    status: StatusCode::BAD_REQUEST,
    code: "logout_request_refused",
    sentence: "The request to sign out is not accepted.",
};
pub(crate) const REQUEST_MALFORMED: Kind = Kind {
    status: StatusCode::BAD_REQUEST,
    code: "request_malformed",
    sentence: "The fields that were sent are not the ones that are asked for.",
};
pub(crate) const PROOF_FAILED: Kind = Kind {
    status: StatusCode::UNAUTHORIZED,
    code: "proof_failed",
    sentence: "That is not right, or it was used before.",
};
pub(crate) const PASSKEY_FAILED: Kind = Kind {
    status: StatusCode::UNAUTHORIZED,
    code: "passkey_failed",
    sentence: "That passkey or security key could not be used here. Please try again.",
};
pub(crate) const PROOF_DELAYED: Kind = Kind {
    status: StatusCode::TOO_MANY_REQUESTS,
    code: "proof_delayed",
    sentence: "Too many failed attempts. Please wait before the next one.",
};
pub(crate) const PROOF_TOO_WEAK: Kind = Kind {
    status: StatusCode::FORBIDDEN,
    code: "proof_too_weak",
    sentence: "Your sign-in is stronger than that. Confirm it with what you signed in with.",
};
pub(crate) const FACTOR_MISSING: Kind = Kind {
    status: StatusCode::CONFLICT,
    code: "factor_missing",
    sentence: "Add a second factor first: recovery codes are for whoever loses one.",
};
pub(crate) const FACTOR_UNCONFIRMED: Kind = Kind {
    status: StatusCode::UNAUTHORIZED,
    code: "factor_unconfirmed",
    sentence: "Confirm who you are: with your password, or by a new sign-in at your identity provider.",
};
pub(crate) const NAVIGATION_REQUIRED: Kind = Kind {
    status: StatusCode::FORBIDDEN,
    code: "navigation_required",
    sentence: "A sign-in begins when somebody opens this address, not when a page loads it.",
};
pub(crate) const FACTOR_NAME_INVALID: Kind = Kind {
    status: StatusCode::UNPROCESSABLE_ENTITY,
    code: "factor_name_invalid",
    sentence: "A name has 1 to 60 characters on one line.",
};
pub(crate) const FACTORS_TOO_MANY: Kind = Kind {
    status: StatusCode::CONFLICT,
    code: "factors_too_many",
    sentence: "The account has as many factors as it may have. Remove one first.",
};
pub(crate) const LINK_REFUSED: Kind = Kind {
    status: StatusCode::GONE,
    code: "link_refused",
    sentence: "This link does nothing, or nothing any more. Ask for another one.",
};
pub(crate) const ASKING_DELAYED: Kind = Kind {
    status: StatusCode::TOO_MANY_REQUESTS,
    code: "asking_delayed",
    sentence: "This was asked too often. Please wait before the next time.",
};
pub(crate) const PASSWORD_TOO_SHORT: Kind = Kind {
    status: StatusCode::UNPROCESSABLE_ENTITY,
    code: "password_too_short",
    sentence: "The password is too short. Several words make a good one.",
};
pub(crate) const PASSWORD_TOO_LONG: Kind = Kind {
    status: StatusCode::UNPROCESSABLE_ENTITY,
    code: "password_too_long",
    sentence: "The password is longer than 1024 octets.",
};
pub(crate) const PASSWORD_UNIFORM: Kind = Kind {
    status: StatusCode::UNPROCESSABLE_ENTITY,
    code: "password_uniform",
    sentence: "The password is one character over and over.",
};
pub(crate) const PASSWORD_BREACHED: Kind = Kind {
    status: StatusCode::UNPROCESSABLE_ENTITY,
    code: "password_breached",
    sentence: "This password was stolen somewhere, and whoever guesses knows it. Choose another one.",
};
pub(crate) const PASSWORD_OWN_ADDRESS: Kind = Kind {
    status: StatusCode::UNPROCESSABLE_ENTITY,
    code: "password_own_address",
    sentence: "The password has your e-mail address in it.",
};
pub(crate) const PASSWORD_DIFFERS: Kind = Kind {
    status: StatusCode::UNPROCESSABLE_ENTITY,
    code: "password_differs",
    sentence: "The two passwords are not the same.",
};
pub(crate) const PASSWORD_UNCHECKED: Kind = Kind {
    status: StatusCode::SERVICE_UNAVAILABLE,
    code: "password_unchecked",
    sentence: "It cannot be told right now whether this password is safe. Please try again in a moment.",
};
pub(crate) const PUZZLE_UNSOLVED: Kind = Kind {
    status: StatusCode::UNPROCESSABLE_ENTITY,
    code: "puzzle_unsolved",
    sentence: "Show first that you are no program, and send it again.",
};
pub(crate) const PUZZLE_UNKNOWN: Kind = Kind {
    status: StatusCode::SERVICE_UNAVAILABLE,
    code: "puzzle_unknown",
    sentence: "It cannot be told right now whether you are a program. Please try again in a moment.",
};
pub(crate) const ROLE_NOT_OFFERED: Kind = Kind {
    status: StatusCode::UNPROCESSABLE_ENTITY,
    code: "role_not_offered",
    sentence: "People who ask for an account are not given such a role here.",
};
pub(crate) const WISH_KNOWN: Kind = Kind {
    status: StatusCode::CONFLICT,
    code: "account_known",
    sentence: "There is an account with this address already.",
};
pub(crate) const CONSENT_CHANGED: Kind = Kind {
    status: StatusCode::CONFLICT,
    code: "consent_changed",
    sentence: "What is to be agreed to has changed. Read it again.",
};
pub(crate) const POST_GONE: Kind = Kind {
    status: StatusCode::GONE,
    code: "post_gone",
    sentence: "What you sent is not kept any more: it was sent, or too much time has passed.",
};
pub(crate) const FAILED: Kind = Kind {
    status: StatusCode::INTERNAL_SERVER_ERROR,
    code: "controlplane_failed",
    sentence: "This could not be done. It is our fault, and it has been noted.",
};

/// The walk's own refusal, where it fits: one code for one thing.
impl From<RefusalCode> for Kind {
    fn from(code: RefusalCode) -> Self {
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, code: code.as_str(), sentence: code.public_sentence() }
    }
}

/// A refusal or failure on its way to the client. The cause is for the log and is never rendered.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    pub(crate) retry_after_seconds: Option<u64>,
    pub(crate) request: Option<Answering>,
    /// The level of the sign-in that would do.
    step_up: Option<u8>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Problem {
    pub(crate) fn new(kind: impl Into<Kind>) -> Self {
        Self { kind: kind.into(), retry_after_seconds: None, request: None, step_up: None, cause: None }
    }

    pub(crate) fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    pub(crate) fn step_up(mut self, level: u8) -> Self {
        self.step_up = Some(level);
        self
    }

    pub(crate) fn step_up_level(&self) -> Option<u8> {
        self.step_up
    }

    pub(crate) fn of_request(mut self, request: Answering) -> Self {
        self.request = Some(request);
        self
    }

    /// Logs the cause, once, where the problem becomes an answer.
    pub(crate) fn log(&self) {
        if let Some(cause) = &self.cause {
            tracing::warn!(
                error = &**cause as &dyn Error,
                cedargate.problem.code = self.kind.code,
                cedargate.request.id = self.request.map(|request| request.to_string()),
                "request failed"
            );
        }
    }

    /// Gives an answer, however it is rendered, the problem's status and headers.
    pub(crate) fn dress(&self, mut response: Response) -> Response {
        *response.status_mut() = self.kind.status;
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.kind.status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §15.5.2 wants a challenge. Browsers ignore schemes that they do not know.
            // What is asked for is said as the data plane says it (RFC 9470 §3).
            let challenge = match self.step_up {
                // The same strength again, and fresh.
                Some(1) => r#"Bearer realm="cedargate", error="insufficient_user_authentication", max_age="900""#,
                Some(3) => r#"Bearer realm="cedargate", error="insufficient_user_authentication", acr_values="aal3""#,
                Some(_) => r#"Bearer realm="cedargate", error="insufficient_user_authentication", acr_values="aal2""#,
                None => r#"Bearer realm="cedargate""#,
            };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

#[derive(Serialize)]
struct Body {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'static str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<RequestId>,
}

/// As `application/problem+json`; pages have their own way.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.log();
        let body = Body {
            // As the data plane names its refusals: to a client both are the gateway.
            kind: format!("urn:cedargate:refusal:{}", self.kind.code),
            title: self.kind.status.canonical_reason().unwrap_or("Refused"),
            status: self.kind.status.as_u16(),
            detail: self.kind.sentence,
            code: self.kind.code,
            request: self.request.map(|request| request.id),
        };
        let mut response = self.dress(Json(body).into_response());
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}
