//! Escapes and character classes.

use std::fmt::Write as _;

use super::parser::Parser;

/// The meaning of an escape.
enum Escape {
    Char(char),
    /// The content of a class, and whether it is negated.
    Set(String, bool),
}

/// Writes the meaning of `\` and the characters after it, outside of brackets.
pub fn escape(parser: &mut Parser) -> Result<(), String> {
    match parser.peek() {
        Some('b') => parser.out.push_str(r"(?-u:\b)"),
        // Not `(?-u:\B)`, which could match inside a character. Word characters are ASCII here too.
        Some('B') => return Err(r"has a `\B`, which is not supported (`\b` is)".to_owned()),
        Some('A') => parser.out.push_str(r"\A"),
        Some('z') => parser.out.push_str(r"\z"),
        Some('R') => parser.out.push_str(r"(?:\r\n|[\n\x0b\x0c\r\x{85}\x{2028}\x{2029}])"),
        Some(c @ ('Z' | 'G' | 'X')) => return Err(format!(r"has a `\{c}`, which is not supported")),
        Some('k' | '1'..='9') => return Err(parser.refused("back-reference")),
        _ => {
            match one(parser)? {
                Escape::Char(c) => parser.literal(c),
                Escape::Set(set, negated) => {
                    let _ = write!(parser.out, "[{}{set}]", if negated { "^" } else { "" });
                }
            }
            return Ok(());
        }
    }
    parser.next();
    Ok(())
}

/// Writes a class in brackets. The `[` has been read.
pub fn bracketed(parser: &mut Parser) -> Result<(), String> {
    parser.out.push('[');
    if parser.eat("^") {
        parser.out.push('^');
    }
    let mut first = true;
    loop {
        if parser.eat("&&") {
            if first {
                return Err(parser.wrong("a `&&` with nothing on its left"));
            }
            if parser.peek() == Some(']') {
                return Err(parser.wrong("a `&&` with nothing on its right"));
            }
            parser.out.push_str("&&");
            continue;
        }
        match parser.next() {
            None => return Err(parser.wrong("no closing `]`")),
            Some(']') if !first => break,
            Some('[') => bracketed(parser)?,
            Some('\\') => {
                if parser.eat("Q") {
                    let text = quoted(parser);
                    text.chars().for_each(|c| range(parser, c, c));
                } else {
                    match one(parser)? {
                        Escape::Char(c) => single_or_range(parser, c)?,
                        Escape::Set(set, negated) => {
                            let _ = write!(parser.out, "[{}{set}]", if negated { "^" } else { "" });
                        }
                    }
                }
            }
            Some(c) => single_or_range(parser, c)?,
        }
        first = false;
    }
    parser.out.push(']');
    Ok(())
}

fn quoted(parser: &mut Parser) -> String {
    let mut text = String::new();
    while parser.peek().is_some() && !parser.eat(r"\E") {
        text.extend(parser.next());
    }
    text
}

/// Writes `c`, or the range that starts with it.
fn single_or_range(parser: &mut Parser, c: char) -> Result<(), String> {
    if parser.sees("-]") || parser.sees("-[") || !parser.eat("-") {
        range(parser, c, c);
        return Ok(());
    }
    let end = match parser.next() {
        Some('\\') => match one(parser)? {
            Escape::Char(end) => end,
            Escape::Set(..) => return Err(parser.wrong("a range that ends in a class")),
        },
        Some(end) => end,
        None => return Err(parser.wrong("no closing `]`")),
    };
    if end < c {
        return Err(parser.wrong(&format!("a range from `{c}` down to `{end}`")));
    }
    range(parser, c, end);
    Ok(())
}

/// Writes a range; if case is ignored, with both cases of its ASCII letters.
fn range(parser: &mut Parser, from: char, to: char) {
    let _ = write!(parser.out, "\\x{{{:x}}}-\\x{{{:x}}}", from as u32, to as u32);
    if !parser.ignore_case() {
        return;
    }
    for (low, high, flip) in [('a', 'z', b'A'), ('A', 'Z', b'a')] {
        let (from, to) = (from.max(low), to.min(high));
        if from <= to {
            let other = |c: char| (c as u8 - low as u8 + flip) as char;
            let _ = write!(parser.out, "{}-{}", other(from), other(to));
        }
    }
}

