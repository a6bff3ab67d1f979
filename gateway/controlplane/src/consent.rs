//! What a tenant's people agree to, once for each version.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use cedargate_assertion::TenantScope;
use cedargate_identity::{Consents, DocumentVersion};
use cedargate_model::{AccountAct, ConsentDocument, PrincipalId, TenantId, TenantName};
use http::StatusCode;
use serde::Deserialize;

use crate::account::to_the_end;
use crate::own::{Own, unavailable};
use crate::page::consent;
use crate::page::signin::Onward;
use crate::problem::{CONSENT_CHANGED, Problem};
use crate::return_to::ReturnTo;
use crate::router::ControlPlane;
use crate::submitted::submitted;
use crate::wanted::Wanted;

/// Where the page is.
pub(crate) const CONSENT: &str = "/auth/consent";

/// A document that a tenant's people agree to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedDocument {
    /// Which.
    pub document: ConsentDocument,
    /// In which version.
    pub version: DocumentVersion,
    /// Where it can be read.
    pub url: String,
}

/// What is asked of people, by tenant, and what they agreed to.
#[derive(Clone, Debug)]
pub struct ConsentAsking {
    consents: Consents,
    asked: Arc<BTreeMap<TenantName, Vec<AskedDocument>>>,
}

impl ConsentAsking {
    /// The consents of a store, and the documents of each tenant that has any.
    pub fn new(consents: Consents, asked: BTreeMap<TenantName, Vec<AskedDocument>>) -> Self {
        Self { consents, asked: Arc::new(asked) }
    }

    /// What somebody has not agreed to yet.
    pub(crate) async fn missing(
        &self,
        tenant: TenantId,
        name: &TenantName,
        account: PrincipalId,
    ) -> Result<Vec<AskedDocument>, Problem> {
        let Some(asked) = self.asked.get(name) else { return Ok(Vec::new()) };
        let versions: Vec<_> = asked.iter().map(|asked| (asked.document, asked.version.clone())).collect();
        let missing = self.consents.missing(tenant, account, &versions).await.map_err(unavailable)?;
        Ok(asked.iter().filter(|asked| missing.contains(&asked.document)).cloned().collect())
    }
}

/// Where somebody goes who has just signed in: to what they have not agreed to yet, and from there where they were going. Where that cannot
/// be told they go on: the start page asks again.
pub(crate) async fn before(
    control_plane: &ControlPlane,
    tenant: &TenantScope,
    account: PrincipalId,
    return_to: ReturnTo,
) -> ReturnTo {
    match control_plane.consents.missing(tenant.id, &tenant.name, account).await {
        Ok(missing) if missing.is_empty() => return_to,
        Ok(_) => ReturnTo::consent(&return_to),
        Err(problem) => {
            problem.log();
            return_to
        }
    }
}

/// `GET /auth/consent`.
pub(crate) async fn show(
    State(control_plane): State<Arc<ControlPlane>>,
    own: Own,
    onward: Result<Query<Onward>, QueryRejection>,
) -> Response {
    let return_to = ReturnTo::parse(&onward.map(|Query(onward)| onward).unwrap_or_default().return_to);
    match control_plane.consents.missing(own.tenant.id, &own.tenant.name, own.signed_in.principal).await {
        Ok(missing) if missing.is_empty() => Redirect::to(return_to.as_str()).into_response(),
        Ok(missing) => consent::show(&own, &missing, &return_to),
        Err(problem) => own.refuse(problem),
    }
}

#[derive(Deserialize)]
struct Agreed {
    /// What the page showed, as `terms=2026-11 privacy=3`: what was changed meanwhile nobody has read.
    documents: String,
    #[serde(default)]
    return_to: String,
}

/// `POST /auth/consent`.
pub(crate) async fn give(State(control_plane): State<Arc<ControlPlane>>, own: Own, request: Request) -> Response {
    let agreed: Agreed = match submitted(request).await {
        Ok(agreed) => agreed,
        Err(problem) => return own.refuse(problem),
    };
    let return_to = ReturnTo::parse(&agreed.return_to);
    let giving = note(Arc::clone(&control_plane), own.clone(), agreed.documents);
    match (to_the_end(giving).await, own.wanted) {
        (Ok(()), Wanted::Page) => Redirect::to(return_to.as_str()).into_response(),
        (Ok(()), Wanted::Json) => StatusCode::NO_CONTENT.into_response(),
        (Err(problem), Wanted::Page) if problem.kind == CONSENT_CHANGED => {
            Redirect::to(&format!("{CONSENT}?return_to={}", return_to.as_query_value())).into_response()
        }
        (Err(problem), _) => own.refuse(problem),
    }
}

async fn note(control_plane: Arc<ControlPlane>, own: Own, documents: String) -> Result<(), Problem> {
    let (tenant, account) = (own.tenant.id, own.signed_in.principal);
    let missing = control_plane.consents.missing(tenant, &own.tenant.name, account).await?;
    if missing.is_empty() {
        return Ok(());
    }
    if documents_of(&missing) != documents {
        return Err(Problem::new(CONSENT_CHANGED));
    }
    let given: Vec<_> = missing.into_iter().map(|asked| (asked.document, asked.version)).collect();
    let consents = &control_plane.consents.consents;
    let ready = consents.give(tenant, account, &given, own.visit.client, own.visit.now).await.map_err(unavailable)?;
    let acts = given
        .into_iter()
        .map(|(document, version)| AccountAct::ConsentGiven { document, version: version.as_str().to_owned() });
    own.record_all(&control_plane, acts).await?;
    ready.commit().await.map_err(unavailable)
}

/// What a page shows, as its form sends it back.
pub(crate) fn documents_of(asked: &[AskedDocument]) -> String {
    let words: Vec<_> =
        asked.iter().map(|asked| format!("{}={}", asked.document.as_str(), asked.version.as_str())).collect();
    words.join(" ")
}
