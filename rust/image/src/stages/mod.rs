//! The stages.

mmlrs_core::stages! {
    image_transformer: transform ImageTransformer;
    unroll_image: transform UnrollImage;
    unroll_binary_image: transform UnrollBinaryImage;
}
