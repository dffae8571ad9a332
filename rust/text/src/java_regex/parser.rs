//! Reads a pattern from left to right and writes its translation.

use std::fmt::Write as _;

/// The flags that are in force.
#[derive(Clone, Copy, Default)]
pub struct Flags {
    /// `(?i)`.
    pub ignore_case: bool,
    /// `(?s)`.
    pub dot_all: bool,
}

/// Where the reader is, and what it has written.
pub struct Parser {
    chars: Vec<char>,
    /// The next character.
    pub at: usize,
    /// The translation.
    pub out: String,
    /// The flags that are in force.
    pub flags: Flags,
}

impl Parser {
    /// At the start of a pattern.
    pub fn new(pattern: &str) -> Self {
        Self { chars: pattern.chars().collect(), at: 0, out: String::new(), flags: Flags::default() }
    }

    /// The next character.
    pub fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    /// The next character, which is gone past.
    pub fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += 1;
        c
    }

    /// Is `text` what comes next?
    pub fn sees(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(i, c)| self.chars.get(self.at + i) == Some(&c))
    }

    /// Goes past `text` if that is what comes next.
    pub fn eat(&mut self, text: &str) -> bool {
        let found = self.sees(text);
        if found {
            self.at += text.chars().count();
        }
        found
    }

    /// What stands before `end`, which is gone past.
    pub fn until(&mut self, end: char) -> Result<String, String> {
        let rest = &self.chars[self.at.min(self.chars.len())..];
        let Some(length) = rest.iter().position(|c| *c == end) else {
            return Err(self.wrong(&format!("no closing `{end}`")));
        };
        let text = rest[..length].iter().collect();
        self.at += length + 1;
        Ok(text)
    }

    /// Is case ignored here?
    pub fn ignore_case(&self) -> bool {
        self.flags.ignore_case
    }

    /// The error of a pattern that Java does not read.
    pub fn wrong(&self, what: &str) -> String {
        format!("is not one that Java reads: {what} at character {}", self.at.min(self.chars.len()))
    }

    /// The error of a pattern that needs backtracking.
    pub fn refused(&self, what: &str) -> String {
        format!(
            "has a {what} at character {}, which needs an engine that backtracks; here every pattern takes linear time",
            self.at
        )
    }

    /// Writes a character that stands for itself.
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
