//! What the gateway says about each event.

use serde::Deserialize;
use uuid::Uuid;

use super::rows::Waiting;

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is in the gateway's log, since now or since before.
    Delivered,
    /// It must be said again.
    Later { code: String },
    /// It will not be taken as it is.
    Refused { code: String, detail: String },
}

/// Why an answer cannot be relied on: then nothing counts as delivered.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerError {
    #[error("it is longer than an answer can be")]
    TooLong,
    #[error("it is not the JSON that it should be")]
    Malformed(#[from] serde_json::Error),
    #[error("it is about {found} events, and {sent} were sent")]
    Count { sent: usize, found: usize },
    #[error("it is about event `{found:?}` where `{sent}` was sent")]
    Other { sent: Uuid, found: Option<Uuid> },
}

#[derive(Deserialize)]
struct Answer {
    results: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    event: Option<Uuid>,
    result: Word,
    #[serde(default)]
    code: String,
    #[serde(default)]
    detail: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Accepted,
    Duplicate,
    Later,
    Refused,
}

/// Reads an answer and holds it against what was sent.
pub(super) fn outcomes(octets: &[u8], sent: &[Waiting]) -> Result<Vec<Outcome>, AnswerError> {
    let Answer { results } = serde_json::from_slice(octets)?;
    if results.len() != sent.len() {
        return Err(AnswerError::Count { sent: sent.len(), found: results.len() });
    }
    let about = |(entry, sent): (Entry, &Waiting)| {
        let Entry { event, result, code, detail } = entry;
        match result {
            // What cannot be read has no id; it is the one in this place.
            Word::Refused if event.is_none_or(|event| event == sent.id) => Ok(Outcome::Refused { code, detail }),
            Word::Accepted | Word::Duplicate if event == Some(sent.id) => Ok(Outcome::Delivered),
            Word::Later if event == Some(sent.id) => Ok(Outcome::Later { code }),
            _ => Err(AnswerError::Other { sent: sent.id, found: event }),
        }
    };
    results.into_iter().zip(sent).map(about).collect()
}

/// The code of a problem document, for the log.
pub(super) fn code(octets: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Problem {
        code: String,
    }
    let code = serde_json::from_slice::<Problem>(octets).map(|problem| problem.code);
    code.map_or_else(|_| "no code".to_owned(), |code| code.chars().take(64).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(count: u128) -> Vec<Waiting> {
        let event = |number| Waiting {
            tenant: Uuid::nil(),
            id: Uuid::from_u128(number),
            decision: Uuid::nil(),
            line: "{}".to_owned(),
        };
        (1..=count).map(event).collect()
    }

    #[test]
    fn an_answer_is_about_exactly_what_was_sent() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let good = format!(
            r#"{{"results":[{{"event":"{one}","result":"accepted"}},{{"event":null,"result":"refused","code":"event_malformed","detail":"x"}}]}}"#
        );
        let refused = Outcome::Refused { code: "event_malformed".into(), detail: "x".into() };
        assert_eq!(outcomes(good.as_bytes(), &sent(2)).unwrap(), [Outcome::Delivered, refused]);
        for bad in [
            "{}".to_owned(),
            r#"{"results":[]}"#.to_owned(),
            good.replace(&one.to_string(), &two.to_string()),
            good.replace("accepted", "taken"),
            good.replace("\"refused\"", "\"accepted\""),
            good.replace("\"refused\"", "\"later\""),
        ] {
            assert!(outcomes(bad.as_bytes(), &sent(2)).is_err(), "{bad}");
        }
    }
}
