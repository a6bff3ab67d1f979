//! Cedar's own diagnostics as ours: an offset, if it knows one, and one sentence.

use miette::Diagnostic;

/// Where (an octet offset into the text that was parsed) and what, with Cedar's help behind it.
pub(crate) fn of(error: &(impl Diagnostic + ?Sized)) -> (Option<usize>, String) {
    let offset = error.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
    let mut message = error.to_string();
    let label = error.labels().and_then(|mut labels| labels.find_map(|label| label.label().map(str::to_owned)));
    for more in [label, error.help().map(|help| help.to_string())].into_iter().flatten() {
        message.push_str("; ");
        message.push_str(&more);
    }
    (offset, message)
}
