//! Patterns whose matches are runs of bytes. They need no regex engine.

use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind, Repetition};

/// The bytes of a class. The bytes from 0x80 on belong to it together or not at all.
pub type ByteSet = [bool; 256];

/// The class of a pattern that is a class repeated once or more, if it treats all non-ASCII characters alike.
pub fn run_of(pattern: &str) -> Option<ByteSet> {
    let hir = regex_syntax::parse(pattern).ok()?;
    let HirKind::Repetition(Repetition { min: 1, max: None, greedy: true, sub }) = inner(&hir).kind() else {
        return None;
    };
    match inner(sub).kind() {
        HirKind::Literal(literal) => match *literal.0 {
            [byte] if byte.is_ascii() => {
                let mut set = [false; 256];
                set[byte as usize] = true;
                Some(set)
            }
            _ => None,
        },
        HirKind::Class(Class::Unicode(class)) => set_of(class),
        _ => None,
    }
}

fn inner(hir: &Hir) -> &Hir {
    match hir.kind() {
        HirKind::Capture(capture) => inner(&capture.sub),
        _ => hir,
    }
}

/// Number of non-ASCII characters, without surrogates.
const BEYOND_ASCII: u32 = 0x11_0000 - 0x80 - 0x800;

fn set_of(class: &ClassUnicode) -> Option<ByteSet> {
    let mut set = [false; 256];
    let mut beyond = 0;
    for range in class.iter() {
        for c in range.start()..=range.end().min('\x7f') {
            set[c as usize] = true;
        }
        if range.end() >= '\u{80}' {
            beyond += (range.start().max('\u{80}')..=range.end()).count() as u32;
        }
    }
    if beyond == BEYOND_ASCII {
        set[0x80..].fill(true);
    }
    (beyond == 0 || beyond == BEYOND_ASCII).then_some(set)
}
