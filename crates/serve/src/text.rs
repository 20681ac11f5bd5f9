//! Bytes that come in pieces, as text.

/// Turns bytes into the text that all of them together are, as they come: what may be the beginning of a character waits.
#[derive(Debug, Default)]
pub(crate) struct Utf8Pieces {
    pending: Vec<u8>,
}

impl Utf8Pieces {
    /// The text that is sure with `bytes` more. Bytes that are no character become U+FFFD, as in
    /// [`String::from_utf8_lossy`].
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        loop {
            match std::str::from_utf8(&self.pending) {
                Ok(all) => {
                    text.push_str(all);
                    self.pending.clear();
                    return text;
                }
                Err(error) => {
                    let (good, bad) = self.pending.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(good));
                    let Some(length) = error.error_len() else {
                        self.pending = bad.to_vec();
                        return text;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    self.pending = bad[length..].to_vec();
                }
            }
        }
    }

    /// What is left at the end.
    pub(crate) fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_add_up_to_the_text_of_all_bytes() {
        let all = b"a\xc3\xa9\xe2\x82\xac\xff\xf0\x9f\x98\x80\xe2\x82";
        for size in 1..all.len() {
            let mut pieces = Utf8Pieces::default();
            let mut text: String = all.chunks(size).map(|piece| pieces.push(piece)).collect();
            assert!(!text.ends_with(char::REPLACEMENT_CHARACTER), "half a character waits");
            text.push_str(&pieces.finish());
            assert_eq!(text, String::from_utf8_lossy(all));
        }
    }
}
