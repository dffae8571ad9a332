//! Splits a string into tokens, like Spark's `RegexTokenizer`.

use crate::java_regex::{ByteSet, JavaRegex};

/// How strings are split.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    /// The pattern of the gaps between tokens, or of the tokens themselves.
    pub pattern: JavaRegex,
    /// Whether the pattern matches the gaps between tokens.
    pub gaps: bool,
    /// Minimum number of UTF-16 units of a token.
    pub min_length: usize,
    /// Whether the string is lower-cased before it is split.
    pub lowercase: bool,
}

impl Tokenizer {
    /// Passes every token of `text` to `give`, in order. `text` must be lower-cased already if that is required.
    ///
    /// Splitting follows Java: there is an empty token before a separator at the start of the string and between two
    /// separators, none at the end, and one for an empty string.
    #[inline]
    pub fn each(&self, text: &str, mut give: impl FnMut(&str)) {
        let give_long = |token: &str| {
            if is_long(token, self.min_length) {
                give(token);
            }
        };
        match (self.pattern.run(), self.gaps) {
            (Some(set), true) => split_runs(text, set, give_long),
            (Some(set), false) => find_runs(text, set, give_long),
            (None, true) => self.split(text, give_long),
            (None, false) => {
                let mut give = give_long;
                self.pattern.matches(text).for_each(|m| give(&text[m]));
            }
        }
    }

    /// `java.util.regex.Pattern.split`.
    fn split(&self, text: &str, mut give: impl FnMut(&str)) {
        let (mut start, mut empty) = (0, 0);
        let mut give_part = |part: &str| {
            if part.is_empty() {
                empty += 1;
                return;
            }
            (0..std::mem::take(&mut empty)).for_each(|_| give(""));
            give(part);
        };
        let mut unsplit = true;
        for gap in self.pattern.matches(text) {
            if gap.end == 0 {
                continue;
            }
            unsplit = false;
            give_part(&text[start..gap.start]);
            start = gap.end;
        }
        if unsplit {
            give(text);
        } else {
            give_part(&text[start..]);
        }
    }
}

fn is_long(token: &str, min_length: usize) -> bool {
    let bytes = token.len();
    bytes >= min_length && (bytes >= 3 * min_length || token.encode_utf16().count() >= min_length)
}

/// Splits at runs of the bytes in `set`.
#[inline]
fn split_runs(text: &str, set: &ByteSet, mut give: impl FnMut(&str)) {
    let bytes = text.as_bytes();
    let mut at = run_end(bytes, 0, |b| set[b as usize]);
    if at == bytes.len() {
        if at == 0 {
            give("");
        }
        return;
    }
    if at > 0 {
        give("");
    }
    while at < bytes.len() {
        let end = run_end(bytes, at, |b| !set[b as usize]);
        give(&text[at..end]);
        at = run_end(bytes, end, |b| set[b as usize]);
    }
}

/// Passes the runs of the bytes in `set` to `give`.
#[inline]
fn find_runs(text: &str, set: &ByteSet, mut give: impl FnMut(&str)) {
    let bytes = text.as_bytes();
    let mut at = run_end(bytes, 0, |b| !set[b as usize]);
    while at < bytes.len() {
        let end = run_end(bytes, at, |b| set[b as usize]);
        give(&text[at..end]);
        at = run_end(bytes, end, |b| !set[b as usize]);
    }
}

#[inline]
fn run_end(bytes: &[u8], from: usize, holds: impl Fn(u8) -> bool) -> usize {
    bytes[from..].iter().position(|b| !holds(*b)).map_or(bytes.len(), |length| from + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(pattern: &str, gaps: bool, min_length: usize, text: &str) -> Vec<String> {
        let Ok(pattern) = JavaRegex::new(pattern) else { return vec!["?".to_owned()] };
        let mut tokens = Vec::new();
        Tokenizer { pattern, gaps, min_length, lowercase: false }.each(text, |token| tokens.push(token.to_owned()));
        tokens
    }

    #[test]
    fn splitting_at_runs_and_by_the_engine_is_the_same_and_that_of_java() {
        let cases: [(&str, &[&str]); 7] = [
            ("", &[""]),
            (" ", &[]),
            (" a  b ", &["", "a", "b"]),
            ("a", &["a"]),
            ("é\t\nñ", &["é", "ñ"]),
            ("\u{a0}x y", &["\u{a0}x", "y"]),
            ("  ", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(tokens(r"\s+", true, 0, text), expected, "{text:?}");
            assert_eq!(tokens(r"\s\s*", true, 0, text), expected, "{text:?}");
        }
        assert_eq!(tokens(",", true, 0, "a,,b,,"), ["a", "", "b"]);
        assert_eq!(tokens(",", true, 0, ",,"), Vec::<String>::new());
        assert_eq!(tokens("", true, 0, "abc"), ["a", "b", "c"]);
        assert_eq!(tokens(r"\s*", true, 0, "a b"), ["a", "", "b"]);
        assert_eq!(tokens("a*", true, 0, "ab"), ["", "", "b"]);
        assert_eq!(tokens("x*", true, 0, ""), [""]);
    }

    #[test]
    fn tokens_can_be_what_matches() {
        assert_eq!(tokens(r"\w+", false, 0, " ab, c1!"), ["ab", "c1"]);
        assert_eq!(tokens(r"\w\w*", false, 0, " ab, c1!"), ["ab", "c1"]);
        assert_eq!(tokens("a*", false, 0, "ab"), ["a", "", ""]);
    }

    #[test]
    fn length_counts_units_of_utf_16() {
        assert_eq!(tokens(r"\s+", true, 2, " a é 中 😀 ab"), ["😀", "ab"]);
        assert_eq!(tokens(r"\s+", true, 1, " a"), ["a"]);
    }
}
