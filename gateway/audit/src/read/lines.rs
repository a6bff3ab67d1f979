//! Lines of a file that may be growing, torn or padded.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Take};
use std::os::unix::fs::FileExt;

/// Reads a file's lines up to a limit, with constant memory.
pub(crate) struct Lines {
    reader: Take<BufReader<File>>,
    line: Vec<u8>,
    line_bytes_max: usize,
    /// The current line's number, from 1.
    pub(crate) number: u64,
    /// Where the next line begins.
    pub(crate) offset: u64,
}

/// What stands next in the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NextLine<'a> {
    /// A whole line, without its line end.
    Whole(&'a [u8]),
    /// Octets without a line end before the limit, or too many for a line.
    Fragment,
    /// Nothing more.
    End,
}

impl Lines {
    /// Reads from the file's beginning to `limit_bytes`.
    pub(crate) fn new(file: File, limit_bytes: u64, line_bytes_max: usize) -> Self {
        let reader = BufReader::with_capacity(256 << 10, file).take(limit_bytes);
        Self { reader, line: Vec::new(), line_bytes_max, number: 0, offset: 0 }
    }

    /// The next line.
    pub(crate) fn next(&mut self) -> io::Result<NextLine<'_>> {
        self.line.clear();
        let cap = u64::try_from(self.line_bytes_max).unwrap_or(u64::MAX).saturating_add(1);
        let read = (&mut self.reader).take(cap).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(NextLine::End);
        }
        self.number += 1;
        self.offset += u64::try_from(read).unwrap_or(0);
        Ok(match self.line.strip_suffix(b"\n") {
            Some(line) => NextLine::Whole(line),
            None => NextLine::Fragment,
        })
    }

    /// The line that [`Lines::next`] gave last, without its line end.
    pub(crate) fn current(&self) -> &[u8] {
        self.line.strip_suffix(b"\n").unwrap_or(&self.line)
    }

    /// Goes back to an earlier line, so that [`Lines::next`] gives it again.
    pub(crate) fn rewind(&mut self, offset: u64, number: u64) -> io::Result<()> {
        let limit = self.reader.limit() + self.offset - offset;
        self.reader.get_mut().seek(SeekFrom::Start(offset))?;
        self.reader.set_limit(limit);
        self.offset = offset;
        self.number = number.saturating_sub(1);
        Ok(())
    }
}

/// Whether these octets are only what a segment is padded with: line ends by us, zeros by the file system.
pub(crate) fn is_padding(octets: &[u8]) -> bool {
    octets.iter().all(|octet| matches!(octet, b'\n' | 0))
}

/// Where a file's content ends and its padding begins, in the first `length` octets.
pub(crate) fn content_end(file: &File, length: u64) -> io::Result<u64> {
    let mut block = vec![0; 64 << 10];
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(64 << 10);
        let size = usize::try_from(end - start).unwrap_or(0);
        let Some(part) = block.get_mut(..size) else { break };
        file.read_exact_at(part, start)?;
        if let Some(last) = part.iter().rposition(|octet| !matches!(octet, b'\n' | 0)) {
            // The line end that belongs to the last line is content.
            let after = start + u64::try_from(last).unwrap_or(0) + 1;
            return Ok((after + 1).min(length));
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &[u8]) -> File {
        use std::io::Write;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn content_ends_with_its_last_lines_end() {
        for (content, end) in [
            (&b""[..], 0),
            (b"\n\n\0\0", 0),
            (b"ab\n", 3),
            (b"ab\n\n\n", 3),
            (b"ab", 2),
            (b"ab\0\0", 3),
            (b"a\n\nb\n\0", 5),
        ] {
            assert_eq!(content_end(&file(content), content.len() as u64).unwrap(), end, "{content:?}");
        }
        let long = [vec![b'x'; 10], vec![b'\n'; 300 << 10]].concat();
        assert_eq!(content_end(&file(&long), long.len() as u64).unwrap(), 11);
    }

    #[test]
    fn lines_stop_at_the_limit_and_at_overlong_ones() {
        let mut lines = Lines::new(file(b"one\ntwo\nthree\n"), 10, 100);
        assert_eq!(lines.next().unwrap(), NextLine::Whole(b"one"));
        assert_eq!(lines.next().unwrap(), NextLine::Whole(b"two"));
        assert_eq!(lines.next().unwrap(), NextLine::Fragment);
        assert_eq!(lines.next().unwrap(), NextLine::End);
        lines.rewind(4, 2).unwrap();
        assert_eq!(lines.next().unwrap(), NextLine::Whole(b"two"));
        assert_eq!((lines.number, lines.offset), (2, 8));

        let mut short = Lines::new(file(b"longer\nx\n"), 100, 3);
        assert_eq!(short.next().unwrap(), NextLine::Fragment);
    }
}
