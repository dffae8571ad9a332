//! The stages.

mmlrs_core::stages! {
    image_transformer: transform ImageTransformer;
    image_metadata: transform ImageMetadata;
    image_hash: transform ImageHash;
    unroll_image: transform UnrollImage;
    unroll_binary_image: transform UnrollBinaryImage;
}
