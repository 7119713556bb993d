"""m2pt: research on cross-modal transfer between transformers, after *Multimodal Pathway* (CVPR 2024, arXiv 2401.14405)."""

from m2pt.torchvision_operators import declare_missing_operators

__version__ = "0.1.0"

# Must run before anything imports timm (which imports torchvision), hence here and nowhere else.
declare_missing_operators()
