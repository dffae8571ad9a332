//! Parses a pattern from left to right and writes its translation.

use std::fmt::Write as _;

/// The active flags.
#[derive(Clone, Copy, Default)]
pub struct Flags {
    /// `(?i)`.
    pub ignore_case: bool,
    /// `(?s)`.
    pub dot_all: bool,
}

/// The position of the parser, and its output.
pub struct Parser {
    chars: Vec<char>,
    /// The next character.
    pub at: usize,
    /// The translation.
    pub out: String,
    /// The active flags.
    pub flags: Flags,
}

impl Parser {
    /// At the start of a pattern.
    pub fn new(pattern: &str) -> Self {
        Self { chars: pattern.chars().collect(), at: 0, out: String::new(), flags: Flags::default() }
    }

    /// The next character, without consuming it.
    pub fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    /// Consumes the next character.
    pub fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += 1;
        c
    }

    /// Whether `text` comes next.
    pub fn sees(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(i, c)| self.chars.get(self.at + i) == Some(&c))
    }

    /// Consumes `text` if it comes next.
    pub fn eat(&mut self, text: &str) -> bool {
        let sees = self.sees(text);
        if sees {
            self.at += text.chars().count();
        }
        sees
    }

    /// Consumes and returns the text before `end`, and consumes `end`.
    pub fn until(&mut self, end: char) -> Result<String, String> {
        let rest = &self.chars[self.at.min(self.chars.len())..];
        let Some(length) = rest.iter().position(|c| *c == end) else {
            return Err(self.wrong(&format!("no closing `{end}`")));
        };
        let text = rest[..length].iter().collect();
        self.at += length + 1;
        Ok(text)
    }

    /// Whether case is ignored here.
    pub fn ignore_case(&self) -> bool {
        self.flags.ignore_case
    }

    /// The error for a pattern that is invalid in Java.
    pub fn wrong(&self, what: &str) -> String {
        format!("is not a valid Java pattern: {what} at character {}", self.at.min(self.chars.len()))
    }

    /// The error for a pattern that needs backtracking.
    pub fn refused(&self, what: &str) -> String {
        format!(
            "has a {what} at character {}, which needs a backtracking engine; here every pattern takes linear time",
            self.at
        )
    }

    /// Writes a literal character.
    pub fn literal(&mut self, c: char) {
        if self.flags.ignore_case && c.is_ascii_alphabetic() {
            let _ = write!(self.out, "[{}{}]", c.to_ascii_lowercase(), c.to_ascii_uppercase());
        } else if c.is_ascii_alphanumeric() {
            self.out.push(c);
        } else {
            let _ = write!(self.out, "\\x{{{:x}}}", c as u32);
        }
    }
}
