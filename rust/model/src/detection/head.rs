//! What the outputs of a detector hold.

use mmlrs_core::{Error, Result};
use mmlrs_image::Letterbox;

use super::arrange::InputSize;
use crate::answers::count;

/// Maximum number of boxes of a network that answers with its final boxes. Others have a box per cell of a grid.
const FINAL_BOXES: usize = 1000;
/// Number of boxes of an RT-DETR.
const QUERIES: usize = 300;
/// Numbers of a final box: its corners, its score and its class.
const FINAL: usize = 6;

/// What the outputs of a detector hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Head {
    /// One output with boxes and the scores of their classes.
    Scored(Scored),
    /// One output with final boxes: left, top, right, bottom, score, class.
    Final { output: String },
    /// An output of class scores and one of boxes: centre, width and height as fractions of the input.
    Queries(Queries),
}

/// One output with boxes (centre, width, height), perhaps a score that there is an object, and scores of the classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    pub output: String,
    /// Whether the numbers of a box are side by side. Otherwise there is a row for each number.
    pub is_by_box: bool,
    /// Number of numbers of a box.
    pub numbers: usize,
    /// Whether the first score says that there is an object.
    pub has_objectness: bool,
    pub classes: usize,
    pub unit: Unit,
    /// Whether the network is a YOLOX, whose boxes are one per cell, with a score that there is an object.
    pub is_yolox: bool,
}

/// The unit of the boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Pixels of the input.
    Pixels,
    /// The size of the box's cell: the centre from the cell's corner, the logarithms of width and height.
    Cells,
    /// The size of the input.
    Input,
}

/// An output of class scores and one of boxes.
#[derive(Debug, Clone, PartialEq)]
pub struct Queries {
    pub scores: String,
    pub boxes: String,
    /// Whether a softmax gives the probabilities, with "no object" as the last class. Otherwise a sigmoid does.
    pub is_softmax: bool,
    /// Number of classes, without "no object".
    pub classes: usize,
}

/// An output and the shape of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputShape {
    pub name: String,
    pub shape: Vec<usize>,
}

/// What is known about a network.
pub struct Evidence<'a> {
    /// The param `layout`.
    pub layout: &'a str,
    /// The outputs with floats.
    pub outputs: &'a [OutputShape],
    /// The output with the class scores of a DETR, if it is set.
    pub scores: Option<&'a str>,
    /// Number of labels, if there are any.
    pub labels: Option<usize>,
    /// Whether the labels are those of the param. A network may have masks or keypoints besides the classes in its metadata.
    pub labels_are_set: bool,
    /// The size of the input.
    pub size: InputSize,
    /// Whether an output depends on an operator.
    pub depends_on: &'a dyn Fn(&str, &str) -> Result<bool>,
}

impl Head {
    /// Recognizes the outputs of a detector.
    ///
    /// # Errors
    /// The outputs are not those of a detector, or not of the given layout, or do not fit the labels.
    pub fn of(evidence: &Evidence<'_>) -> Result<Self> {
        let wants_queries = matches!(evidence.layout, "detr" | "rtdetr");
        if matches!(evidence.layout, "auto" | "detr" | "rtdetr")
            && let Some((scores, boxes)) = queries(evidence)?
        {
            return Queries::of(evidence, scores, boxes).map(Self::Queries);
        }
        let two_dims = |output: &&OutputShape| output.shape.len() == 2;
        let Some(output) = evidence.outputs.iter().find(two_dims) else { return Err(no_detector(evidence)) };
        let [rows, columns] = output.shape[..] else { return Err(no_detector(evidence)) };
        let name = &output.name;
        // A YOLOv5 for one class also has six numbers per box.
        if columns == FINAL && !wants_queries && rows <= FINAL_BOXES && !evidence.size.is_usual(rows) {
            return Ok(Self::Final { output: name.clone() });
        }
        if wants_queries || (evidence.layout == "auto" && is_relative(evidence, (rows, columns))) {
            return relative(evidence, name, (rows, columns));
        }
        Scored::of(evidence, name, (rows, columns)).map(Self::Scored)
    }

    /// The outputs to fetch.
    pub fn fetches(&self) -> Vec<String> {
        match self {
            Self::Scored(Scored { output, .. }) | Self::Final { output } => vec![output.clone()],
            Self::Queries(Queries { scores, boxes, .. }) => vec![scores.clone(), boxes.clone()],
        }
    }

