//! Patterns of dates and times: the locale-independent part of Java's patterns.

use std::fmt::Write as _;

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use mmlrs_core::{Error, Result};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const NANOS: u32 = 1_000_000_000;

/// A parsed pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Item>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Literal(String),
    /// A number with a minimum and a maximum number of digits.
    Number(Part, usize, usize),
    /// The last two digits of the year, 2000 to 2099.
    ShortYear,
    /// The English abbreviation of the month.
    MonthName,
    /// The fraction of the second, with this number of digits.
    Fraction(usize),
    /// AM or PM.
    Half,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Year,
    Month,
    Day,
    Hour,
    HalfHour,
    Minute,
    Second,
}

impl Pattern {
    /// Parses a pattern. The error completes the sentence "param `x` ...".
    pub fn new(text: &str) -> Result<Self, String> {
        let mut items: Vec<Item> = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(letter) = rest.next() {
            if letter == '\'' {
                literal(&mut items, &quoted(&mut rest)?);
            } else if letter.is_ascii_alphabetic() {
                let mut count = 1;
                while rest.next_if_eq(&letter).is_some() {
                    count += 1;
                }
                items.push(item(letter, count).ok_or_else(|| {
                    format!(
                        "has `{}`, which is not supported; the parts are y, yy, yyyy, M, MM, MMM, d, dd, H, HH, h, hh, m, mm, \
                         s, ss, S to SSSSSS, a and 'text' in quotes",
                        letter.to_string().repeat(count)
                    )
                })?);
            } else {
                literal(&mut items, &letter.to_string());
            }
        }
        let pattern = Self(items);
        if pattern.takes_minutes_for_months() {
            return Err(format!("has minutes (`m`) where a date has its month; write `M` for months, got {text:?}"));
        }
        Ok(pattern)
    }

    /// Whether minutes are where the month should be, as in `yyyy-mm-dd`, which would put every date in January. Without a month,
    /// minutes are plausible after an hour (`dd HH:mm`), but not in a date with a year and a day (`dd/mm/yyyy HH:mm`).
    fn takes_minutes_for_months(&self) -> bool {
        let has = |wanted: Part| self.0.iter().any(|item| matches!(item, Item::Number(part, ..) if *part == wanted));
        let (year, day) = (has(Part::Year) || self.0.contains(&Item::ShortYear), has(Part::Day));
        let (month, hour) =
            (has(Part::Month) || self.0.contains(&Item::MonthName), has(Part::Hour) || has(Part::HalfHour));
        has(Part::Minute) && !month && if hour { year && day } else { year || day }
    }

    /// Formats a time; `None` outside the years 1 to 9999.
    pub fn format(&self, time: NaiveDateTime) -> Option<String> {
        if !in_range(time.date()) {
            return None;
        }
        let mut out = String::new();
        for item in &self.0 {
            match item {
                Item::Literal(text) => out.push_str(text),
                Item::Number(part, min, _) => write!(out, "{:0min$}", part.of(time)).ok()?,
                Item::ShortYear => write!(out, "{:02}", time.year() % 100).ok()?,
                Item::MonthName => out.push_str(MONTHS[time.month0() as usize]),
                Item::Fraction(digits) => {
                    let nanos = format!("{:09}", time.nanosecond() % NANOS);
                    out.push_str(&nanos[..*digits]);
                }
                Item::Half => out.push_str(if time.hour() < 12 { "AM" } else { "PM" }),
            }
        }
        Some(out)
    }

    /// Parses a time from a string, which the pattern must match completely. Parts missing from the pattern are taken from
    /// 1970-01-01 00:00:00.
    pub fn parse(&self, text: &str) -> Option<NaiveDateTime> {
        let mut parts = Parts { year: 1970, month: 1, day: 1, ..Parts::default() };
        let mut rest = text;
        for item in &self.0 {
            rest = parts.take(item, rest)?;
        }
        if rest.is_empty() { parts.time() } else { None }
    }
}

/// Whether the date is in the years 1 to 9999, the common range of Spark's strings, Python and SQL.
pub fn in_range(date: NaiveDate) -> bool {
    (1..=9999).contains(&date.year())
}

fn item(letter: char, count: usize) -> Option<Item> {
    let number = |part, widest| (count <= 2).then_some(Item::Number(part, count, widest));
    match (letter, count) {
        ('y', 1) => Some(Item::Number(Part::Year, 1, 4)),
        ('y', 2) => Some(Item::ShortYear),
        ('y', 4) => Some(Item::Number(Part::Year, 4, 4)),
        ('M', 3) => Some(Item::MonthName),
        ('S', 1..=6) => Some(Item::Fraction(count)),
        ('a', 1) => Some(Item::Half),
        ('M', _) => number(Part::Month, 2),
        ('d', _) => number(Part::Day, 2),
        ('H', _) => number(Part::Hour, 2),
        ('h', _) => number(Part::HalfHour, 2),
        ('m', _) => number(Part::Minute, 2),
        ('s', _) => number(Part::Second, 2),
        _ => None,
    }
}

/// Text up to the closing quote. Two quotes stand for one.
fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    let mut text = String::new();
    loop {
        match rest.next() {
            None => return Err("has a quote that is not closed".to_owned()),
            Some('\'') if rest.next_if_eq(&'\'').is_some() => text.push('\''),
            Some('\'') => return Ok(if text.is_empty() { "'".to_owned() } else { text }),
            Some(letter) => text.push(letter),
        }
    }
}

