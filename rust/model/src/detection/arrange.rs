//! The cells in which YOLO networks look for objects.

/// Number of input pixels per cell, along one axis, of the usual networks: from small objects to large ones. Those for large
/// inputs have a fourth level.
const STRIDES: [usize; 4] = [8, 16, 32, 64];
/// Number of levels of most networks, and of those for large inputs.
const LEVELS: [usize; 2] = [3, 4];
/// Boxes per cell of networks with anchors.
const ANCHORS: usize = 3;

/// A cell of a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    pub column: usize,
    pub row: usize,
    pub stride: usize,
}

/// The input of a network: rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputSize {
    pub rows: usize,
    pub columns: usize,
}

impl InputSize {
    fn count(self, levels: usize) -> usize {
        STRIDES.iter().take(levels).map(|stride| self.rows.div_ceil(*stride) * self.columns.div_ceil(*stride)).sum()
    }

    /// Whether a network for this input has so many boxes, one per cell.
    pub fn is_one_per_cell(self, boxes: usize) -> bool {
        LEVELS.iter().any(|levels| self.count(*levels) == boxes)
    }

    /// Whether a YOLO network for this input has so many boxes.
    pub fn is_usual(self, boxes: usize) -> bool {
        self.is_one_per_cell(boxes) || LEVELS.iter().any(|levels| ANCHORS * self.count(*levels) == boxes)
    }

    /// The cells of as many boxes, one per cell, level by level and row by row.
    pub fn cells(self, boxes: usize) -> Option<Vec<Cell>> {
        let levels = LEVELS.into_iter().find(|levels| self.count(*levels) == boxes)?;
        let of_level = |stride: usize| {
            let (rows, columns) = (self.rows.div_ceil(stride), self.columns.div_ceil(stride));
            (0..rows).flat_map(move |row| (0..columns).map(move |column| Cell { column, row, stride }))
        };
        Some(STRIDES.into_iter().take(levels).flat_map(of_level).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_boxes_are_those_of_published_networks() {
        let size = InputSize { rows: 640, columns: 640 };
        // YOLOv8 and YOLOX; YOLOv5.
        assert!(
            size.is_one_per_cell(8400) && size.is_usual(25_200) && !size.is_usual(300) && !size.is_one_per_cell(25_200)
        );
        // MegaDetector v5, a YOLOv5x6; YOLOX-tiny.
        assert!(InputSize { rows: 1280, columns: 1280 }.is_usual(102_000));
        assert!(InputSize { rows: 416, columns: 416 }.is_one_per_cell(3549));
    }

    #[test]
    fn cells_run_along_rows_from_small_to_large() {
        let cells = InputSize { rows: 32, columns: 64 }.cells(42).expect("32 + 8 + 2 cells");
        let cell = |at: usize| (cells[at].column, cells[at].row, cells[at].stride);
        assert_eq!(
            [cell(0), cell(7), cell(8), cell(32), cell(41)],
            [(0, 0, 8), (7, 0, 8), (0, 1, 8), (0, 0, 16), (1, 0, 32)]
        );
        assert_eq!(InputSize { rows: 32, columns: 64 }.cells(41), None);
    }
}
