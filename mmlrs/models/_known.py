"""Networks that users of Keras and Deep Learning Pipelines know by name, with the files of the Hugging Face Hub that hold them.

No package installs them. A name stands for the file `<name>.onnx` in the models folder, or else for the file of the Hub. Both
get the preprocessing of this table, which is that of the Hub's weights.
"""

from __future__ import annotations

from functools import lru_cache

from mmlrs.models._builtin import imagenet_classes
from mmlrs.models._entry import HubFile, ModelInfo, Preprocessing

__all__ = ["known"]

_MEANS, _STDS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _imagenet(side: int, shorter: int) -> Preprocessing:
    """Return the preprocessing of torchvision: values of 0 to 1 less ImageNet's mean, over its standard deviation."""
    return Preprocessing(side, side, _MEANS, _STDS, scale=1 / 255, resizeShorter=shorter)


def _symmetric(side: int) -> Preprocessing:
    """Return the preprocessing to values of -1 to 1, without a crop."""
    return Preprocessing(side, side, (0.5,) * 3, (0.5,) * 3, scale=1 / 255)


#: Name, file of the Hub, its size in bytes, preprocessing, licence, description. All files but those of VGG are in the listings
#: of their repositories; those of VGG are named as the other networks of that organization are.
_ROWS = [
    ("ResNet18", "Xenova/resnet-18/onnx/model.onnx", 46_800_000, _imagenet(224, 256), "Apache-2.0",
     "ResNet-18, 512 features."),
    ("ResNet50", "Xenova/resnet-50/onnx/model.onnx", 102_000_000, _imagenet(224, 256), "Apache-2.0",
     "ResNet-50, 2,048 features."),
    ("ResNet101", "Xenova/resnet-101/onnx/model.onnx", 178_000_000, _imagenet(224, 256), "Apache-2.0",
     "ResNet-101, 2,048 features."),
    ("InceptionV3", "Kalray/inception-v3/inception-v3.onnx", 95_300_000, _imagenet(299, 342), "Apache-2.0",
     "Inception-v3 with torchvision's weights, 2,048 features."),
    ("Xception", "Kalray/xception/xception.onnx", 91_400_000, _symmetric(299), "MIT",
     "Xception with the weights of Keras, 2,048 features."),
    ("VGG16", "onnxmodelzoo/vgg16-12/vgg16-12.onnx", 553_000_000, _imagenet(224, 256), "Apache-2.0",
     "VGG-16 of the ONNX Model Zoo, 4,096 features."),
    ("VGG19", "onnxmodelzoo/vgg19-7/vgg19-7.onnx", 575_000_000, _imagenet(224, 256), "Apache-2.0",
     "VGG-19 of the ONNX Model Zoo, 4,096 features."),
    ("MobileNetV2", "onnxmodelzoo/mobilenetv2-12/mobilenetv2-12.onnx", 14_000_000, _imagenet(224, 256), "Apache-2.0",
     "MobileNetV2 of the ONNX Model Zoo, 1,280 features."),
    ("ViT-B16", "Xenova/vit-base-patch16-224/onnx/model.onnx", 347_000_000, _symmetric(224), "Apache-2.0",
     "Vision Transformer, base, patches of 16 x 16 pixels."),
]  # fmt: skip


@lru_cache(maxsize=1)
def known() -> dict[str, ModelInfo]:
    """Return the networks by name."""
    labels, descriptions = zip(*imagenet_classes())
    return {
        name: ModelInfo(
            name=name,
            task="image-classification",
            description=description,
            dataset="ImageNet-1k",
            licence=licence,
            source="https://huggingface.co/" + "/".join(file.split("/")[:2]),
            file=HubFile(f"hf:{file}"),
            size=size,
            preprocessing=preprocessing,
            labels=labels,
            descriptions=descriptions,
        )
        for name, file, size, preprocessing, licence, description in _ROWS
    }