fn literal(items: &mut Vec<Item>, text: &str) {
    if let Some(Item::Literal(before)) = items.last_mut() {
        before.push_str(text);
    } else {
        items.push(Item::Literal(text.to_owned()));
    }
}

impl Part {
    fn of(self, time: NaiveDateTime) -> i64 {
        match self {
            Self::Year => time.year().into(),
            Self::Month => time.month().into(),
            Self::Day => time.day().into(),
            Self::Hour => time.hour().into(),
            Self::HalfHour => ((time.hour() + 11) % 12 + 1).into(),
            Self::Minute => time.minute().into(),
            Self::Second => time.second().into(),
        }
    }
}

/// The parts of a time during parsing.
#[derive(Debug, Default)]
struct Parts {
    year: i32,
    month: u32,
    day: u32,
    hour: u32,
    half_hour: Option<u32>,
    afternoon: bool,
    minute: u32,
    second: u32,
    micros: u32,
}

impl Parts {
    /// Parses one item from the beginning of the text and returns the rest.
    fn take<'a>(&mut self, item: &Item, text: &'a str) -> Option<&'a str> {
        match item {
            Item::Literal(literal) => text.strip_prefix(literal.as_str()),
            Item::Number(part, min, max) => {
                let (number, rest) = digits(text, *min, *max)?;
                self.set(*part, number)?;
                Some(rest)
            }
            Item::ShortYear => {
                let (number, rest) = digits(text, 2, 2)?;
                self.year = 2000 + number as i32;
                Some(rest)
            }
            Item::MonthName => {
                let name = text.get(..3)?;
                self.month = 1 + MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))? as u32;
                text.get(3..)
            }
            Item::Fraction(max) => {
                let (number, rest) = digits(text, 1, *max)?;
                let width = (text.len() - rest.len()) as u32;
                self.micros = number * 10_u32.pow(6 - width);
                Some(rest)
            }
            Item::Half => {
                let name = text.get(..2)?;
                self.afternoon = name.eq_ignore_ascii_case("PM");
                if !self.afternoon && !name.eq_ignore_ascii_case("AM") {
                    return None;
                }
                text.get(2..)
            }
        }
    }

    fn set(&mut self, part: Part, number: u32) -> Option<()> {
        match part {
            Part::Year => self.year = number as i32,
            Part::Month => self.month = number,
            Part::Day => self.day = number,
            Part::Hour => self.hour = number,
            Part::HalfHour => self.half_hour = Some((1..=12).contains(&number).then_some(number % 12)?),
            Part::Minute => self.minute = number,
            Part::Second => self.second = number,
        }
        Some(())
    }

    fn time(&self) -> Option<NaiveDateTime> {
        let hour = self.half_hour.map_or(self.hour, |half| half + if self.afternoon { 12 } else { 0 });
        let time = NaiveTime::from_hms_micro_opt(hour, self.minute, self.second, self.micros)?;
        let date = NaiveDate::from_ymd_opt(self.year, self.month, self.day)?;
        in_range(date).then(|| date.and_time(time))
    }
}

/// The number at the beginning of a text, and the rest.
fn digits(text: &str, min: usize, max: usize) -> Option<(u32, &str)> {
    let count = text.bytes().take(max).take_while(u8::is_ascii_digit).count();
    if count < min {
        return None;
    }
    let (number, rest) = text.split_at(count);
    Some((number.parse().ok()?, rest))
}

/// The pattern of a param.
pub fn pattern_of(param: &str, text: &str) -> Result<Pattern> {
    Pattern::new(text).map_err(|message| Error::param(param, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).expect("a pattern")
    }

    #[test]
    fn a_text_comes_back_from_its_time() {
        let cases = [
            ("yyyy-MM-dd HH:mm:ss", "2021-03-04 05:06:07"),
            ("yyyyMMdd", "19700101"),
            ("d/M/yyyy h:mm a", "4/3/2021 12:06 AM"),
            ("dd MMM yy, ss.SSS", "04 Mar 21, 07.250"),
            ("yyyy-MM-dd'T'HH 'o''clock'", "0001-12-31T23 o'clock"),
        ];
        for (text, written) in cases {
            let time = pattern(text).parse(written).expect(written);
            assert_eq!(pattern(text).format(time).expect(written), written);
        }
    }

    #[test]
    fn a_text_must_match_from_end_to_end() {
        let strict = pattern("yyyy-MM-dd");
        for text in
            ["2021-1-07", " 2021-01-07", "2021-01-07 ", "2021-02-30", "10000-01-01", "0000-01-01", "", "２０２１-01-07"]
        {
            assert_eq!(strict.parse(text), None, "{text}");
        }
        assert_eq!(pattern("HH").parse("24"), None);
        assert_eq!(pattern("h").parse("0"), None);
        assert!(pattern("y-M-d").parse("987-1-7").is_some());
    }

    #[test]
    fn minutes_in_the_place_of_the_month_are_refused() {
        for text in ["yyyy-mm-dd", "dd/mm/yy", "mm/yyyy", "dd/mm/yyyy HH:mm"] {
            let message = Pattern::new(text).expect_err(text);
            assert!(message.contains("write `M` for months"), "{message}");
        }
        for text in ["HH:mm", "mm:ss", "dd HH:mm", "yyyy HH:mm", "d MMM mm"] {
            assert!(Pattern::new(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let message = Pattern::new("yyyy-MM-dd EEE").expect_err("not supported");
        assert!(message.starts_with("has `EEE`, which is not supported"), "{message}");
        assert_eq!(Pattern::new("yyyy 'at").expect_err("not closed"), "has a quote that is not closed");
    }
}
