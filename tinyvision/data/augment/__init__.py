"""Augmentation: show the network each image differently in every epoch.

A step draws what is to happen to each image; nothing is computed until all steps have drawn. Then
kernels do it all in as few passes as can be, from bytes to the network's input.

====================  ==================================================
``augment.py``        ``Augment``: some steps, and their words
``step.py``           what a step is, and the list of all
``draw.py``           random numbers for the images of a batch
``changes.py``        what has been drawn: numbers for each image
``apply.py``          doing it
``flip.py``           sides exchanged
``affine.py``         moved, turned, enlarged, slanted
``colour.py``         brighter, duller, of another hue
``levels.py``         inverted in part, in few levels, equalised
``camera.py``         blurred, noisy, sharpened
``erase.py``          partly hidden
``mix.py``            two images in one
``resized_crop.py``   a part of the picture, as large as if it were the whole
``rand_augment.py``   some of these, taken at random
``examples.py``       images beside what is made of them
``edges.py``          what is seen beyond an image's edge
====================  ==================================================
"""

from .affine import Crop, Rotate, Scale, Shear, Shift
from .augment import PRESETS, Augment
from .camera import Blur, Noise, Sharpness
from .changes import Changes
from .colour import Brightness, Contrast, Hue, Saturation
from .draw import Draw
from .erase import Cutout, Erase
from .examples import augmented_examples
from .flip import AlternatingFlip, Flip, FlipVertical
from .levels import Autocontrast, Equalize, Gamma, Invert, Posterize, Solarize
from .mix import CutMix, MixUp
from .rand_augment import RandAugment
from .resized_crop import ResizedCrop
from .step import STEPS, Step

__all__ = [
    "PRESETS",
    "STEPS",
    "AlternatingFlip",
    "Augment",
    "Autocontrast",
    "Blur",
    "Brightness",
    "Changes",
    "Contrast",
    "Crop",
    "CutMix",
    "Cutout",
    "Draw",
    "Equalize",
    "Erase",
    "Flip",
    "FlipVertical",
    "Gamma",
    "Hue",
    "Invert",
    "MixUp",
    "Noise",
    "Posterize",
    "RandAugment",
    "ResizedCrop",
    "Rotate",
    "Saturation",
    "Scale",
    "Sharpness",
    "Shear",
    "Shift",
    "Solarize",
    "Step",
    "augmented_examples",
]
