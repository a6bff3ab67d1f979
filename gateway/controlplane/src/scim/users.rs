//! `/Users`.

use axum::body::Bytes;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use cedargate_identity::{Ready, ScimUser, UserChange};
use cedargate_model::ProvisioningAct;
use cedargate_scim::{ListRequest, Patch, Resource, ResourceKind, ScimError, Selection, list_response, read_resource};
use http::StatusCode;
use serde_json::Value;

use super::admit::Caller;
use super::reply::{self, Refused};
use super::told::{acts_of, done_user, ended, ended_before, former};

const KIND: ResourceKind = ResourceKind::User;

/// `GET /Users`.
pub(super) async fn list(caller: Caller) -> Result<Response, Refused> {
    let asked = ListRequest::read(KIND, caller.query.as_deref())?;
    let (total, found) = caller.store().users(&caller.desk, &asked).await?;
    let base = caller.base();
    let shown = found.iter().map(|user| asked.selection.of(user.to_map(&base))).collect();
    Ok(reply::json(StatusCode::OK, &list_response(total, asked.start_index, shown)))
}

/// `GET /Users/{id}`.
pub(super) async fn show(caller: Caller, Path(id): Path<String>) -> Result<Response, Refused> {
    let selection = Selection::read(KIND, caller.query.as_deref())?;
    let user = caller.store().user(&caller.desk, &id).await?;
    match caller.has(&user.version) {
        true => Ok(reply::unchanged(&user.version)),
        false => Ok(answer(&caller, StatusCode::OK, &user, &selection)),
    }
}

/// `POST /Users`.
pub(super) async fn create(caller: Caller, body: Bytes) -> Result<Response, Refused> {
    let selection = Selection::read(KIND, caller.query.as_deref())?;
    let resource = read_resource(KIND, &caller.read(&body)?)?;
    finished(async move {
        let rules = caller.rules();
        let ready = caller.store().create_user(&caller.desk, resource, &rules, caller.visit.now).await?;
        let UserChange { user, roles, .. } = ready.change();
        let roles = roles.clone().unwrap_or_default();
        let act = ProvisioningAct::UserCreated { principal: user.id, roles, active: user.active };
        let acts = [Some(act), former(ready.change()), ended_before(ready.change())].into_iter().flatten().collect();
        let change = done_user(&caller, ready, acts).await?;
        Ok(answer(&caller, StatusCode::CREATED, &change.user, &selection))
    })
    .await
}

/// `PUT /Users/{id}`.
pub(super) async fn replace(caller: Caller, Path(id): Path<String>, body: Bytes) -> Result<Response, Refused> {
    let resource = read_resource(KIND, &caller.read(&body)?)?;
    change(caller, id, move |_| Ok(resource.clone())).await
}

/// `PATCH /Users/{id}`.
pub(super) async fn patch(caller: Caller, Path(id): Path<String>, body: Bytes) -> Result<Response, Refused> {
    let patch = Patch::read(KIND, &caller.read(&body)?)?;
    change(caller, id, move |mut resource| {
        patch.apply(&mut resource)?;
        Ok(resource)
    })
    .await
}

/// `DELETE /Users/{id}`.
pub(super) async fn delete(caller: Caller, Path(id): Path<String>) -> Result<Response, Refused> {
    finished(async move {
        let ready = caller.store().delete_user(&caller.desk, &id, caller.if_match(), caller.visit.now).await?;
        let change = ready.change();
        let act = ProvisioningAct::UserDeleted { principal: change.user.id, ended: ended(change) };
        let acts = [Some(act), former(change)].into_iter().flatten().collect();
        let _gone = done_user(&caller, ready, acts).await?;
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
        let ready: Ready<UserChange> =
            store.change_user(&caller.desk, &id, caller.if_match(), &change, &rules, now).await?;
        let acts = acts_of(ready.change());
        let changed = done_user(&caller, ready, acts).await?;
        Ok(answer(&caller, StatusCode::OK, &changed.user, &selection))
    })
    .await
}

/// On a task of its own: a client that goes away must not leave something recorded and not done.
pub(super) async fn finished(
    work: impl Future<Output = Result<Response, Refused>> + Send + 'static,
) -> Result<Response, Refused> {
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(lost) => Err(Refused::unavailable(&lost)),
    }
}

fn answer(caller: &Caller, status: StatusCode, user: &ScimUser, selection: &Selection) -> Response {
    let base = caller.base();
    let location = format!("{base}{}/{}", KIND.endpoint(), user.id);
    let shown = Value::Object(selection.of(user.to_map(&base)));
    reply::resource(status, &shown, &user.version, Some(&location))
}
