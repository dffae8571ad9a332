//! Stop words, and the lists that Spark ships.

use std::collections::HashSet;

use foldhash::fast::FixedState;

use crate::lower::lower_into;

/// Languages and their words, one per line: the content of `StopWordsRemover.loadDefaultStopWords`.
const LISTS: [(&str, &str); 14] = [
    ("danish", include_str!("stop_words/danish.txt")),
    ("dutch", include_str!("stop_words/dutch.txt")),
    ("english", include_str!("stop_words/english.txt")),
    ("finnish", include_str!("stop_words/finnish.txt")),
    ("french", include_str!("stop_words/french.txt")),
    ("german", include_str!("stop_words/german.txt")),
    ("hungarian", include_str!("stop_words/hungarian.txt")),
    ("italian", include_str!("stop_words/italian.txt")),
    ("norwegian", include_str!("stop_words/norwegian.txt")),
    ("portuguese", include_str!("stop_words/portuguese.txt")),
    ("russian", include_str!("stop_words/russian.txt")),
    ("spanish", include_str!("stop_words/spanish.txt")),
    ("swedish", include_str!("stop_words/swedish.txt")),
    ("turkish", include_str!("stop_words/turkish.txt")),
];

/// The stop words of a language by its English name; None if Spark ships no list for it.
pub fn default_stop_words(language: &str) -> Option<Vec<String>> {
    let (_, list) = LISTS.iter().find(|(name, _)| *name == language)?;
    Some(list.lines().map(str::to_owned).collect())
}

/// A set of words that is looked up by bytes, without an allocation.
#[derive(Debug, Clone)]
pub struct StopWords {
    words: HashSet<Box<[u8]>, FixedState>,
    case_sensitive: bool,
    /// For each first byte, a bit for each length of a word that starts with it. The last bit is for all longer words.
    lengths: Box<[u32; 256]>,
}

impl StopWords {
    /// A set of words. If case is ignored, both sides are lower-cased, like in `StopWordsRemover`.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>, case_sensitive: bool) -> Self {
        let mut set = Self { words: HashSet::default(), case_sensitive, lengths: Box::new([0; 256]) };
        for word in words {
            let mut normal = String::new();
            if case_sensitive {
                normal.push_str(word);
            } else {
                lower_into(word, &mut normal);
            }
            if let Some(first) = normal.as_bytes().first() {
                set.lengths[*first as usize] |= length_bit(normal.len());
            }
            set.words.insert(normal.into_bytes().into());
        }
        set
    }

    /// Whether it is one of the words. `lowered` states that the text is in lower case. `scratch` is overwritten.
    #[inline]
    pub fn contains(&self, word: &str, lowered: bool, scratch: &mut String) -> bool {
        if self.case_sensitive || lowered {
            return self.has(word.as_bytes());
        }
        scratch.clear();
        lower_into(word, scratch);
        self.has(scratch.as_bytes())
    }

    #[inline]
    fn has(&self, word: &[u8]) -> bool {
        let possible = word.first().is_none_or(|first| self.lengths[*first as usize] & length_bit(word.len()) != 0);
        possible && self.words.contains(word)
    }
}

fn length_bit(length: usize) -> u32 {
    1 << length.min(31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_its_words() {
        for (language, _) in LISTS {
            let words = default_stop_words(language).unwrap_or_default();
            assert!(words.len() > 50 && words.iter().all(|w| !w.is_empty()), "{language}");
        }
        assert_eq!(default_stop_words("klingon"), None);
    }

    #[test]
    fn case_matters_only_where_it_is_asked_for() {
        let mut scratch = String::new();
        let any = StopWords::new(["The", "Él"], false);
        for word in ["the", "THE", "él", "ÉL"] {
            assert!(any.contains(word, false, &mut scratch), "{word}");
        }
        assert!(!any.contains("then", false, &mut scratch) && !any.contains("", false, &mut scratch));
        let exact = StopWords::new(["The", ""], true);
        assert!(exact.contains("The", false, &mut scratch) && !exact.contains("the", true, &mut scratch));
        assert!(exact.contains("", false, &mut scratch));
    }
}
