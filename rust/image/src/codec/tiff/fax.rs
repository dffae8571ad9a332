//! Group 3 faxes: lines of white and black runs. The code tables are those of the `fax` crate.

use std::convert::Infallible;

use fax::maps::{Mode, black, mode, white};
use fax::{BitReader, ByteReader};
use mmlrs_core::{Error, Result};

use super::header::Header;
use super::pixels::Samples;

/// The samples of a fax: 0 white, 1 black, before `white_is_zero` is applied.
pub fn unpack(bytes: &[u8], header: &Header<'_>) -> Result<Samples> {
    if header.bits != 1 || header.samples != 1 {
        return Err(Error::decode("damaged TIFF: a fax has one sample of one bit"));
    }
    let width = u32::try_from(header.width).map_err(|_| Error::limit("TIFF: a fax is too wide"))?;
    let (line_ends, two_dimensional) = header.fax_lines();
    let mut pixels = vec![0_u8; header.width * header.height];
    let mut rows = pixels.chunks_exact_mut(header.width);
    for (strip, count) in header.strips(bytes)? {
        // Zeros after the end, so that the last short code can be looked up in a table of long codes.
        let bits = strip.iter().copied().chain([0; 4]).map(Ok::<u8, Infallible>);
        let Ok(reader) = ByteReader::new(bits);
        let mut lines = Lines { reader, width, changes: Vec::new(), line_ends, two_dimensional };
        for row in rows.by_ref().take(count) {
            lines.next().ok_or_else(|| Error::decode("damaged or truncated TIFF: a line of the fax cannot be read"))?;
            let (mut from, mut black) = (0, false);
            for change in lines.changes.iter().copied().chain([width]) {
                if black {
                    row[from as usize..change as usize].fill(1);
                }
                (from, black) = (change, !black);
            }
        }
    }
    Ok(Samples::of_bits(pixels))
}

/// Reads line by line. Each line is coded relative to the colour changes of the previous one.
struct Lines<R> {
    reader: R,
    width: u32,
    /// Positions where white changes to black, then black to white, and so on.
    changes: Vec<u32>,
    line_ends: bool,
    two_dimensional: bool,
}

impl<R: BitReader> Lines<R> {
    fn next(&mut self) -> Option<()> {
        if self.line_ends {
            self.skip_line_end();
        } else {
            // Every line starts at a byte boundary.
            let rest = self.reader.bits_to_byte_boundary();
            self.reader.consume(rest).ok()?;
        }
        let by_runs = !self.two_dimensional || self.bit()?;
        let changes = if by_runs { self.runs()? } else { self.by_line_before()? };
        self.changes = changes;
        Some(())
    }

    fn bit(&mut self) -> Option<bool> {
        let bit = self.reader.peek(1)?;
        self.reader.consume(1).ok()?;
        Some(bit == 1)
    }

    /// Skips an end-of-line code, 11 or more zeros and a one, if there is one.
    fn skip_line_end(&mut self) {
        if self.reader.peek(9) == Some(0) {
            while self.reader.peek(1) == Some(0) {
                if self.reader.consume(1).is_err() {
                    return;
                }
            }
            let _ = self.reader.consume(1);
        }
    }

    /// The length of one run: codes of 64 and more, then one below.
    fn run(&mut self, black: bool) -> Option<u32> {
        let mut length = 0_u32;
        loop {
            let code = if black { black::decode(&mut self.reader)? } else { white::decode(&mut self.reader)? };
            length = length.checked_add(u32::from(code))?;
            if code < 64 {
                return Some(length);
            }
        }
    }

    /// One-dimensional coding.
    fn runs(&mut self) -> Option<Vec<u32>> {
        let (mut changes, mut at, mut black) = (Vec::new(), 0_u32, false);
        while at < self.width {
            at = at.checked_add(self.run(black)?).filter(|at| *at <= self.width)?;
            changes.push(at);
            black = !black;
        }
        Some(changes)
    }

    /// The first change in the previous line to the right of `at` and to the other colour, and the change after it.
    fn reference(&self, at: Option<u32>, black: bool) -> (u32, u32) {
        let right = |change: u32| at.is_none_or(|at| change > at);
        let first = (usize::from(black)..self.changes.len()).step_by(2).find(|i| right(self.changes[*i]));
        let change = |i: Option<usize>| i.and_then(|i| self.changes.get(i)).copied().unwrap_or(self.width);
        (change(first), change(first.map(|i| i + 1)))
    }

    /// Two-dimensional coding: relative to the changes of the previous line.
    fn by_line_before(&mut self) -> Option<Vec<u32>> {
        let (mut changes, mut at, mut black) = (Vec::new(), None, false);
        while at.unwrap_or(0) < self.width {
            let (first, second) = self.reference(at, black);
            match mode::decode(&mut self.reader)? {
                Mode::Pass => at = Some(second),
                Mode::Vertical(by) => {
                    let change = first.checked_add_signed(i32::from(by))?;
                    if change > self.width || at.is_some_and(|at| change < at) {
                        return None;
                    }
                    changes.push(change);
                    (at, black) = (Some(change), !black);
                }
                Mode::Horizontal => {
                    let middle = at.unwrap_or(0).checked_add(self.run(black)?)?;
                    let end = middle.checked_add(self.run(!black)?).filter(|end| *end <= self.width)?;
                    changes.extend([middle, end]);
                    at = Some(end);
                }
                Mode::Extension | Mode::EOF => return None,
            }
        }
        Some(changes)
    }
}
