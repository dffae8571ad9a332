//! The document frequency of each slot, and the weights computed from it.

use mmlrs_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::hasher::SparseRow;

/// Maximum number of slots for which frequencies are kept: 1 GiB of counts.
pub const MAX_COUNTED_SLOTS: usize = 1 << 27;

/// The number of documents, and for each slot the number of documents that contain it. Serialized as the nonzero slots only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct DocumentFrequencies {
    documents: u64,
    counts: Vec<u64>,
}

impl DocumentFrequencies {
    /// The frequencies before any document, for a number of slots.
    pub fn new(num_features: usize) -> Result<Self> {
        if num_features > MAX_COUNTED_SLOTS {
            let message = format!("must be at most {MAX_COUNTED_SLOTS} with useIDF, got {num_features}");
            return Err(Error::param("numFeatures", message));
        }
        Ok(Self { documents: 0, counts: vec![0; num_features] })
    }

    /// Adds a document.
    #[inline]
    pub fn add(&mut self, row: &SparseRow) {
        self.add_times(row, 1);
    }

    /// Adds a document that occurs a number of times.
    #[inline]
    pub fn add_times(&mut self, row: &SparseRow, times: u64) {
        self.documents += times;
        for slot in &row.indices {
            self.counts[*slot as usize] += times;
        }
    }

    /// Adds the documents of another summary.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.counts.len() != other.counts.len() {
            return Err(Error::runtime("document frequencies with different numbers of slots cannot be merged"));
        }
        self.documents += other.documents;
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        Ok(())
    }

    /// Number of documents.
    pub fn documents(&self) -> u64 {
        self.documents
    }

    /// For each slot the number of documents that contain it.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    fn occurring(&self) -> impl Iterator<Item = (usize, u64)> {
        self.counts.iter().copied().enumerate().filter(|(_, count)| *count > 0)
    }

    /// The frequencies as a file: JSON with the numbers of documents and of slots. For each nonzero slot it has the distance
    /// from the previous one and the number of documents.
    pub fn to_file(&self) -> Result<Vec<u8>> {
        let written = serde_json::to_vec(&Written::from(self.clone()));
        written.map_err(|e| Error::runtime(format!("document frequencies cannot be written: {e}")))
    }

    /// Reads the output of [`Self::to_file`].
    pub fn from_file(bytes: &[u8]) -> Result<Self> {
        let damaged = |cause: &str| Error::model(format!("the document frequencies cannot be read: {cause}"));
        let written: Written = serde_json::from_slice(bytes).map_err(|e| damaged(&e.to_string()))?;
        written.try_into().map_err(|e: Error| damaged(e.message()))
    }
}

/// The nonzero slots, each as its distance from the previous one, and their counts.
#[derive(Serialize, Deserialize)]
struct Written {
    documents: u64,
    slots: u32,
    occurring: Vec<(u32, u64)>,
}

impl From<DocumentFrequencies> for Written {
    fn from(frequencies: DocumentFrequencies) -> Self {
        let mut last = 0;
        let occurring = frequencies
            .occurring()
            .map(|(slot, count)| ((slot - std::mem::replace(&mut last, slot)) as u32, count))
            .collect();
        Self { documents: frequencies.documents, slots: frequencies.counts.len() as u32, occurring }
    }
}

impl TryFrom<Written> for DocumentFrequencies {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self> {
        let mut frequencies = Self::new(written.slots as usize)?;
        frequencies.documents = written.documents;
        let mut slot = 0;
        for (distance, count) in written.occurring {
            slot += distance as usize;
            let place = frequencies.counts.get_mut(slot).filter(|_| count <= written.documents);
            *place.ok_or_else(|| Error::runtime(format!("slot {slot} or its count is out of range")))? = count;
        }
        Ok(frequencies)
    }
}

/// Inverse document frequencies: `ln((m + 1) / (d + 1))` for a slot in d of m documents, as in Spark's `IDF`.
#[derive(Debug, Clone, PartialEq)]
pub struct Idf(Vec<f64>);

impl Idf {
    /// The weights; 0 for slots in fewer than `min_documents` documents.
    pub fn new(frequencies: &DocumentFrequencies, min_documents: u64) -> Self {
        let documents = frequencies.documents as f64 + 1.0;
        let weight = |count: &u64| if *count >= min_documents { (documents / (*count as f64 + 1.0)).ln() } else { 0.0 };
        Self(frequencies.counts.iter().map(weight).collect())
    }

    /// Number of slots.
    pub fn num_features(&self) -> usize {
        self.0.len()
    }

    /// Multiplies the values of a row. Values that become zero are kept, as in Spark.
    #[inline]
    pub fn scale(&self, row: &mut SparseRow) {
        for (value, slot) in row.values.iter_mut().zip(&row.indices) {
            *value *= self.0[*slot as usize];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(slots: &[i32]) -> SparseRow {
        SparseRow { indices: slots.to_vec(), values: vec![2.0; slots.len()] }
    }

    fn some() -> Result<DocumentFrequencies> {
        let mut frequencies = DocumentFrequencies::new(10)?;
        for slots in [&[0, 3][..], &[3, 9], &[]] {
            frequencies.add(&row(slots));
        }
        Ok(frequencies)
    }

    #[test]
    fn what_is_written_reads_the_same() -> Result<()> {
        let frequencies = some()?;
        assert_eq!(DocumentFrequencies::from_file(&frequencies.to_file()?)?, frequencies);
        assert_eq!(DocumentFrequencies::try_from(Written::from(frequencies.clone()))?, frequencies);
        Ok(())
    }

    #[test]
    fn merging_adds_up() -> Result<()> {
        let mut frequencies = some()?;
        frequencies.merge(&some()?)?;
        assert_eq!((frequencies.documents(), frequencies.counts()[3]), (6, 4));
        assert!(frequencies.merge(&DocumentFrequencies::new(9)?).is_err());
        Ok(())
    }

    #[test]
    fn rare_slots_weigh_nothing_and_stay() -> Result<()> {
        let mut scaled = row(&[0, 3, 5]);
        Idf::new(&some()?, 2).scale(&mut scaled);
        assert_eq!((scaled.indices, scaled.values), (vec![0, 3, 5], vec![0.0, 2.0 * (4.0_f64 / 3.0).ln(), 0.0]));
        Ok(())
    }

    #[test]
    fn damaged_files_are_told() -> Result<()> {
        let bytes = some()?.to_file()?;
        for cut in [0, 5, bytes.len() / 2, bytes.len() - 1] {
            let error = DocumentFrequencies::from_file(&bytes[..cut]).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.starts_with("the document frequencies cannot be read"), "{error}");
        }
        Ok(())
    }
}
