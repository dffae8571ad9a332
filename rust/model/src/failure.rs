//! Converts errors of ONNX Runtime to errors of mmlrs.

use mmlrs_core::Error;

/// The error for a failed run, or for an invalid value from a run.
pub fn failed(error: impl std::fmt::Display) -> Error {
    Error::runtime(format!("ONNX Runtime: {}", one_line(&error.to_string())))
}

/// The first lines of a message on one line. The runtime's messages are long; the first lines state the cause.
pub fn one_line(text: &str) -> String {
    let joined: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).take(4).collect();
    without_source(&joined.join(" "))
}

/// Removes the location in the runtime's own source code, the C++ signature and the failed condition.
fn without_source(text: &str) -> String {
    let Some((before, place)) = text.find("/onnxruntime/core/").and_then(|at| {
        let start = text[..at].rfind(' ').map_or(0, |space| space + 1);
        text.split_at_checked(start)
    }) else {
        return text.to_owned();
    };
    let cause = match place.split_once(" was false. ") {
        Some((_, cause)) => cause,
        None => place.split_once(' ').map_or("", |(_, cause)| cause),
    };
    format!("{before}{cause}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_leaves_out_where_it_was_written() {
        let raw = "Non-zero status code returned while running Reshape node. Name:'r' Status Message: \
                   /onnxruntime_src/onnxruntime/core/providers/cpu/tensor/reshape_helper.h:47 \
                   onnxruntime::ReshapeHelper::ReshapeHelper(const onnxruntime::TensorShape&, bool) \
                   input_shape_size == size was false. The input tensor cannot be reshaped.\n";
        assert_eq!(
            one_line(raw),
            "Non-zero status code returned while running Reshape node. Name:'r' Status Message: The input tensor cannot be \
             reshaped."
        );
        assert_eq!(one_line("a plain\n message "), "a plain message");
    }
}
