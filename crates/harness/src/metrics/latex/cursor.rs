//! A place among tokens.

use super::token::LatexToken;

/// Tokens, and how far they are read.
pub(super) struct Cursor {
    tokens: Vec<LatexToken>,
    pub(super) at: usize,
}

impl Cursor {
    pub(super) fn new(tokens: Vec<LatexToken>) -> Self {
        Self { tokens, at: 0 }
    }

    pub(super) fn peek(&self) -> Option<&LatexToken> {
        self.tokens.get(self.at)
    }

    pub(super) fn behind(&self, offset: usize) -> Option<&LatexToken> {
        self.tokens.get(self.at + offset)
    }

    pub(super) fn is_sign(&self, sign: char) -> bool {
        self.peek() == Some(&LatexToken::Sign(sign))
    }

    pub(super) fn is_command(&self, name: &str) -> bool {
        matches!(self.peek(), Some(LatexToken::Command(command)) if command == name)
    }

    /// Goes over a sign, if it is there.
    pub(super) fn skip(&mut self, sign: char) -> bool {
        let found = self.is_sign(sign);
        self.at += usize::from(found);
        found
    }

    /// Goes over a sign that has to be there.
    pub(super) fn expect(&mut self, sign: char) -> Option<()> {
        self.skip(sign).then_some(())
    }

    pub(super) fn expect_command(&mut self, name: &str) -> Option<()> {
        let found = self.is_command(name);
        self.at += usize::from(found);
        found.then_some(())
    }

    pub(super) fn digits(&mut self) -> String {
        let mut digits = String::new();
        while let Some(&LatexToken::Digit(digit)) = self.peek() {
            digits.push(digit);
            self.at += 1;
        }
        digits
    }
}