    /// Where images are usually placed in the input. `None` if they fill it.
    pub fn letterbox(&self) -> Option<Letterbox> {
        match self {
            Self::Scored(Scored { unit: Unit::Input, .. }) | Self::Queries(_) => None,
            _ if self.is_yolox() => Some(Letterbox::Corner),
            _ => Some(Letterbox::Middle),
        }
    }

    /// Whether the network is a YOLOX.
    pub fn is_yolox(&self) -> bool {
        matches!(self, Self::Scored(Scored { is_yolox: true, .. }))
    }
}

impl Queries {
    fn of(evidence: &Evidence<'_>, scores: &OutputShape, boxes: &OutputShape) -> Result<Self> {
        let numbers = scores.shape[1];
        let is_softmax = match (evidence.layout, evidence.labels) {
            ("rtdetr", _) => false,
            (_, Some(labels)) if labels == numbers => false,
            (_, Some(labels)) if labels + 1 == numbers => true,
            // Deformable attention is that of networks which were trained with a sigmoid.
            _ => !(evidence.depends_on)(&scores.name, "GridSample")?,
        };
        let classes = if is_softmax { numbers - 1 } else { numbers };
        if let Some(labels) = evidence.labels
            && labels != classes
        {
            return Err(labels_differ(
                labels,
                evidence,
                &format!("output `{}` has scores of {classes} classes", scores.name),
            ));
        }
        if classes == 0 {
            return Err(no_detector(evidence));
        }
        Ok(Self { scores: scores.name.clone(), boxes: boxes.name.clone(), is_softmax, classes })
    }
}

/// The outputs of class scores and of boxes, which have a row per query.
fn queries<'e>(evidence: &Evidence<'e>) -> Result<Option<(&'e OutputShape, &'e OutputShape)>> {
    let two_dims = || evidence.outputs.iter().filter(|output| output.shape.len() == 2);
    let is_boxes = |o: &&OutputShape| o.shape[1] == 4 && evidence.scores != Some(o.name.as_str());
    let words = |o: &OutputShape, words: &[&str]| words.iter().any(|word| o.name.to_lowercase().contains(word));
    let named_boxes = two_dims().filter(is_boxes).find(|o| words(o, &["box", "dets"]));
    let Some(boxes) = named_boxes.or_else(|| two_dims().find(is_boxes)) else { return Ok(None) };
    let others = || two_dims().filter(|o| o.name != boxes.name && o.shape[0] == boxes.shape[0]);
    let scores = match evidence.scores {
        Some(name) => others().find(|o| o.name == name),
        None => others().find(|o| words(o, &["logits", "scores", "class", "labels"])).or_else(|| others().next()),
    };
    let Some(scores) = scores else { return Ok(None) };
    let is_told = evidence.scores.is_some() || named_boxes.is_some() || words(scores, &["logits", "scores", "class"]);
    if scores.shape[1] == 4 && !is_told {
        return Err(Error::param(
            "outputTensorName",
            format!(
                "must be set to the output with the class scores: `{}` and `{}` both have four numbers per box",
                boxes.name, scores.name
            ),
        ));
    }
    Ok(Some((scores, boxes)))
}

/// Whether an output has the shape of boxes as fractions of the input, with the probabilities of the classes.
fn is_relative(evidence: &Evidence<'_>, (rows, columns): (usize, usize)) -> bool {
    let is_small = rows <= FINAL_BOXES && !evidence.size.is_usual(rows) && !evidence.size.is_usual(columns);
    is_small && evidence.labels.map_or(rows == QUERIES && columns > 4, |labels| columns == 4 + labels)
}

/// One output of boxes as fractions of the input, with the probabilities of the classes.
fn relative(evidence: &Evidence<'_>, name: &str, (rows, columns): (usize, usize)) -> Result<Head> {
    if columns <= 4 || rows > FINAL_BOXES {
        return Err(no_detector(evidence));
    }
    check_labels(evidence, name, columns, 4)?;
    Ok(Head::Scored(Scored {
        output: name.to_owned(),
        is_by_box: true,
        numbers: columns,
        has_objectness: false,
        classes: evidence.labels.unwrap_or(columns - 4),
        unit: Unit::Input,
        is_yolox: false,
    }))
}

