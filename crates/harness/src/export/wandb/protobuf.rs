//! Protocol buffers, as far as these records need them
//! (<https://protobuf.dev/programming-guides/encoding/>).

/// Wire type of numbers.
const VARINT: u64 = 0;
/// Wire type of texts and messages.
const LENGTH: u64 = 2;

/// A message that is written, field by field.
#[derive(Clone, Default)]
pub(super) struct ProtoMessage(Vec<u8>);

impl ProtoMessage {
    /// Adds a number.
    #[must_use]
    pub(super) fn number(mut self, field: u32, value: u64) -> Self {
        self.varint(u64::from(field) << 3 | VARINT);
        self.varint(value);
        self
    }

    /// Adds a text.
    #[must_use]
    pub(super) fn text(self, field: u32, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    /// Adds a message.
    #[must_use]
    pub(super) fn message(self, field: u32, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }

    /// The message as it is written.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn bytes(mut self, field: u32, bytes: &[u8]) -> Self {
        self.varint(u64::from(field) << 3 | LENGTH);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// Seven bits at a time, the lowest first; the eighth says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_as_the_format_says() {
        // The examples of the format's own description: 150 in field 1, `testing` in field 2, a message in field 3.
        let number = ProtoMessage::default().number(1, 150);
        assert_eq!(number.as_bytes(), [0x08, 0x96, 0x01]);
        let text = ProtoMessage::default().text(2, "testing");
        assert_eq!(text.as_bytes(), [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]);
        let message = ProtoMessage::default().message(3, &number);
        assert_eq!(message.as_bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(ProtoMessage::default().number(200, 0).as_bytes(), [0xc0, 0x0c, 0x00]);
    }
}
