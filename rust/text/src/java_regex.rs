//! Java regular expressions, run by an engine that never backtracks.

mod class;
mod parser;
mod run;
mod translate;

use std::ops::Range;

use mmlrs_core::{ParamField, ParamType};
use regex::Regex;
use serde_json::Value;

pub(crate) use run::ByteSet;

/// A pattern with Java's meaning: `\s`, `\d` and `\w` are ASCII, and `.` does not match Java's line terminators.
///
/// A match takes time linear in the text for any pattern. All matches together may take quadratic time if the pattern looks far
/// ahead. Patterns that need backtracking (look-around, back-references, possessive quantifiers, atomic groups) are errors, and
/// so are the few constructs whose meaning depends on unsupported flags.
#[derive(Debug, Clone)]
pub struct JavaRegex {
    pattern: String,
    regex: Regex,
    run: Option<Box<ByteSet>>,
}

impl JavaRegex {
    /// Translates a pattern. The error completes the sentence "the pattern ...".
    pub fn new(pattern: &str) -> Result<Self, String> {
        let translated = translate::translate(pattern)?;
        let regex = Regex::new(&translated).map_err(|e| match e {
            regex::Error::CompiledTooBig(limit) => format!("needs more than {limit} bytes when compiled"),
            other => format!("cannot be used: {}", other.to_string().lines().last().unwrap_or_default()),
        })?;
        Ok(Self { pattern: pattern.to_owned(), run: run::run_of(&translated).map(Box::new), regex })
    }

    /// The original pattern.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// For patterns such as `\s+`: the bytes whose runs are the matches.
    pub(crate) fn run(&self) -> Option<&ByteSet> {
        self.run.as_deref()
    }

    /// The successive matches in `text`, as found by Java's `find`. Unlike in Java, a match never begins or ends inside a
    /// character outside the basic plane.
    pub fn matches<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Range<usize>> + 't {
        let mut next = Some(0);
        std::iter::from_fn(move || {
            let range = self.regex.find_at(text, next?)?.range();
            next = if range.is_empty() {
                text[range.end..].chars().next().map(|c| range.end + c.len_utf8())
            } else {
                Some(range.end)
            };
            Some(range)
        })
    }
}

impl ParamField for JavaRegex {
    const TYPE: ParamType = ParamType::Str;
    fn from_value(value: &Value) -> Result<Self, String> {
        let pattern = value.as_str().ok_or_else(|| format!("must be a regular expression, got {value}"))?;
        Self::new(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches_of(pattern: &str, text: &str) -> Vec<String> {
        match JavaRegex::new(pattern) {
            Ok(regex) => regex.matches(text).map(|m| text[m].to_owned()).collect(),
            Err(message) => vec![message],
        }
    }

    #[test]
    fn the_classes_of_java_are_ascii() {
        assert_eq!(matches_of(r"\s+", "a b\u{a0}c\u{2003}d\u{b}e"), [" ", "\u{b}"]);
        assert_eq!(matches_of(r"\w+", "naïve_1 x"), ["na", "ve_1", "x"]);
        assert_eq!(matches_of(r"\d", "1٣2"), ["1", "2"]);
        assert_eq!(matches_of(r"\W", "aé b"), ["é", " "]);
        assert_eq!(matches_of(r"\p{Alpha}+", "éab"), ["ab"]);
        assert_eq!(matches_of(r"\p{IsAlphabetic}+", "éab1"), ["éab"]);
        assert_eq!(matches_of(r"\p{L}\p{Nd}", "é٣"), ["é٣"]);
    }

    #[test]
    fn empty_matches_follow_one_another_as_in_java() {
        assert_eq!(matches_of("a*", "ab"), ["a", "", ""]);
        assert_eq!(matches_of(r"\s*", "a b"), ["", " ", "", ""]);
        assert_eq!(matches_of("", "é"), ["", ""]);
        assert_eq!(matches_of("x?", ""), [""]);
    }

    #[test]
    fn quantifiers_groups_flags_and_classes_mean_what_they_mean_in_java() {
        assert_eq!(matches_of("(?i)é|x+", "XxÉé"), ["Xx", "é"]);
        assert_eq!(matches_of("a(?i:b)C", "aBC aBc"), ["aBC"]);
        assert_eq!(matches_of("(?<year>[0-9]{2,3}?)", "12345"), ["12", "34"]);
        assert_eq!(matches_of("[a-z&&[^aeiou]]+", "banana"), ["b", "n", "n"]);
        assert_eq!(matches_of(r"[^\w\s]+", "a, b! é"), [",", "!", "é"]);
        assert_eq!(matches_of(r"[]\-x]+", "a]-x"), ["]-x"]);
        assert_eq!(matches_of(r"\Q.*\E+", "a.**"), [".**"]);
        assert_eq!(matches_of(".+", "a\u{2028}b\r\nc"), ["a", "b", "c"]);
        assert_eq!(matches_of("(?s).+", "a\nb"), ["a\nb"]);
        assert_eq!(matches_of(r"\u00e9\x41\t\0101\x{1F600}", "éA\tA😀"), ["éA\tA😀"]);
        assert_eq!(matches_of(r"\R", "a\r\nb\n"), ["\r\n", "\n"]);
        assert_eq!(matches_of("[-/,]+ #", "a,-/ #"), [",-/ #"]);
    }

    #[test]
    fn what_needs_backtracking_is_named() {
        for (pattern, word) in [
            ("(?=a)", "look-ahead"),
            ("(?!a)", "look-ahead"),
            ("(?<=a)b", "look-behind"),
            ("(?<!a)b", "look-behind"),
            (r"(a)\1", "back-reference"),
            (r"(?<x>a)\k<x>", "back-reference"),
            ("a++", "possessive"),
            ("(?>a)", "atomic"),
            ("a$", "`$`"),
            (r"a\Z", r"`\Z`"),
            ("(?m)^a", "flag `m`"),
            ("(?u)a", "flag `u`"),
            (r"\p{InGreek}", "InGreek"),
        ] {
            let message = JavaRegex::new(pattern).err().unwrap_or_default();
            assert!(message.contains(word), "{pattern}: {message}");
        }
    }

    #[test]
    fn what_java_refuses_is_refused() {
        for pattern in
            ["(", ")", "[a", "*a", "a**", "a{", "a{3,1}", r"\", r"\y", "(?<1>a)", r"\p{Nope}", "[b-a]", r"[a-\w]"]
        {
            assert!(JavaRegex::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_would_stall_a_backtracking_engine_takes_no_time() {
        let text = "a".repeat(100_000);
        assert_eq!(matches_of("(a+)+b", &text).len(), 0);
        assert_eq!(matches_of("(a|aa)+$?".trim_end_matches("$?"), &text).len(), 1);
    }

    #[test]
    fn runs_of_one_class_are_known() {
        let run = |pattern: &str| JavaRegex::new(pattern).ok().and_then(|r| r.run().copied());
        assert!(run(r"\s+").is_some_and(|set| set[b' ' as usize] && !set[b'a' as usize] && !set[0xc3]));
        assert!(run(r"(\W)+").is_some_and(|set| set[0xc3] && !set[b'a' as usize]));
        assert!(run(",+").is_some_and(|set| set[b',' as usize] && !set[b'a' as usize]));
        for pattern in [r"\s", r"\s*", "é+", r"\p{L}+", "ab+", r"\s+?", r"\s+\b"] {
            assert!(run(pattern).is_none(), "{pattern}");
        }
    }
}
