//! stub
/// stub
pub struct UnrollBinaryImage;
