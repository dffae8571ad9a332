//! Distinct shapes of rows.

use std::collections::HashMap;

/// Distinct row shapes by number.
#[derive(Debug, Clone)]
pub struct Shapes {
    distinct: Vec<Vec<usize>>,
    ids: HashMap<Vec<usize>, u32>,
    longer: HashMap<(u32, usize), u32>,
    last: ((u32, usize), u32),
}

impl Shapes {
    /// Only the shape without dimensions, number 0.
    pub fn new() -> Self {
        let ids = HashMap::from([(Vec::new(), 0)]);
        Self { distinct: vec![Vec::new()], ids, longer: HashMap::new(), last: ((u32::MAX, 0), 0) }
    }

    /// The shape with that number.
    pub fn get(&self, id: u32) -> &[usize] {
        &self.distinct[id as usize]
    }

    /// Every shape, by number.
    pub fn all(&self) -> &[Vec<usize>] {
        &self.distinct
    }

    /// The number of a shape.
    pub fn id(&mut self, shape: &[usize]) -> u32 {
        if let Some(id) = self.ids.get(shape) {
            return *id;
        }
        let id = self.distinct.len() as u32;
        self.distinct.push(shape.to_vec());
        self.ids.insert(shape.to_vec(), id);
        id
    }

    /// The number of shape `id` with one more dimension. Successive rows mostly have the same one, which then costs a
    /// comparison.
    pub fn extended(&mut self, id: u32, dim: usize) -> u32 {
        let key = (id, dim);
        if self.last.0 == key {
            return self.last.1;
        }
        let longer = if let Some(number) = self.longer.get(&key) {
            *number
        } else {
            let mut shape = self.get(id).to_vec();
            shape.push(dim);
            let new = self.id(&shape);
            self.longer.insert(key, new);
            new
        };
        self.last = (key, longer);
        longer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_shapes_have_one_number() {
        let mut shapes = Shapes::new();
        let a = shapes.extended(0, 3);
        let b = shapes.extended(a, 4);
        assert_eq!(shapes.get(b), [3, 4]);
        assert_eq!(shapes.id(&[3, 4]), b);
        assert_eq!((shapes.extended(0, 3), shapes.extended(a, 4)), (a, b));
    }
}
