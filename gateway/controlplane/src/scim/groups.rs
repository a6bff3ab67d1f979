//! `/Groups`.

use axum::body::Bytes;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use cedargate_identity::ScimGroup;
use cedargate_model::ProvisioningAct;
use cedargate_scim::{ListRequest, Patch, Resource, ResourceKind, ScimError, Selection, list_response, read_resource};
use http::StatusCode;
use serde_json::Value;

use super::admit::Caller;
use super::reply::{self, Refused};
use super::told::done_group;
use super::users::finished;

const KIND: ResourceKind = ResourceKind::Group;

/// `GET /Groups`.
pub(super) async fn list(caller: Caller) -> Result<Response, Refused> {
    let asked = ListRequest::read(KIND, caller.query.as_deref())?;
    let (total, found) = caller.store().groups(&caller.desk, &asked).await?;
    let base = caller.base();
    let shown = found.iter().map(|group| asked.selection.of(group.to_map(&base))).collect();
    Ok(reply::json(StatusCode::OK, &list_response(total, asked.start_index, shown)))
}

/// `GET /Groups/{id}`.
pub(super) async fn show(caller: Caller, Path(id): Path<String>) -> Result<Response, Refused> {
    let selection = Selection::read(KIND, caller.query.as_deref())?;
    let group = caller.store().group(&caller.desk, &id, selection.wants("members")).await?;
    match caller.has(&group.version) {
        true => Ok(reply::unchanged(&group.version)),
        false => Ok(answer(&caller, StatusCode::OK, &group, &selection)),
    }
}

/// `POST /Groups`.
pub(super) async fn create(caller: Caller, body: Bytes) -> Result<Response, Refused> {
    let selection = Selection::read(KIND, caller.query.as_deref())?;
    let resource = read_resource(KIND, &caller.read(&body)?)?;
    finished(async move {
        let rules = caller.rules();
        let ready = caller.store().create_group(&caller.desk, resource, &rules, caller.visit.now).await?;
        let act = ProvisioningAct::GroupCreated { group: ready.change().group.id };
        let change = done_group(&caller, ready, Some(act)).await?;
        Ok(answer(&caller, StatusCode::CREATED, &change.group, &selection))
    })
    .await
}

/// `PUT /Groups/{id}`.
pub(super) async fn replace(caller: Caller, Path(id): Path<String>, body: Bytes) -> Result<Response, Refused> {
    let resource = read_resource(KIND, &caller.read(&body)?)?;
    change(caller, id, move |_| Ok(resource.clone())).await
}

/// `PATCH /Groups/{id}`.
pub(super) async fn patch(caller: Caller, Path(id): Path<String>, body: Bytes) -> Result<Response, Refused> {
    let patch = Patch::read(KIND, &caller.read(&body)?)?;
    change(caller, id, move |mut resource| {
        patch.apply(&mut resource)?;
        Ok(resource)
    })
    .await
}

/// `DELETE /Groups/{id}`.
pub(super) async fn delete(caller: Caller, Path(id): Path<String>) -> Result<Response, Refused> {
    finished(async move {
        let rules = caller.rules();
        let (store, now) = (caller.store(), caller.visit.now);
        let ready = store.delete_group(&caller.desk, &id, caller.if_match(), &rules, now).await?;
        let act = ProvisioningAct::GroupDeleted { group: ready.change().group.id };
        let _gone = done_group(&caller, ready, Some(act)).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

async fn change(
    caller: Caller,
    id: String,
    change: impl Fn(Resource) -> Result<Resource, ScimError> + Send + Sync + 'static,
) -> Result<Response, Refused> {
    let selection = Selection::read(KIND, caller.query.as_deref())?;
    finished(async move {
        let rules = caller.rules();
        let (store, now) = (caller.store(), caller.visit.now);
        let ready = store.change_group(&caller.desk, &id, caller.if_match(), &change, &rules, now).await?;
        let changed = done_group(&caller, ready, None).await?;
        Ok(answer(&caller, StatusCode::OK, &changed.group, &selection))
    })
    .await
}

fn answer(caller: &Caller, status: StatusCode, group: &ScimGroup, selection: &Selection) -> Response {
    let base = caller.base();
    let location = format!("{base}{}/{}", KIND.endpoint(), group.id);
    let shown = Value::Object(selection.of(group.to_map(&base)));
    reply::resource(status, &shown, &group.version, Some(&location))
}
