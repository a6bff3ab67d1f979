//! Runs a test once for each database engine.
//!
//! `#[each_engine]` stands where `#[tokio::test]` would, takes the same arguments, and makes two tests of one:
//! `name::sqlite` and `name::postgres`. A `TestStore` that is made within them is on that engine. It comes to crates
//! through `cedargate_migrations::testing`, which shows it at work.

use proc_macro::{TokenStream, TokenTree};

/// What clippy allows in a test by itself. It does not see that this function is one.
const ALLOWED: &str = r#"#[allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]"#;

/// Makes two tests of an `async fn` without arguments: one on SQLite, one on PostgreSQL.
#[proc_macro_attribute]
pub fn each_engine(arguments: TokenStream, function: TokenStream) -> TokenStream {
    let Some(name) = name_of(&function) else {
        return error("`#[each_engine]` belongs on an `async fn` without arguments");
    };
    let tests = format!(
        "mod {name} {{
            #[::tokio::test({arguments})]
            async fn sqlite() {{ ::cedargate_migrations::testing::on_sqlite(super::{name}()).await }}
            #[::tokio::test({arguments})]
            async fn postgres() {{ ::cedargate_migrations::testing::on_postgres(super::{name}()).await }}
        }}"
    );
    let Ok(tests) = tests.parse::<TokenStream>() else { return error("these arguments are not `#[tokio::test]`'s") };
    let Ok(allowed) = ALLOWED.parse::<TokenStream>() else { return error("the lints are not an attribute") };
    allowed.into_iter().chain(function).chain(tests).collect()
}

/// What stands behind the first `fn`.
fn name_of(function: &TokenStream) -> Option<String> {
    let mut tokens = function.clone().into_iter();
    tokens.find(|token| matches!(token, TokenTree::Ident(word) if word.to_string() == "fn"))?;
    tokens.next().map(|name| name.to_string())
}

fn error(message: &str) -> TokenStream {
    format!("compile_error!({message:?});").parse().unwrap_or_default()
}
