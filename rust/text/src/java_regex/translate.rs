//! Translates a Java pattern to a pattern of the `regex` crate with the same matches.

use std::fmt::Write as _;

use super::class;
use super::parser::Parser;

/// Characters that Java's `.` does not match.
const LINE_ENDS: &str = r"\n\r\x{85}\x{2028}\x{2029}";

/// Translates a pattern. The error completes the sentence "the pattern ...".
pub fn translate(pattern: &str) -> Result<String, String> {
    let mut parser = Parser::new(pattern);
    parser.alternatives()?;
    match parser.peek() {
        None => Ok(parser.out),
        Some(_) => Err(parser.wrong("a `)` without a `(`")),
    }
}

impl Parser {
    fn alternatives(&mut self) -> Result<(), String> {
        while let Some(c) = self.peek() {
            match c {
                ')' => return Ok(()),
                '|' => {
                    self.at += 1;
                    self.out.push('|');
                }
                _ => self.repeated_atom()?,
            }
        }
        Ok(())
    }

    fn repeated_atom(&mut self) -> Result<(), String> {
        if self.eat(r"\Q") {
            return self.quoted();
        }
        if self.atom()? {
            self.quantifier()?;
        }
        Ok(())
    }

    /// Text between `\Q` and `\E`. A quantifier after it applies to its last character.
    fn quoted(&mut self) -> Result<(), String> {
        while self.peek().is_some() && !self.eat(r"\E") {
            if let Some(c) = self.next() {
                self.literal(c);
            }
        }
        self.quantifier()
    }

    /// One atom. Returns false if it takes no quantifier.
    fn atom(&mut self) -> Result<bool, String> {
        match self.next() {
            Some('(') => return self.group(),
            Some('[') => class::bracketed(self)?,
            Some('\\') => class::escape(self)?,
            Some('.') if self.flags.dot_all => self.out.push_str("(?s:.)"),
            Some('.') => {
                let _ = write!(self.out, "[^{LINE_ENDS}]");
            }
            Some('^') => self.out.push_str(r"\A"),
            Some('$') => {
                let reason = "has a `$`, which in Java also matches before a final line terminator; use `\\z` for the end of the text";
                return Err(reason.to_owned());
            }
            Some(c @ ('*' | '+' | '?' | '{')) => return Err(self.wrong(&format!("a `{c}` that repeats nothing"))),
            Some(c) => self.literal(c),
            None => return Err(self.wrong("the end of the pattern")),
        }
        Ok(true)
    }

    fn group(&mut self) -> Result<bool, String> {
        let outside = self.flags;
        if self.eat("?=") || self.eat("?!") {
            return Err(self.refused("look-ahead"));
        }
        if self.eat("?<=") || self.eat("?<!") {
            return Err(self.refused("look-behind"));
        }
        if self.eat("?>") {
            return Err(self.refused("atomic group"));
        }
        if self.eat("?<") {
            let name = self.until('>')?;
            let mut letters = name.chars();
            if !letters.next().is_some_and(|c| c.is_ascii_alphabetic()) || !letters.all(|c| c.is_ascii_alphanumeric()) {
                return Err(self.wrong(&format!("a group named `{name}`")));
            }
        } else if self.eat("?") && self.flags()? {
            return Ok(false);
        }
        self.out.push_str("(?:");
        self.alternatives()?;
        if self.next() != Some(')') {
            return Err(self.wrong("no closing `)`"));
        }
        self.out.push(')');
        self.flags = outside;
        Ok(true)
    }

    /// Flags after `(?`, up to `:` or `)`. Returns true for `)`: the flags then apply to the rest of the enclosing group.
    fn flags(&mut self) -> Result<bool, String> {
        let mut on = true;
        loop {
            match self.next() {
                Some('i') => self.flags.ignore_case = on,
                Some('s') => self.flags.dot_all = on,
                Some('-') => on = false,
                Some(':') => return Ok(false),
                Some(')') => return Ok(true),
                Some(c) => return Err(format!("has the flag `{c}`; the flags are `i` and `s`")),
                None => return Err(self.wrong("no closing `)`")),
            }
        }
    }

    fn quantifier(&mut self) -> Result<(), String> {
        match self.peek() {
            Some(c @ ('*' | '+' | '?')) => {
                self.at += 1;
                self.out.push(c);
            }
            Some('{') => self.counts()?,
            _ => return Ok(()),
        }
        match self.peek() {
            Some('?') => {
                self.at += 1;
                self.out.push('?');
            }
            Some('+') => return Err(self.refused("possessive quantifier")),
            _ => {}
        }
        match self.peek() {
            Some(c @ ('*' | '+' | '?' | '{')) => Err(self.wrong(&format!("a `{c}` that repeats nothing"))),
            _ => Ok(()),
        }
    }

    /// `{n}`, `{n,}` or `{n,m}`.
    fn counts(&mut self) -> Result<(), String> {
        self.at += 1;
        let counts = self.until('}')?;
        let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        let fits = match counts.split_once(',') {
            None => number(&counts).is_some(),
            Some((min, "")) => number(min).is_some(),
            Some((min, max)) => number(min).zip(number(max)).is_some_and(|(min, max)| min <= max),
        };
        if !fits {
            return Err(self.wrong(&format!("a repetition `{{{counts}}}`")));
        }
        let _ = write!(self.out, "{{{counts}}}");
        Ok(())
    }
}
