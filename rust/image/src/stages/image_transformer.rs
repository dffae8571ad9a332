//! stub
/// stub
pub struct ImageTransformer;