impl Scored {
    fn of(evidence: &Evidence<'_>, name: &str, (rows, columns): (usize, usize)) -> Result<Self> {
        let size = evidence.size;
        let is_by_box = match (size.is_usual(rows), size.is_usual(columns)) {
            (true, false) => true,
            (false, true) => false,
            (false, false) if evidence.layout == "auto" => return Err(no_detector(evidence)),
            _ => rows > columns,
        };
        let (boxes, numbers) = if is_by_box { (rows, columns) } else { (columns, rows) };
        // Before version 8, boxes had a score that there is an object. Labels decide only where the shape does not: one that is
        // missing must not change what the numbers mean.
        let is_open = is_by_box && evidence.layout == "yolo" && (size.is_one_per_cell(boxes) || !size.is_usual(boxes));
        let has_objectness = is_by_box && !(is_open && !fits(evidence, numbers, 5) && fits(evidence, numbers, 4));
        let first = if has_objectness { 5 } else { 4 };
        if numbers <= first {
            return Err(no_detector(evidence));
        }
        check_labels(evidence, name, numbers, first)?;
        let may_be_yolox = is_by_box && has_objectness && size.is_one_per_cell(boxes);
        let is_yolox = may_be_yolox && evidence.layout != "yolo";
        if evidence.layout == "yolox" && !may_be_yolox {
            return Err(Error::param(
                "layout",
                format!(
                    "is \"yolox\", whose output has the boxes of an input of {} x {} pixels as rows of 5 numbers and the scores of the \
                     classes, but output `{name}` has row shape [{rows}, {columns}]",
                    size.columns, size.rows
                ),
            ));
        }
        // An exported network may decode its boxes itself, which takes an exponential.
        let unit = if is_yolox && !(evidence.depends_on)(name, "Exp")? { Unit::Cells } else { Unit::Pixels };
        let classes = evidence.labels.unwrap_or(numbers - first);
        Ok(Self { output: name.to_owned(), is_by_box, numbers, has_objectness, classes, unit, is_yolox })
    }
}

/// Whether so many numbers of a box, after the first ones, can be the scores of the labelled classes.
fn fits(evidence: &Evidence<'_>, numbers: usize, first: usize) -> bool {
    match evidence.labels {
        None => true,
        Some(labels) if evidence.labels_are_set => numbers == first + labels,
        Some(labels) => numbers >= first + labels,
    }
}

fn check_labels(evidence: &Evidence<'_>, name: &str, numbers: usize, first: usize) -> Result<()> {
    let Some(labels) = evidence.labels else { return Ok(()) };
    if fits(evidence, numbers, first) {
        return Ok(());
    }
    let classes = numbers.saturating_sub(first);
    Err(labels_differ(
        labels,
        evidence,
        &format!("output `{name}` has {numbers} numbers per box, the scores of {classes} classes"),
    ))
}

fn labels_differ(labels: usize, evidence: &Evidence<'_>, but: &str) -> Error {
    if evidence.labels_are_set {
        return Error::param("labels", format!("has {}, but {but}; set one name per class", count(labels)));
    }
    Error::model(format!("its metadata has {labels} labels, but {but}; set labels to one name per class"))
}

/// The error for outputs that are not those of a detector.
fn no_detector(evidence: &Evidence<'_>) -> Error {
    let shapes: Vec<String> = evidence.outputs.iter().map(|o| format!("`{}` {:?}", o.name, o.shape)).collect();
    let expected = match evidence.layout {
        "yolo" => {
            "the layout of a YOLO: rows of a box and its scores, [boxes, 5 + classes] or [4 + classes, boxes], or [boxes, 6]"
        }
        "yolox" => "the layout of a YOLOX: rows of a box and its scores, [boxes, 5 + classes]",
        "detr" | "rtdetr" => "the layout of a DETR: class scores [boxes, classes] and boxes [boxes, 4]",
        _ => {
            "one of a detector: for a YOLO [boxes, 5 + classes] or [4 + classes, boxes] with as many boxes as its grids have, or \
             [boxes, 6]; for a DETR class scores [boxes, classes] and boxes [boxes, 4]"
        }
    };
    let remedy = if evidence.layout == "auto" {
        "use a network that was trained to detect objects, or set layout and outputTensorName"
    } else {
        "use layout=\"auto\", or set outputTensorName"
    };
    let found = if shapes.is_empty() { "no output with floats".to_owned() } else { shapes.join(", ") };
    Error::param(
        "model",
        format!("cannot be used: the rows of its outputs have the shapes {found}, expected {expected}; {remedy}"),
    )
}
