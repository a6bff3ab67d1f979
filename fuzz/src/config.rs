//! The configuration: any text gives a configuration or mistakes, each with its place.

/// A configuration's text.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Err(mistakes) = cedargate_app::fuzzing::config(text) else { return };
    assert!(!mistakes.is_empty(), "refused without a reason");
    for mistake in mistakes.lines() {
        let mut place = mistake.splitn(4, ':');
        let number = |part: Option<&str>| part.and_then(|part| part.parse::<usize>().ok());
        let (file, line, column) = (place.next(), number(place.next()), number(place.next()));
        let known = (file, line.zip(column));
        assert!(matches!(known, (Some("c.toml"), Some((1.., 1..)))), "a mistake without its place: {mistake:?}");
        let lines = text.split('\n').count();
        assert!(line <= Some(lines + 1), "a place behind the text's end: {mistake:?}");
    }
}
