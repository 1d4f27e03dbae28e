"""Tracked, declarative experiments for finding defects on steel."""

import os

__version__ = "0.1.0"

# Read by TensorFlow and segmentation-models at their first import, so set before anything else.
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["SM_FRAMEWORK"] = "tf.keras"
# The wheel leaves oneDNN off on CPUs without AVX512-VNNI: 3.8 s a training step against 2.4 s.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# OpenCV refuses larger images by their header. This is IMAGE_PIXELS of limits.py.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(10**8))
# Errors of TensorFlow's C++ side are raised as exceptions too; its log only adds a failed search
# for GPUs.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
