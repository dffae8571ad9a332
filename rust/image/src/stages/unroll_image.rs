//! stub
/// stub
pub struct UnrollImage;
