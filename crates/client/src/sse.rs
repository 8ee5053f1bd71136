//! Server-sent events, the part of the WHATWG specification that a node sends: `id`, `event`, `data`, comments.
//!
//! Pure: bytes in, messages out; nothing is kept but the line and the message that are not complete yet.

/// Longest message taken, in bytes.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// A message of the stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its name; empty for an ordinary one.
    pub(crate) event: String,
    /// Its data, lines joined by line feeds.
    pub(crate) data: String,
}

/// The stream is not text, or holds a message above the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Takes the stream apart.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// The line that is not complete yet.
    line: Vec<u8>,
    /// The message that is not complete yet.
    message: Message,
}

impl Parser {
    /// Takes bytes and appends the messages that are complete now.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        messages: &mut Vec<Message>,
    ) -> Result<(), Malformed> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if self.line.len() + self.message.data.len() > MESSAGE_BYTES_MAX {
                return Err(Malformed);
            }
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                let line = std::str::from_utf8(&line).map_err(|_not_text| Malformed)?;
                messages.extend(self.take_line(line.trim_end_matches(['\r', '\n'])));
            }
        }
        Ok(())
    }

    /// Takes a line; an empty one completes the message.
    fn take_line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let message = std::mem::take(&mut self.message);
            return (message != Message::default()).then_some(message);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.message.event),
            "data" => {
                if !self.message.data.is_empty() {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
            }
            // Comments, ids (the data holds them too) and fields of the future.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the text whole and byte by byte; both must give the same messages.
    fn check(text: &str, expect: &[(&str, &str)]) {
        let expect: Vec<Message> = expect
            .iter()
            .map(|(event, data)| Message { event: (*event).into(), data: (*data).into() })
            .collect();
        let (mut whole, mut parser) = (Vec::new(), Parser::default());
        parser.take(text.as_bytes(), &mut whole).unwrap();
        assert_eq!(whole, expect, "{text:?}");
        let (mut slow, mut parser) = (Vec::new(), Parser::default());
        for byte in text.as_bytes() {
            parser.take(&[*byte], &mut slow).unwrap();
        }
        assert_eq!(slow, expect, "{text:?} byte by byte");
    }

    #[test]
    fn messages_end_at_an_empty_line_and_comments_are_skipped() {
        check("id: 1\ndata: {}\n\n", &[("", "{}")]);
        check(": heartbeat\n\n:\n\ndata:a\n\n", &[("", "a")]);
        check("event: error\r\ndata: x\r\n\r\n", &[("error", "x")]);
        check("data: a\ndata: b\n\ndata: c", &[("", "a\nb")]);
        check("retry: 5\nmood\n\n", &[]);
    }

    #[test]
    fn a_message_without_end_and_bytes_that_are_no_text_are_refused() {
        let mut parser = Parser::default();
        let endless = vec![b'x'; MESSAGE_BYTES_MAX + 1];
        assert_eq!(parser.take(&endless, &mut Vec::new()), Err(Malformed));
        assert_eq!(Parser::default().take(b"data: \xff\n", &mut Vec::new()), Err(Malformed));
    }
}
