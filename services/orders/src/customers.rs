//! Customers: who orders.

mod rows;

use axum::Json;
use axum::http::StatusCode;
use cedargate_kit::etag::PRECONDITION_FAILED;
use cedargate_kit::problem::NOT_FOUND;
use cedargate_kit::{
    Act, Fields, IdempotencyParams, IfMatch, IfMatchRequiredParams, IfNoneMatch, IfNoneMatchParams, JsonBody,
    ListRequest, Page, Problem, ProblemBody, ProblemKind, Reply, ResourceId, Tenant, Version, text,
};
use cedargate_migrations::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::fields;
pub(crate) use rows::{CustomerRow, exists, insert};

/// Another customer of the tenant has this address.
const EMAIL_TAKEN: ProblemKind =
    ProblemKind::new(StatusCode::CONFLICT, "email_taken", "Another customer has this address already.");

/// The customer has orders, and with them a history.
const CUSTOMER_IN_USE: ProblemKind =
    ProblemKind::new(StatusCode::CONFLICT, "customer_in_use", "The customer has orders and cannot be deleted.");

/// What lists of customers can be asked for.
type ListParams = cedargate_kit::ListParams<CustomerRow>;

/// A customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Customer {
    /// The customer's id.
    pub(crate) id: Uuid,
    /// What they are called.
    pub(crate) name: String,
    /// Where mail reaches them, in small letters; unique among the tenant's customers.
    pub(crate) email: String,
    /// How often it was changed, and one; its `ETag` says the same.
    pub(crate) version: Version,
    /// When it was created, in microseconds since 1970-01-01T00:00:00Z.
    pub(crate) created_at: i64,
    /// When it was last changed, in microseconds since 1970-01-01T00:00:00Z.
    pub(crate) updated_at: i64,
}

/// A new customer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCustomer {
    /// One line of 1 to 200 characters.
    #[schema(required, nullable = false)]
    name: Option<String>,
    /// An address such as `name@example.org`.
    #[schema(required, nullable = false)]
    email: Option<String>,
}

/// What to change of a customer; what is missing stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CustomerChanges {
    /// One line of 1 to 200 characters.
    #[schema(nullable = false)]
    name: Option<String>,
    /// An address such as `name@example.org`.
    #[schema(nullable = false)]
    email: Option<String>,
}

