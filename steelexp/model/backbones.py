"""Encoders of segmentation-models, and the input scaling of their ImageNet weights."""

from typing import NamedTuple

RGB = tuple[float, float, float]


class Scaling(NamedTuple):
    """Input scaling, (grey - mean) / std for each channel, with grey from 0 to 255."""

    mean: RGB
    std: RGB


UNIT = Scaling((0.0, 0.0, 0.0), (255.0, 255.0, 255.0))
"""Scaling to 0..1 for any backbone, like the published baseline."""

# The modes of keras_applications.imagenet_utils.preprocess_input.
_RAW = Scaling((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
_TF = Scaling((127.5, 127.5, 127.5), (127.5, 127.5, 127.5))
_TORCH = Scaling((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
_CAFFE = Scaling((103.939, 116.779, 123.68), (1.0, 1.0, 1.0))  # blue, green, red

_FAMILIES: dict[str, tuple[Scaling, str]] = {
    "VGG": (_CAFFE, "vgg16 vgg19"),
    "ResNet": (_RAW, "resnet18 resnet34 resnet50 resnet101 resnet152"),
    "ResNeXt": (_RAW, "resnext50 resnext101"),
    "SE-ResNet, basic blocks": (_RAW, "seresnet18 seresnet34"),
    "SE-Net": (_TORCH, "seresnet50 seresnet101 seresnet152 seresnext50 seresnext101 senet154"),
    "DenseNet": (_TORCH, "densenet121 densenet169 densenet201"),
    "Inception": (_TF, "inceptionv3 inceptionresnetv2"),
    "MobileNet": (_TF, "mobilenet mobilenetv2"),
    "EfficientNet": (_TORCH, " ".join(f"efficientnetb{i}" for i in range(8))),
}

BACKBONES: dict[str, Scaling] = {
    name: scaling for scaling, names in _FAMILIES.values() for name in names.split()
}
