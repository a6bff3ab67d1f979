//! What the demo promises, asked of the running gateway before it is printed.

use anyhow::{Context as _, Result, anyhow, bail};

use crate::client::{Answer, Client};
use crate::credentials::{Credentials, PersonCredentials, TenantCredentials};
use crate::people::{Person, Tenant};

/// Something that only an attacker asks for: a tautology in SQL, as the value of a parameter.
pub const ATTACK: &str = "/inventory/items?cursor=1%27%20OR%20%271%27=%271";

/// Two of a tenant's items and one of its drafts, by id.
#[derive(Clone, Debug)]
pub struct Items {
    item: String,
    spare: String,
    order: String,
    /// The largest order.
    large: String,
}

impl Items {
    /// Reads them as somebody who may.
    ///
    /// # Errors
    /// They cannot be read, or there are none. Every start sees to it that there is a draft.
    pub async fn of(client: &Client, tenant: &Tenant, credentials: &Credentials) -> Result<Self> {
        let reader = tenant.people.first().ok_or_else(|| anyhow!("{} has no people", tenant.name))?;
        let password = credentials.password(tenant.name, reader.email).unwrap_or_default();
        let session = client.sign_in(reader.email, password).await?;
        let answer = client.ask("GET /inventory/items", Some(&session)).await?;
        let drafts = client.ask("GET /orders/orders?state=draft&limit=1", Some(&session)).await?;
        let by_size = client.ask("GET /orders/orders?sort=-total_minor&limit=1", Some(&session)).await?;
        client.sign_out(&session).await?;
        let items = answer.body.get("items").and_then(|items| items.as_array());
        let mut ids = items.into_iter().flatten().filter_map(|item| item.get("id")?.as_str());
        let item = ids.next().with_context(|| format!("{} has no items (status {})", tenant.name, answer.status))?;
        let spare = ids.next_back().unwrap_or(item);
        let order = drafts.body.get("items").and_then(|drafts| drafts.as_array()?.first()?.get("id")?.as_str());
        let order = order.with_context(|| format!("{} has no drafts (status {})", tenant.name, drafts.status))?;
        let large = by_size.body.get("items").and_then(|orders| orders.as_array()?.first()?.get("id")?.as_str());
        let large = large.with_context(|| format!("{} has no orders (status {})", tenant.name, by_size.status))?;
        Ok(Self { item: item.to_owned(), spare: spare.to_owned(), order: order.to_owned(), large: large.to_owned() })
    }

    /// What somebody may or may not do, with these in place of `{item}`, `{spare}`, `{order}` and `{large}`.
    pub fn fill_in(&self, what: &[&str]) -> Vec<String> {
        let one = |what: &&str| {
            let what = what.replace("{item}", &self.item).replace("{spare}", &self.spare);
            what.replace("{order}", &self.order).replace("{large}", &self.large)
        };
        what.iter().map(one).collect()
    }
}

impl Person {
    /// What is told about this person, once it is known which items there are.
    pub fn described(&self, password: String, items: Option<&Items>) -> PersonCredentials {
        let fill_in = |what| items.map(|items| items.fill_in(what)).unwrap_or_default();
        PersonCredentials {
            email: self.email.to_owned(),
            password,
            roles: self.roles.iter().map(|role| (*role).to_owned()).collect(),
            may: fill_in(self.may),
            may_not: fill_in(self.may_not),
        }
    }
}

/// Asks, as each of a tenant's people, for what they may read and for all that they may not do. What may change something
/// is not asked for: it would.
///
/// # Errors
/// The first answer that is not as promised.
pub async fn check(client: &Client, tenant: &TenantCredentials) -> Result<()> {
    for person in &tenant.people {
        let session = client.sign_in(&person.email, &person.password).await?;
        for what in person.may.iter().filter(|what| what.starts_with("GET ")) {
            let answer = client.ask(what, Some(&session)).await?;
            expect(answer.is_success(), person, what, "be allowed", &answer)?;
        }
        for what in &person.may_not {
            let answer = client.ask(what, Some(&session)).await?;
            expect(answer.is_refusal(), person, what, "be refused", &answer)?;
        }
        let attack = format!("GET {ATTACK}");
        let answer = client.ask(&attack, Some(&session)).await?;
        expect(answer.code() == Some("attack_detected"), person, &attack, "be stopped", &answer)?;
        client.sign_out(&session).await?;
        let answer = client.ask("GET /inventory/items", Some(&session)).await?;
        expect(answer.status == 401, person, "GET /inventory/items", "need a new sign-in after signing out", &answer)?;
    }
    Ok(())
}

fn expect(is_so: bool, person: &PersonCredentials, what: &str, should: &str, answer: &Answer) -> Result<()> {
    if is_so {
        return Ok(());
    }
    let code = answer.code().map(|code| format!(" ({code})")).unwrap_or_default();
    bail!("`{what}` by {} should {should}, and the answer was {}{code}", person.email, answer.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_take_their_places() {
        let items = Items { item: "1".into(), spare: "2".into(), order: "3".into(), large: "4".into() };
        let filled =
            items.fill_in(&["GET /i/{item}/lots", "DELETE /i/{spare}", "POST /o/{order}/place", "GET /o/{large}"]);
        assert_eq!(filled, ["GET /i/1/lots", "DELETE /i/2", "POST /o/3/place", "GET /o/4"]);
    }
}