/// Lists the tenant's customers.
#[utoipa::path(
    get,
    path = "/orders/customers",
    operation_id = "ListCustomers",
    params(ListParams),
    responses((status = 200, description = "A page of the list.", body = Page<Customer>), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn list(tenant: Tenant, asked: ListRequest<CustomerRow>) -> Result<Json<Page<Customer>>, Problem> {
    let rows = asked.rows(&mut tenant.read().await?, &[]).await?;
    asked.page(rows, Customer::from).await.map(Json)
}

/// Creates a customer.
#[utoipa::path(
    post,
    path = "/orders/customers",
    operation_id = "CreateCustomer",
    params(IdempotencyParams),
    request_body = NewCustomer,
    responses((status = 201, description = "Created.", body = Customer), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create(tenant: Tenant, JsonBody(new): JsonBody<NewCustomer>) -> Result<Reply, Problem> {
    let mut fields = Fields::default();
    let name = fields.required("name", new.name, text::line);
    let email = fields.required("email", new.email, fields::email);
    let (name, email) = fields.finish((name, email))?;

    let mut change = tenant.begin().await?;
    let (id, now) = (change.new_id(), change.now().0);
    let customer = Customer { id, name, email, version: Version::FIRST, created_at: now, updated_at: now };
    insert(change.tx(), &customer).await.map_err(email_taken)?;
    let reply = Reply::created(&customer)?.location(format!("/orders/customers/{id}")).version(customer.version);
    change.commit(act("CreateCustomer", id, json!({})), reply).await
}

/// Returns a customer.
#[utoipa::path(
    get,
    path = "/orders/customers/{id}",
    operation_id = "GetCustomer",
    params(("id" = Uuid, Path, description = "The customer's id."), IfNoneMatchParams),
    responses((status = 200, description = "As it is now.", body = Customer), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn get(tenant: Tenant, id: ResourceId, seen: IfNoneMatch) -> Result<Reply, Problem> {
    let customer = rows::find(&mut tenant.read().await?, id.0).await?.ok_or(NOT_FOUND)?;
    Ok(Reply::ok(&customer)?.version(customer.version).unless(&seen))
}

/// Changes a customer.
#[utoipa::path(
    patch,
    path = "/orders/customers/{id}",
    operation_id = "UpdateCustomer",
    params(("id" = Uuid, Path, description = "The customer's id."), IdempotencyParams, IfMatchRequiredParams),
    request_body = CustomerChanges,
    responses((status = 200, description = "As it is now.", body = Customer), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn update(
    tenant: Tenant,
    id: ResourceId,
    seen: IfMatch,
    JsonBody(changes): JsonBody<CustomerChanges>,
) -> Result<Reply, Problem> {
    let changes = changes.checked()?;
    let detail = json!({"changed": changes.names()});

    let mut change = tenant.begin().await?;
    let customer = rows::find(change.tx(), id.0).await?.ok_or(NOT_FOUND)?;
    let matched = seen.admits(customer.version)?;
    let now = change.now();
    let customer = rows::update(change.tx(), id.0, matched, changes, now).await.map_err(email_taken)?;
    let customer = customer.ok_or(PRECONDITION_FAILED)?;
    let reply = Reply::ok(&customer)?.version(customer.version);
    change.commit(act("UpdateCustomer", id.0, detail), reply).await
}

/// Deletes a customer who has no orders.
#[utoipa::path(
    delete,
    path = "/orders/customers/{id}",
    operation_id = "DeleteCustomer",
    params(("id" = Uuid, Path, description = "The customer's id."), IdempotencyParams, IfMatchRequiredParams),
    responses((status = 204, description = "Deleted."), (status = "4XX", description = "Refused, and why.", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn delete(tenant: Tenant, id: ResourceId, seen: IfMatch) -> Result<Reply, Problem> {
    let mut change = tenant.begin().await?;
    let customer = rows::find(change.tx(), id.0).await?.ok_or(NOT_FOUND)?;
    let matched = seen.admits(customer.version)?;
    if rows::has_orders(change.tx(), id.0).await? {
        return Err(CUSTOMER_IN_USE.into());
    }
    if !rows::delete(change.tx(), id.0, matched).await? {
        return Err(PRECONDITION_FAILED.into());
    }
    change.commit(act("DeleteCustomer", id.0, json!({})), Reply::no_content()).await
}

impl CustomerChanges {
    fn checked(self) -> Result<Self, Problem> {
        let mut fields = Fields::default();
        if self.names().is_empty() {
            fields.refuse("name", "give at least one of `name` and `email`");
        }
        let name = fields.optional("name", self.name, text::line);
        let email = fields.optional("email", self.email, fields::email);
        let (name, email) = fields.finish((name, email))?;
        Ok(Self { name, email })
    }

    /// The names of the fields that change.
    fn names(&self) -> Vec<&'static str> {
        let given = [("name", &self.name), ("email", &self.email)];
        given.into_iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name).collect()
    }
}

/// Names and addresses are people's: they stay out of the audit log.
fn act(action: &'static str, id: Uuid, detail: serde_json::Value) -> Act {
    Act { action, resource: format!("Orders::Customer::\"{id}\""), detail }
}

/// The one conflict that customers have is their address's.
fn email_taken(error: StoreError) -> Problem {
    match error {
        StoreError::Conflict(_) => Problem::new(EMAIL_TAKEN).field("email", "choose another one"),
        other => other.into(),
    }
}