/// Reads an escape. The `\` has been read.
fn one(parser: &mut Parser) -> Result<Escape, String> {
    let Some(c) = parser.next() else { return Err(parser.wrong("a `\\`")) };
    let set = |set: &str, negated: bool| Ok(Escape::Set(set.to_owned(), negated));
    let char = match c {
        's' | 'S' => return set(r"\t\n\x0b\x0c\r\x20", c == 'S'),
        'd' | 'D' => return set("0-9", c == 'D'),
        'w' | 'W' => return set("a-zA-Z0-9_", c == 'W'),
        'h' | 'H' => return set(r"\x20\t\x{a0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}", c == 'H'),
        'v' | 'V' => return set(r"\n\x0b\x0c\r\x{85}\x{2028}\x{2029}", c == 'V'),
        'p' | 'P' => return property(parser, c == 'P'),
        't' => '\t',
        'n' => '\n',
        'r' => '\r',
        'f' => '\x0c',
        'a' => '\x07',
        'e' => '\x1b',
        'x' if parser.eat("{") => {
            let digits = parser.until('}')?;
            hex(parser, &digits)?
        }
        'x' => digits(parser, 2)?,
        'u' => digits(parser, 4)?,
        '0' => octal(parser)?,
        c if c.is_ascii_alphanumeric() => return Err(parser.wrong(&format!(r"`\{c}`"))),
        c => c,
    };
    Ok(Escape::Char(char))
}

fn digits(parser: &mut Parser, n: usize) -> Result<char, String> {
    let text: String = (0..n).filter_map(|_| parser.next()).collect();
    if text.chars().count() < n {
        return Err(parser.wrong("the end of the pattern"));
    }
    hex(parser, &text)
}

fn hex(parser: &Parser, text: &str) -> Result<char, String> {
    let valid = text.bytes().all(|b| b.is_ascii_hexdigit());
    u32::from_str_radix(text, 16)
        .ok()
        .filter(|_| valid)
        .and_then(char::from_u32)
        .ok_or_else(|| parser.wrong(&format!("`{text}`, which is not a character")))
}

/// `\0n`, `\0nn` or `\0mnn` with m up to 3.
fn octal(parser: &mut Parser) -> Result<char, String> {
    let (mut value, mut read) = (0, 0);
    while read < 3
        && let Some(digit) = parser.peek().and_then(|c| c.to_digit(8))
        && value * 8 + digit <= 0o377
    {
        value = value * 8 + digit;
        read += 1;
        parser.next();
    }
    char::from_u32(value).filter(|_| read > 0).ok_or_else(|| parser.wrong(r"`\0`"))
}

/// ASCII classes, general categories, scripts and the binary properties that Java calls `Is...`.
fn property(parser: &mut Parser, negated: bool) -> Result<Escape, String> {
    let name = if parser.eat("{") { parser.until('}')? } else { parser.next().map(String::from).unwrap_or_default() };
    if parser.ignore_case() && ["Lower", "Upper", "Lu", "Ll", "Lt"].contains(&name.as_str()) {
        return Err(format!(r"has a `\p{{{name}}}` with case ignored, which is not supported"));
    }
    let ascii = match name.as_str() {
        "Lower" => "lower",
        "Upper" => "upper",
        "ASCII" => "ascii",
        "Alpha" => "alpha",
        "Digit" => "digit",
        "Alnum" => "alnum",
        "Punct" => "punct",
        "Graph" => "graph",
        "Print" => "print",
        "Blank" => "blank",
        "Cntrl" => "cntrl",
        "XDigit" => "xdigit",
        "Space" => "space",
        _ => "",
    };
    if !ascii.is_empty() {
        return Ok(Escape::Set(format!("[:{ascii}:]"), negated));
    }
    let if_supported = |class: String| regex_syntax::parse(&class).is_ok().then_some(class);
    let category = name.strip_prefix("Is").unwrap_or(&name);
    let class = if CATEGORIES.contains(&category) {
        Some(format!(r"\p{{{category}}}"))
    } else if let Some(script) = name.strip_prefix("Is") {
        if_supported(format!(r"\p{{Script={script}}}")).or_else(|| PROPERTIES.contains(&script).then(|| binary(script)))
    } else {
        name.split_once('=').and_then(|(key, value)| match key.to_ascii_lowercase().as_str() {
            "script" | "sc" => if_supported(format!(r"\p{{Script={value}}}")),
            "general_category" | "gc" => CATEGORIES.contains(&value).then(|| format!(r"\p{{{value}}}")),
            _ => None,
        })
    };
    let class = class.ok_or_else(|| format!(r"has a `\p{{{name}}}`, which is not supported"))?;
    Ok(Escape::Set(class, negated))
}

fn binary(name: &str) -> String {
    format!(r"\p{{{name}}}")
}

const CATEGORIES: [&str; 37] = [
    "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Me", "Mc", "N", "Nd", "Nl", "No", "P", "Pd", "Ps", "Pe", "Pc", "Po",
    "Pi", "Pf", "S", "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp", "C", "Cc", "Cf", "Co", "Cn", "LC",
];
const PROPERTIES: [&str; 7] =
    ["Alphabetic", "Ideographic", "Lowercase", "Uppercase", "White_Space", "Hex_Digit", "Join_Control"];
