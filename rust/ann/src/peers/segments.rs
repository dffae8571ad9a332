//! How a vector is divided: a segment for each worker, pieces of a segment.

use std::ops::Range;

/// The largest number of bytes of a piece, and the number of bytes of all pieces that a worker receives at a time.
pub const PIECE_BYTES: usize = 1 << 20;
const WINDOW_BYTES: usize = 4 << 20;

/// The segment of `length` values that belongs to the worker `rank`. Segments differ by one value at most.
pub fn segment(length: usize, rank: usize, size: usize) -> Range<usize> {
    let (short, longer) = (length / size, length % size);
    let start = rank * short + rank.min(longer);
    start..start + short + usize::from(rank < longer)
}

/// The number of bytes of a piece, for which all other workers' pieces fit into the window. A multiple of 8.
pub fn piece_bytes(size: usize) -> usize {
    PIECE_BYTES.min(WINDOW_BYTES / size.max(1)) / 8 * 8
}

/// The pieces of `length` items, each of up to `piece` items. There is at least one, so that every worker hears of every other.
pub fn pieces(length: usize, piece: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length.div_ceil(piece).max(1)).map(move |at| at * piece..length.min((at + 1) * piece))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_and_pieces_cover_everything_once() {
        for (length, size) in [(0, 1), (0, 3), (1, 3), (7, 3), (64, 64), (1000, 7)] {
            let ends: Vec<_> = (0..size).map(|rank| segment(length, rank, size)).collect();
            assert_eq!((ends[0].start, ends[size - 1].end), (0, length));
            assert!(ends.windows(2).all(|pair| pair[0].end == pair[1].start && pair[0].len() >= pair[1].len()));
            assert!(ends[0].len() <= ends[size - 1].len() + 1);
        }
        let ends = |length| pieces(length, 4).map(|piece| (piece.start, piece.end)).collect::<Vec<_>>();
        assert_eq!((ends(0), ends(4), ends(9)), (vec![(0, 0)], vec![(0, 4)], vec![(0, 4), (4, 8), (8, 9)]));
    }

    #[test]
    fn the_pieces_of_all_workers_take_a_few_mebibytes() {
        for size in [1, 2, 5, 64, 200] {
            assert!(piece_bytes(size) <= PIECE_BYTES && piece_bytes(size) * size <= WINDOW_BYTES);
            assert!(piece_bytes(size) > 0 && piece_bytes(size).is_multiple_of(8));
        }
    }
}
