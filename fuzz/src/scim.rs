//! SCIM: whatever a provider sends, what was read is in canonical form, and reading it again changes nothing.

use cedargate_scim::{FILTER_BYTES_MAX, Filter, Patch, ResourceKind, Selection, check_resource, read_resource};
use serde_json::{Map, Value, json};

use crate::parts;

/// A filter or path, then a JSON document as a resource, then one as a patch's operations.
pub fn scim(data: &[u8]) {
    let [text, document, operations] = parts::<3>(data);
    let Ok(text) = std::str::from_utf8(text) else { return };
    for kind in ResourceKind::ALL {
        let resource = serde_json::from_slice::<Value>(document).ok().and_then(|mut body| {
            body.as_object_mut()?.insert("schemas".to_owned(), json!([urn(kind)]));
            read_resource(kind, &body).ok()
        });
        if let Some(resource) = &resource {
            let mut again = resource.clone();
            again.insert("schemas".to_owned(), json!([urn(kind)]));
            assert_eq!(read_resource(kind, &Value::Object(again)).as_ref(), Ok(resource), "not in canonical form");
        }
        if let Ok(filter) = Filter::parse(kind, text) {
            assert!(text.len() <= FILTER_BYTES_MAX);
            let nothing = Map::new();
            let of = resource.as_ref().unwrap_or(&nothing);
            if let (true, Ok(opposite)) = (text.len() < 2_000, Filter::parse(kind, &format!("not ({text})"))) {
                assert_ne!(filter.matches(of), opposite.matches(of), "a filter and its opposite agree");
            }
            let _ = filter.index_key();
        }
        let Some(mut changed) = resource else { continue };
        let operations: Value = serde_json::from_slice(operations).unwrap_or(json!([{ "op": "remove", "path": text }]));
        let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations });
        if let Ok(patch) = Patch::read(kind, &body)
            && patch.apply(&mut changed).is_ok()
        {
            assert_eq!(check_resource(kind, &changed), Ok(()), "a patch left what is no resource");
            let mut whole = changed.clone();
            whole.insert("schemas".to_owned(), json!([urn(kind)]));
            assert_eq!(read_resource(kind, &Value::Object(whole)).as_ref(), Ok(&changed), "a patch left another form");
        }
        let _ = Selection::read(kind, Some(text)).map(|selection| selection.of(changed));
    }
}

fn urn(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::User => "urn:ietf:params:scim:schemas:core:2.0:User",
        ResourceKind::Group => "urn:ietf:params:scim:schemas:core:2.0:Group",
    }
}
