//! The variables that rules may look at, and the lists of values that they are made of.

use Part::{Name, Value};

/// A list of named values that a transaction fills. Scalars are lists of one value without a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum List {
    ArgsGet,
    ArgsPost,
    Cookies,
    RequestHeaders,
    ResponseHeaders,
    Files,
    FileSizes,
    FileContents,
    PartHeaders,
    XmlContent,
    XmlAttributes,
    Scalars,
    Tx,
    Ip,
    Global,
    Session,
    User,
    Resource,
    Matched,
    LastMatched,
    Environment,
    Geo,
}

/// How many lists there are.
pub(crate) const LISTS: usize = List::Geo as usize + 1;

/// What a target takes of a list's members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Name,
    Value,
}

/// How a target takes its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Each of them.
    Each,
    /// Their number alone: `&`.
    Count,
    /// Not: `!`.
    Except,
}

/// A variable.
pub(crate) type Variable = &'static Row;

/// What is known of a variable.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its name, in upper case.
    pub(crate) name: &'static str,
    /// The lists that its values are from.
    pub(crate) lists: &'static [List],
    /// What it takes of them.
    pub(crate) part: Part,
    /// Whether it has members that a selector can name; scalars have none.
    pub(crate) is_collection: bool,
    /// From which phase on it has a value.
    pub(crate) phase: u8,
    /// What it is, for the reference page.
    pub(crate) about: &'static str,
}

const fn list(name: &'static str, lists: &'static [List], part: Part, phase: u8, about: &'static str) -> Row {
    Row { name, lists, part, is_collection: true, phase, about }
}

const fn one(name: &'static str, phase: u8, about: &'static str) -> Row {
    Row { name, lists: &[List::Scalars], part: Value, is_collection: false, phase, about }
}

/// Every variable. To add one: a row here, and what fills it in `transaction`.
pub(crate) static VARIABLES: &[Row] = TABLE;

