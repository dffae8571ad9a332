//! The metadata of YOLO exports: texts that Python wrote.

use std::collections::BTreeMap;
use std::str::Chars;

/// The names of the classes: a dict of index and name, or a list of names. `None` if the text is neither, or an index is missing.
pub fn names(text: &str) -> Option<Vec<String>> {
    let mut rest = text.trim().chars();
    let (is_dict, end) = match rest.next()? {
        '{' => (true, '}'),
        '[' => (false, ']'),
        _ => return None,
    };
    let mut names = BTreeMap::new();
    loop {
        let mut next = skip_blanks(&mut rest)?;
        if next == end {
            break;
        }
        if next == ',' {
            continue;
        }
        let mut index = names.len();
        if is_dict {
            let mut digits = String::new();
            while next.is_ascii_digit() {
                digits.push(next);
                next = rest.next()?;
            }
            index = digits.parse().ok()?;
            if next != ':' {
                return None;
            }
            next = skip_blanks(&mut rest)?;
        }
        names.insert(index, quoted(next, &mut rest)?);
    }
    let is_complete = names.keys().copied().eq(0..names.len()) && !names.is_empty();
    is_complete.then(|| names.into_values().collect())
}

fn skip_blanks(rest: &mut Chars<'_>) -> Option<char> {
    rest.find(|c| !c.is_whitespace())
}

/// The text after an opening quote, to the closing one.
fn quoted(quote: char, rest: &mut Chars<'_>) -> Option<String> {
    if quote != '\'' && quote != '"' {
        return None;
    }
    let mut text = String::new();
    loop {
        match rest.next()? {
            '\\' => text.push(rest.next()?),
            end if end == quote => return Some(text),
            other => text.push(other),
        }
    }
}

/// Height and width of the input: one number for both, or a list of both.
pub fn size(text: &str) -> Option<(usize, usize)> {
    let numbers: Vec<usize> = text
        .trim()
        .trim_matches(['[', ']', '(', ')'])
        .split(',')
        .map(|part| part.trim().parse().ok())
        .collect::<Option<_>>()?;
    match numbers[..] {
        [side] if side > 0 => Some((side, side)),
        [height, width] if height > 0 && width > 0 => Some((height, width)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_a_dict_or_a_list() {
        let two = Some(vec!["person".to_owned(), "a cat's tail".to_owned()]);
        assert_eq!(names("{0: 'person', 1: \"a cat's tail\"}"), two);
        assert_eq!(names("{1: 'a cat\\'s tail', 0:'person',}"), two);
        assert_eq!(names(" ['person', \"a cat's tail\"] "), two);
        for text in
            ["", "{}", "[]", "person", "{0: person}", "{0: 'a'", "{1: 'a'}", "{0 'a'}", "{'a': 0}", "['a'", "[0]"]
        {
            assert_eq!(names(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_positive() {
        assert_eq!(
            [size("[384, 640]"), size("640"), size("(1, 2)")],
            [Some((384, 640)), Some((640, 640)), Some((1, 2))]
        );
        assert_eq!([size("[0, 640]"), size("[1, 2, 3]"), size("wide"), size("")], [None; 4]);
    }
}
