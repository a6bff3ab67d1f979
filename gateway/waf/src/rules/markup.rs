//! Markup and protocol: what runs in a browser or breaks out of a header, and documents that read files.

use super::{Rule, Surfaces, confirmed, literal, word};
use crate::Severity::Critical;
use crate::class::Classes;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "xss/script",
        severity: Critical,
        tags: &["xss"],
        surfaces: Surfaces::VALUES.without(Surfaces::XML).or(Surfaces::SEGMENT),
        patterns: &[
            confirmed(&["<script", "</script"], r"</?script(?:$|[\s/>])"),
            confirmed(
                &["javascript:", "vbscript:", "data:text/html"],
                // A call or an assignment behind the colon: `JavaScript: the good parts` is a book.
                r#"(?:java|vb)script:[^\s"'<>]*[(`=]|(?:java|vb)script:\s*//|data:text/html[;,]|url\(\s*['"]?\s*(?:java|vb)script:"#,
            ),
        ],
    },
    Rule {
        id: "xss/browser-object",
        severity: Critical,
        tags: &["xss"],
        surfaces: Surfaces::VALUES.without(Surfaces::XML).without(Surfaces::AGENT),
        patterns: &[
            confirmed(
                &["document.", "window.", "self[", "top[", "this["],
                r#"\bdocument\s*\.\s*(?:cookie|write(?:ln)?\s*\(|domain\b\s*[)=]|location\s*=|body\.)|\bwindow\s*\.\s*(?:location|name|open)\s*[=(]|\b(?:window|self|top|this|parent|frames)\s*\[\s*['"`/]"#,
            ),
            word(
                &["cookie"],
                r#"\b(?:document|window)\b(?:\s|/\*[^*]*\*/|\))*(?:\.(?:\s|/\*[^*]*\*/)*|\[\s*['"`])cookie\b"#,
                Classes::OTHER,
            ),
            // Script written without letters.
            literal(&["(![]+", "(!![]+", "[![]]+", "+!![]", "+(![]"]),
            confirmed(
                &[".innerhtml", ".outerhtml", ".insertadjacenthtml"],
                r"\.(?:inner|outer)html\s*\+?=|\.insertadjacenthtml\s*\(",
            ),
            literal(&["string.fromcharcode", ".fromcharcode(", "localstorage.getitem(", "sessionstorage.getitem("]),
            confirmed(
                &["alert(", "confirm(", "prompt(", "alert`", "confirm`", "prompt`", "eval("],
                r#"\b(?:alert|confirm|prompt|eval)(?:\((?:\d|['"`/\[]|document|location|origin|top\b|self|window|this|atob|string\.|name\))|`)"#,
            ),
        ],
    },
    Rule {
        id: "xml/entity",
        severity: Critical,
        tags: &["xxe"],
        surfaces: Surfaces::VALUES,
        patterns: &[literal(&["<!entity"]), confirmed(&["<!doctype"], r"<!doctype[^>\[]*(?:\bsystem\b|\[)")],
    },
    Rule {
        id: "http/response-splitting",
        severity: Critical,
        tags: &["protocol"],
        // Bodies hold whole e-mails and letters; a header's line in a query has no such excuse.
        surfaces: Surfaces::QUERY.or(Surfaces::NAME).or(Surfaces::COOKIE).or(Surfaces::PATH).or(Surfaces::REFERER),
        patterns: &[word(
            &["set-cookie", "location:", "content-type:", "content-length:", "http/1.", "http/2", "transfer-encoding:"],
            r"[\r\n]\s*(?:set-cookie|location|content-(?:type|length)|transfer-encoding)\s*:|[\r\n]\s*http/[12]",
            Classes::OTHER,
        )],
    },
];