const TABLE: &[Row] = &[
    list("ARGS", &[List::ArgsGet, List::ArgsPost], Value, 1, "the values of all arguments"),
    list("ARGS_NAMES", &[List::ArgsGet, List::ArgsPost], Name, 1, "their names"),
    list("ARGS_GET", &[List::ArgsGet], Value, 1, "the values of the query's arguments"),
    list("ARGS_GET_NAMES", &[List::ArgsGet], Name, 1, "their names"),
    list("ARGS_POST", &[List::ArgsPost], Value, 2, "the values of the body's arguments"),
    list("ARGS_POST_NAMES", &[List::ArgsPost], Name, 2, "their names"),
    one("ARGS_COMBINED_SIZE", 1, "how many octets the arguments' names and values have"),
    one("AUTH_TYPE", 1, "the scheme of the `Authorization` header"),
    one("DURATION", 1, "always 0: the engine has no clock"),
    list("ENV", &[List::Environment], Value, 1, "always empty: rules do not read the environment"),
    list("FILES", &[List::Files], Value, 2, "the names of uploaded files"),
    list("FILES_NAMES", &[List::Files], Name, 2, "the names of the fields that they were uploaded in"),
    list("FILES_SIZES", &[List::FileSizes], Value, 2, "how many octets each file has"),
    list("FILES_TMP_CONTENT", &[List::FileContents], Value, 2, "what uploaded files contain"),
    one("FILES_COMBINED_SIZE", 2, "how many octets all files have"),
    one("FULL_REQUEST_LENGTH", 2, "how many octets the request has"),
    list("GEO", &[List::Geo], Value, 1, "always empty: there is no location data"),
    list("GLOBAL", &[List::Global], Value, 1, "a collection that lives as long as the transaction"),
    one("INBOUND_DATA_ERROR", 2, "1 where the request's body was larger than is inspected"),
    list("IP", &[List::Ip], Value, 1, "a collection that lives as long as the transaction"),
    list("MATCHED_VAR", &[List::LastMatched], Value, 1, "the value that matched last"),
    list("MATCHED_VAR_NAME", &[List::LastMatched], Name, 1, "its full name"),
    list("MATCHED_VARS", &[List::Matched], Value, 1, "all values that matched in the rule before"),
    list("MATCHED_VARS_NAMES", &[List::Matched], Name, 1, "their full names"),
    one("MULTIPART_STRICT_ERROR", 2, "1 where a form was not written as it should be"),
    one("MULTIPART_UNMATCHED_BOUNDARY", 2, "1 where a line looks like a boundary and is none"),
    list(
        "MULTIPART_PART_HEADERS",
        &[List::PartHeaders],
        Value,
        2,
        "the header lines of a form's parts, by the part's name",
    ),
    one("OUTBOUND_DATA_ERROR", 4, "1 where the response's body was larger than is inspected"),
    one("PATH_INFO", 1, "the path"),
    one("QUERY_STRING", 1, "what stands behind the first `?`"),
    one("REMOTE_ADDR", 1, "the client's address"),
    one("REMOTE_HOST", 1, "the client's address: no name is looked up"),
    one("REMOTE_PORT", 1, "the client's port"),
    one("REMOTE_USER", 1, "the user that basic authentication names"),
    one("REQBODY_ERROR", 2, "1 where the body could not be read as what it says it is"),
    one("REQBODY_ERROR_MSG", 2, "why"),
    one("REQBODY_PROCESSOR", 1, "what reads the body: URLENCODED, MULTIPART, JSON or XML"),
    one("REQBODY_PROCESSOR_ERROR", 2, "the same as REQBODY_ERROR"),
    one("REQUEST_BASENAME", 1, "the path behind its last `/` or `\\`"),
    one("REQUEST_BODY", 2, "the body, where it is a form or nothing else reads it and a rule asks for it"),
    one("REQUEST_BODY_LENGTH", 2, "how many octets it has"),
    list("REQUEST_COOKIES", &[List::Cookies], Value, 1, "the values of cookies"),
    list("REQUEST_COOKIES_NAMES", &[List::Cookies], Name, 1, "their names"),
    one("REQUEST_FILENAME", 1, "the path, decoded"),
    list("REQUEST_HEADERS", &[List::RequestHeaders], Value, 1, "the values of header fields"),
    list("REQUEST_HEADERS_NAMES", &[List::RequestHeaders], Name, 1, "their names"),
    one("REQUEST_LINE", 1, "the request line"),
    one("REQUEST_METHOD", 1, "the method"),
    one("REQUEST_PROTOCOL", 1, "the version, such as `HTTP/1.1`"),
    one("REQUEST_URI", 1, "the path and query, without scheme and host"),
    one("REQUEST_URI_RAW", 1, "the request target, as it was sent"),
    list("RESOURCE", &[List::Resource], Value, 1, "a collection that lives as long as the transaction"),
    one("RESPONSE_BODY", 4, "the response's body"),
    one("RESPONSE_CONTENT_LENGTH", 4, "how many octets it has"),
    one("RESPONSE_CONTENT_TYPE", 3, "its content type"),
    list("RESPONSE_HEADERS", &[List::ResponseHeaders], Value, 3, "the values of the response's header fields"),
    list("RESPONSE_HEADERS_NAMES", &[List::ResponseHeaders], Name, 3, "their names"),
    one("RESPONSE_PROTOCOL", 3, "the response's version"),
    one("RESPONSE_STATUS", 3, "its status"),
    one("SERVER_ADDR", 1, "the address that the request came to"),
    one("SERVER_NAME", 1, "the host that the request names"),
    one("SERVER_PORT", 1, "the port that the request came to"),
    list("SESSION", &[List::Session], Value, 1, "a collection that lives as long as the transaction"),
    one("SESSIONID", 1, "always empty: sessions are not the engine's"),
    one("STATUS_LINE", 3, "the response's first line"),
    list("TX", &[List::Tx], Value, 1, "what rules set, and captures as `0` to `9`"),
    one("UNIQUE_ID", 1, "the transaction's id"),
    list("USER", &[List::User], Value, 1, "a collection that lives as long as the transaction"),
    one("USERID", 1, "always empty: users are not the engine's"),
    one("WEBAPPID", 1, "always empty"),
    list(
        "XML",
        &[List::XmlContent],
        Value,
        2,
        "of an XML body: `/*` the document's text, `//@*` the values of attributes",
    ),
];

/// `XML://@*`, which reads a list of its own.
pub(crate) static XML_ATTRIBUTES: Row =
    Row { name: "XML", lists: &[List::XmlAttributes], part: Value, is_collection: true, phase: 2, about: "" };

/// Where a scalar's value stands among the scalars: at its row's place.
pub(crate) mod scalar {
    use super::slot;

