"""Layers that leave out features at random: what all share in random_mask.py."""

from .alpha_dropout import AlphaDropout, FeatureAlphaDropout
from .channel_dropout import ChannelDropout
from .drop_path import DropPath, GraphDropPath
from .dropout import Dropout

__all__ = ["AlphaDropout", "ChannelDropout", "DropPath", "Dropout", "FeatureAlphaDropout", "GraphDropPath"]
