//! Lower case as in Java's `String.toLowerCase`, for locales without special rules.

use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

const SIGMA: char = 'Σ';

/// Appends `text` in lower case.
///
/// The only context-dependent mapping is that of the Greek capital sigma, which is `ς` at the end of a word. Word boundaries
/// are those of the JDK's break rules, which Java uses here, not those of Unicode's default.
pub fn lower_into(text: &str, out: &mut String) {
    let start = out.len();
    if text.is_ascii() {
        out.push_str(text);
        out.as_mut_str()[start..].make_ascii_lowercase();
        return;
    }
    for (at, c) in text.char_indices() {
        match c {
            SIGMA => out.push(if sigma_is_final(text, at) { 'ς' } else { 'σ' }),
            c if c.is_ascii() => out.push(c.to_ascii_lowercase()),
            c => out.extend(c.to_lowercase()),
        }
    }
}

/// Whether the sigma at `at` is preceded by a cased letter of its word, and not followed by one.
fn sigma_is_final(text: &str, at: usize) -> bool {
    let mut before = at;
    while !is_boundary(text, before) {
        let Some(c) = text[..before].chars().next_back() else { return false };
        if is_cased(c) {
            return !cased_follows(text, at + SIGMA.len_utf8());
        }
        before -= c.len_utf8();
    }
    false
}

fn cased_follows(text: &str, mut at: usize) -> bool {
    while !is_boundary(text, at) {
        let Some(c) = text[at..].chars().next() else { return false };
        if is_cased(c) {
            return true;
        }
        at += c.len_utf8();
    }
    false
}

/// Cased letters as defined in `java.lang.ConditionalSpecialCasing`.
fn is_cased(c: char) -> bool {
    use GeneralCategory::{LowercaseLetter, TitlecaseLetter, UppercaseLetter};
    matches!(c.general_category(), LowercaseLetter | UppercaseLetter | TitlecaseLetter)
        || matches!(c, '\u{2b0}'..='\u{2b8}' | '\u{2c0}' | '\u{2c1}' | '\u{2e0}'..='\u{2e4}' | '\u{345}' | '\u{37a}'
            | '\u{1d2c}'..='\u{1d61}' | '\u{2160}'..='\u{217f}' | '\u{24b6}'..='\u{24e9}')
}

/// The class of a character in the JDK's word breaks.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Ignored.
    Ignored,
    /// Belongs to the letter or digit before it.
    Mark,
    Letter,
    Digit,
    /// Joins letters, digits, or both.
    Joiner {
        letters: bool,
        digits: bool,
    },
    Other,
}

fn kind(c: char) -> Kind {
    use GeneralCategory::{ConnectorPunctuation, DashPunctuation, EnclosingMark, Format, NonspacingMark};
    match c {
        '"' | '\'' | '.' => return Kind::Joiner { letters: true, digits: true },
        ',' | '\u{66b}' => return Kind::Joiner { letters: false, digits: true },
        '\u{ad}' | '\u{2027}' => return Kind::Joiner { letters: true, digits: false },
        // Scripts whose characters form words by themselves.
        '\u{3005}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{3041}'..='\u{3096}'
        | '\u{3099}'..='\u{309e}'
        | '\u{30a1}'..='\u{30fe}' => return Kind::Other,
        _ => {}
    }
    match (c.general_category(), c.general_category_group()) {
        (Format, _) => Kind::Ignored,
        (NonspacingMark | EnclosingMark, _) => Kind::Mark,
        (DashPunctuation | ConnectorPunctuation, _) => Kind::Joiner { letters: true, digits: false },
        (_, GeneralCategoryGroup::Letter) => Kind::Letter,
        (_, GeneralCategoryGroup::Number) => Kind::Digit,
        _ => Kind::Other,
    }
}

/// Whether a word ends or begins at `at`.
fn is_boundary(text: &str, at: usize) -> bool {
    use Kind::{Digit, Ignored, Joiner, Letter, Mark, Other};
    let kinds_after = || text[at..].chars().map(kind);
    let kinds_before = || text[..at].chars().rev().map(kind).filter(|k| *k != Ignored);
    let (Some(after), Some(nearest)) = (kinds_after().next(), kinds_before().next()) else { return true };
    let mut bases_before = kinds_before().filter(|k| *k != Mark);
    let before = match bases_before.next() {
        Some(base @ (Letter | Digit)) => base,
        Some(base) if base == nearest => base,
        _ => Other,
    };
    match (before, after) {
        (_, Ignored) | (Letter | Digit, Letter | Digit | Mark) => false,
        (Letter, Joiner { letters: true, .. }) => kinds_after().skip(1).find(|k| *k != Ignored) != Some(Letter),
        (Digit, Joiner { digits: true, .. }) => kinds_after().skip(1).find(|k| *k != Ignored) != Some(Digit),
        (Joiner { letters: true, .. }, Letter) => bases_before.next() != Some(Letter),
        (Joiner { digits: true, .. }, Digit) => bases_before.next() != Some(Digit),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lower(text: &str) -> String {
        let mut out = String::new();
        lower_into(text, &mut out);
        out
    }

    #[test]
    fn ascii_and_other_scripts_are_lowered() {
        assert_eq!(lower("AbC 12 Éİ ДЖ"), "abc 12 éi\u{307} дж");
    }

    /// Results of Java 17.
    #[test]
    fn a_sigma_is_final_where_it_ends_a_word_of_the_jdk() {
        let ends =
            ["ΑΣ", "ΑΣ Α", "ΑΣ:Α", "ΑΣ\u{301}", "Α\u{301}Σ", "Α.Σ", "Α-Σ", "ΑΣ--Α", "Α1Σ", "Α1,1Σ", "ΑΣ,Α", "aΣ"];
        let others = [
            "ΑΣ.\u{301}Α",
            "Α\u{301}.Σ",
            "ΑΣ\u{ad}\u{ad}Α",
            "ΑΣ\u{2019}Α",
            "ΑΣ·Α",
            "ΑΣ中Α",
            "ΑΣ1%Α",
            "ΑΣ1.Α",
            "ΑΣ.1Α",
            "ΑΣ-1Α",
            "ΑΣカΑ",
            "ʰΣ",
            "ΑΣⓐ",
        ];
        for text in ends.iter().chain(&others) {
            assert!(lower(text).contains('ς'), "{text}");
        }
        let inside = ["Σ", "ΑΣ-Α", "ΑΣ.Α", "ΑΣ'Α", "ΑΣ1Α", "ΑΣ_Α", "ΑΣ\u{301}Α", "Α--Σ", "1Σ", "Α,Σ", "ΑΣ1,1Α"];
        let others = [
            "ΑΣ\u{ad}Α",
            "ΑΣ-\u{200d}Α",
            "Α.\u{301}Σ",
            "ΑΣ\u{301}.Α",
            "Α\u{2019}Σ",
            "中Σ",
            "ⓐΣ",
            "ΑΣ\u{1d400}",
            "ΑΣעΑ",
            "ΑΣʰ",
            "ΑΣⅠ",
        ];
        for text in inside.iter().chain(&others) {
            assert!(lower(text).contains('σ'), "{text}");
        }
    }
}