    pub(crate) const ARGS_COMBINED_SIZE: usize = slot("ARGS_COMBINED_SIZE");
    pub(crate) const AUTH_TYPE: usize = slot("AUTH_TYPE");
    pub(crate) const DURATION: usize = slot("DURATION");
    pub(crate) const FILES_COMBINED_SIZE: usize = slot("FILES_COMBINED_SIZE");
    pub(crate) const FULL_REQUEST_LENGTH: usize = slot("FULL_REQUEST_LENGTH");
    pub(crate) const INBOUND_DATA_ERROR: usize = slot("INBOUND_DATA_ERROR");
    pub(crate) const MULTIPART_STRICT_ERROR: usize = slot("MULTIPART_STRICT_ERROR");
    pub(crate) const MULTIPART_UNMATCHED_BOUNDARY: usize = slot("MULTIPART_UNMATCHED_BOUNDARY");
    pub(crate) const OUTBOUND_DATA_ERROR: usize = slot("OUTBOUND_DATA_ERROR");
    pub(crate) const PATH_INFO: usize = slot("PATH_INFO");
    pub(crate) const QUERY_STRING: usize = slot("QUERY_STRING");
    pub(crate) const REMOTE_ADDR: usize = slot("REMOTE_ADDR");
    pub(crate) const REMOTE_HOST: usize = slot("REMOTE_HOST");
    pub(crate) const REMOTE_PORT: usize = slot("REMOTE_PORT");
    pub(crate) const REQBODY_ERROR: usize = slot("REQBODY_ERROR");
    pub(crate) const REQBODY_ERROR_MSG: usize = slot("REQBODY_ERROR_MSG");
    pub(crate) const REQBODY_PROCESSOR: usize = slot("REQBODY_PROCESSOR");
    pub(crate) const REQBODY_PROCESSOR_ERROR: usize = slot("REQBODY_PROCESSOR_ERROR");
    pub(crate) const REQUEST_BASENAME: usize = slot("REQUEST_BASENAME");
    pub(crate) const REQUEST_BODY: usize = slot("REQUEST_BODY");
    pub(crate) const REQUEST_BODY_LENGTH: usize = slot("REQUEST_BODY_LENGTH");
    pub(crate) const REQUEST_FILENAME: usize = slot("REQUEST_FILENAME");
    pub(crate) const REQUEST_LINE: usize = slot("REQUEST_LINE");
    pub(crate) const REQUEST_METHOD: usize = slot("REQUEST_METHOD");
    pub(crate) const REQUEST_PROTOCOL: usize = slot("REQUEST_PROTOCOL");
    pub(crate) const REQUEST_URI: usize = slot("REQUEST_URI");
    pub(crate) const REQUEST_URI_RAW: usize = slot("REQUEST_URI_RAW");
    pub(crate) const RESPONSE_BODY: usize = slot("RESPONSE_BODY");
    pub(crate) const RESPONSE_CONTENT_LENGTH: usize = slot("RESPONSE_CONTENT_LENGTH");
    pub(crate) const RESPONSE_CONTENT_TYPE: usize = slot("RESPONSE_CONTENT_TYPE");
    pub(crate) const RESPONSE_PROTOCOL: usize = slot("RESPONSE_PROTOCOL");
    pub(crate) const RESPONSE_STATUS: usize = slot("RESPONSE_STATUS");
    pub(crate) const SERVER_ADDR: usize = slot("SERVER_ADDR");
    pub(crate) const SERVER_NAME: usize = slot("SERVER_NAME");
    pub(crate) const SERVER_PORT: usize = slot("SERVER_PORT");
    pub(crate) const STATUS_LINE: usize = slot("STATUS_LINE");
    pub(crate) const UNIQUE_ID: usize = slot("UNIQUE_ID");
}

/// The row of this name; one past the last where there is none, which a test forbids.
const fn slot(name: &str) -> usize {
    let mut rows = TABLE;
    let mut index = 0;
    while let [row, rest @ ..] = rows {
        if same(row.name.as_bytes(), name.as_bytes()) {
            return index;
        }
        index += 1;
        rows = rest;
    }
    index
}

const fn same(mut left: &[u8], mut right: &[u8]) -> bool {
    while let ([a, left_rest @ ..], [b, right_rest @ ..]) = (left, right) {
        if *a != *b {
            return false;
        }
        left = left_rest;
        right = right_rest;
    }
    left.is_empty() && right.is_empty()
}

/// The variable's place in the table.
pub(crate) fn row_of(variable: Variable) -> usize {
    VARIABLES.iter().position(|row| row.name == variable.name).unwrap_or(VARIABLES.len())
}

/// The variable of this name, in any case.
pub(crate) fn find(name: &str) -> Option<Variable> {
    VARIABLES.iter().find(|row| row.name.eq_ignore_ascii_case(name))
}

impl List {
    /// The collections that `setvar` may write to.
    pub(crate) fn writable(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "TX" => Self::Tx,
            "IP" => Self::Ip,
            "GLOBAL" => Self::Global,
            "SESSION" => Self::Session,
            "USER" => Self::User,
            "RESOURCE" => Self::Resource,
            _ => return None,
        })
    }

    /// Whether its members are told apart by names.
    pub(crate) const fn has_names(self) -> bool {
        !matches!(self, Self::Scalars | Self::XmlContent | Self::XmlAttributes | Self::Matched | Self::LastMatched)
    }

    /// Whether values in it stay as they are from when they are there.
    pub(crate) const fn is_fixed(self) -> bool {
        (self as u8) <= Self::Scalars as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_stand_in_order_once() {
        for pair in VARIABLES.windows(2) {
            let (before, after) = (pair[0].name.replace('_', " "), pair[1].name.replace('_', " "));
            assert_ne!(before, after);
        }
        assert_eq!(find("request_headers").unwrap().name, "REQUEST_HEADERS");
    }
}
