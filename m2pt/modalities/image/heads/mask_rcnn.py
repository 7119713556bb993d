"""Mask R-CNN (arXiv 1703.06870) on a plain ViT, as ViTDet (arXiv 2203.16527) builds it, from torchvision's parts.

B batch, D width, C channels of the head, H height, W width, K classes, A anchors, R regions of all pictures together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead, FastRCNNPredictor  # type: ignore[import-untyped]
from torchvision.models.detection.image_list import ImageList  # type: ignore[import-untyped]
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor  # type: ignore[import-untyped]
from torchvision.models.detection.roi_heads import RoIHeads, maskrcnn_inference  # type: ignore[import-untyped]
from torchvision.models.detection.rpn import (  # type: ignore[import-untyped]
    AnchorGenerator,
    RegionProposalNetwork,
    RPNHead,
    concat_box_prediction_layers,
)

from m2pt.config import ImageInput, InputConfig, ModelConfig, UserError
from m2pt.layers import RowNoise
from m2pt.modalities.image.heads.pyramid import LEVELS, FeaturePyramid, map_norm
from m2pt.modalities.image.heads.regions import greedy_nms, pooled, roi_align
from m2pt.modalities.image.heads.sampling import Sampler
from m2pt.modalities.image.transforms.instances import boxes_of, unpacked
from m2pt.modalities.shared.dense import DenseHead
from m2pt.modalities.shared.features import Features
from m2pt.torchvision_operators import supply_nms

CHANNELS, HIDDEN, CONVOLUTIONS = 256, 4, 4
"""Channels of the maps (fewer for a narrower encoder), how many times that the box head's hidden layer is wide, and its depth."""

RATIOS = (0.5, 1.0, 2.0)
ANCHOR_STRIDES = 8
"""The side of a square anchor in strides of its map: 32 to 512 pixels."""

ANCHORS, REGIONS, MASKS = 256, 512, 128
"""How many anchors and regions of a picture are trained with, and how many masks at most."""

BOX_CELLS, MASK_CELLS = 7, 14
MASK_SIDE = 2 * MASK_CELLS
DETECTIONS = 100
TOLD = 6
"""What a detection begins with: score, class, left, top, right, bottom; then the probabilities of its mask, row by row."""

PROPOSALS = {"training": 1000, "testing": 1000}
BEFORE_NMS = {"training": 2000, "testing": 1000}


@dataclass(frozen=True)
class _Truth:
    """The objects of one picture: boxes (G, 4), classes (G,) from 1 on, masks (G, S, S)."""

    boxes: Tensor
    labels: Tensor
    masks: Tensor


class MaskRCNNHead(DenseHead):
    """Boxes and masks of objects, from the last map of the encoder.

    Published, and so here: the output of the last block without the encoder's final norm; a feature pyramid of that one map; two
    convolutions in the proposals' head, four and a hidden layer in that of the boxes, four in that of the masks; layer norm; all
    losses on boxes are distances, without smoothing. Here and not there: see the recipe `vitdet-coco`.
    """

    def __init__(self, config: ModelConfig, input_config: InputConfig, num_classes: int) -> None:
        super().__init__()
        if not isinstance(input_config, ImageInput):
            raise UserError("head: 'mask_rcnn' finds objects in images; choose another for this modality.")
        supply_nms(greedy_nms)
        channels = min(CHANNELS, config.width)
        self.taps = (config.depth - 1,)
        self.patch = input_config.patch
        self.num_classes = num_classes
        self.pyramid = FeaturePyramid(config.width, channels)
        strides = [self.patch * 2**level // 4 for level in range(LEVELS + 1)]
        self.proposals = RegionProposalNetwork(
            AnchorGenerator(tuple((ANCHOR_STRIDES * stride,) for stride in strides), (RATIOS,) * len(strides)),
            RPNHead(channels, len(RATIOS), conv_depth=2),
            *(0.7, 0.3, ANCHORS, 0.5, BEFORE_NMS, PROPOSALS, 0.7),
        )
        hidden = HIDDEN * channels
        convolutions = [channels] * CONVOLUTIONS
        self.regions = RoIHeads(
            None,
            FastRCNNConvFCHead((channels, BOX_CELLS, BOX_CELLS), convolutions, [hidden], norm_layer=map_norm),
            FastRCNNPredictor(hidden, num_classes + 1),
            *(0.5, 0.5, REGIONS, MASKS / REGIONS, None, 0.05, 0.5, DETECTIONS),
            mask_head=MaskRCNNHeads(channels, convolutions, 1, norm_layer=map_norm),
            mask_predictor=MaskRCNNPredictor(channels, channels, num_classes + 1),
        )
        self.anchor_sampler, self.region_sampler = Sampler("anchors", ANCHORS, 0.5), Sampler("regions", REGIONS, MASKS / REGIONS)
        self.proposals.fg_bg_sampler, self.regions.fg_bg_sampler = self.anchor_sampler, self.region_sampler
        self._start()

    def _start(self) -> None:
        """The initial values of the last layers, as in Detectron2."""
        predictor, masks = self.regions.box_predictor, self.regions.mask_predictor.mask_fcn_logits
        for layer, std in ((predictor.cls_score, 0.01), (predictor.bbox_pred, 0.001), (masks, 0.001)):
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)

    def draw(self, noise: RowNoise) -> None:
        """Decide which anchors and regions the next batch in training takes, picture by picture."""
        self.anchor_sampler.draw(noise)
        self.region_sampler.draw(noise)

    def forward(self, features: Features, given: Tensor | None) -> Tensor:
        """In training with objects `given` (`transforms.instances.packed`), the losses (B, 5) of each picture; their sum counts.

        In evaluation, the detections (B, 100, 6 + 28 · 28), the best first, zeros where there are fewer; `given` (B, 4) has the
        height and width of each picture in its file and in `x`. In training with nothing given, as `undecided`.
        """
        if self.training and given is None:
            return self.undecided(features, REGIONS, MASKS)
        levels = self._levels(features)
        size: tuple[int, int] = (features.x.shape[-2], features.x.shape[-1])
        if not self.training or given is None:
            shapes = (
                [size] * len(features.x) if given is None else [(int(high), int(wide)) for _, _, high, wide in given.tolist()]
            )
            _, _, _, boxes = self._proposed(features.x, levels, shapes)
            return self._detections(levels, boxes, shapes, size[1])
        truths = [self._truth(rows, size[1]) for rows in given]
        objectness, deltas, anchors, boxes = self._proposed(features.x, levels, [size] * len(truths))
        first = self._proposal_losses(objectness, deltas, anchors, truths)
        return torch.cat([first, self._region_losses(levels, boxes, truths, size[1])], dim=1)

    def undecided(self, features: Features, regions: int, masks: int) -> Tensor:
        """All that the convolutions say, without choosing regions by it: (B, ...).

        Objectness and changes of every anchor; classes, changes and masks of so many regions, each a complete picture. Small
        changes of the weights change it little, while one box more or less than another changes all detections after it.
        """
        levels = self._levels(features)
        objectness, deltas = self.proposals.head(levels)
        said = [part.flatten(1) for part in (*objectness, *deltas)]
        for cells, count, head in ((BOX_CELLS, regions, self._classified), (MASK_CELLS, masks, self._masked)):
            whole = functional.adaptive_avg_pool2d(levels[0], cells)
            for part in head(whole.repeat_interleave(count, dim=0)):
                said.append(part.unflatten(0, (-1, count)).flatten(1))
        return torch.cat(said, dim=1)

    def _levels(self, features: Features) -> list[Tensor]:
        high, wide = (side // self.patch for side in features.x.shape[-2:])
        map_BDHW = features.last_BND.transpose(1, 2).unflatten(2, (high, wide))
        levels: list[Tensor] = self.pyramid(map_BDHW)
        return levels

    def _proposed(
        self, x: Tensor, levels: list[Tensor], shapes: list[tuple[int, int]]
    ) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
        """Objectness (B, A) and changes (B, A, 4) of the anchors, these themselves, and the boxes that are proposed."""
        by_level, changes = self.proposals.head(levels)
        counts = [part[0].numel() for part in by_level]
        anchors = [each.float() for each in self.proposals.anchor_generator(ImageList(x, shapes), levels)]
        objectness, deltas = (part.float() for part in concat_box_prediction_layers(by_level, changes))
        decoded = self.proposals.box_coder.decode(deltas.detach(), anchors).view(len(x), -1, 4)
        boxes, _ = self.proposals.filter_proposals(decoded, objectness, shapes, counts)
        return objectness.view(len(x), -1), deltas.view(len(x), -1, 4), anchors, boxes

    def _proposal_losses(
        self, objectness_BA: Tensor, deltas_BA4: Tensor, anchors: list[Tensor], truths: Sequence[_Truth]
    ) -> Tensor:
        """The losses of objectness and of boxes (B, 2)."""
        labels, matched = self.proposals.assign_targets_to_anchors(anchors, [{"boxes": truth.boxes} for truth in truths])
        wanted = self.proposals.box_coder.encode(matched, anchors)
        positive, negative = self.anchor_sampler(labels)
        losses = []
        for row, (inside, outside) in enumerate(zip(positive, negative, strict=True)):
            taken = (inside | outside).bool()
            said = functional.binary_cross_entropy_with_logits(objectness_BA[row][taken], labels[row][taken], reduction="sum")
            off = functional.l1_loss(deltas_BA4[row][inside.bool()], wanted[row][inside.bool()], reduction="sum")
            losses.append(torch.stack([said, off]) / ANCHORS)
        return torch.stack(losses)

    def _region_losses(self, levels: list[Tensor], boxes: list[Tensor], truths: Sequence[_Truth], side: int) -> Tensor:
        """The losses of classes, of boxes and of masks (B, 3)."""
        targets = [{"boxes": truth.boxes, "labels": truth.labels, "masks": truth.masks} for truth in truths]
        boxes, matched, labels, wanted = self.regions.select_training_samples(boxes, targets)
        logits, changes = self._classified(pooled(levels[:LEVELS], boxes, side, BOX_CELLS))
        counts = [len(each) for each in boxes]
        inside = [each > 0 for each in labels]
        masks = self._masked(
            pooled(levels[:LEVELS], [each[chosen] for each, chosen in zip(boxes, inside, strict=True)], side, MASK_CELLS)
        )[0].split([int(chosen.sum()) for chosen in inside])
        losses = []
        for row, (said, change) in enumerate(zip(logits.split(counts), changes.split(counts), strict=True)):
            chosen, classes = inside[row], labels[row][inside[row]]
            places = torch.arange(len(classes), device=classes.device)
            right = functional.cross_entropy(said, labels[row])
            of_class = change[chosen].unflatten(1, (-1, 4))[places, classes]
            off = functional.l1_loss(of_class, wanted[row][chosen], reduction="sum") / len(said)
            shapes = _cut(truths[row].masks, boxes[row][chosen], matched[row][chosen])
            drawn = functional.binary_cross_entropy_with_logits(masks[row][places, classes], shapes, reduction="sum")
            losses.append(torch.stack([right, off, drawn / max(shapes.numel(), 1)]))
        return torch.stack(losses)

    def _classified(self, pooled_RCPP: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (R, 1 + K), the background's first, and changes of the box for each class (R, 4 (1 + K))."""
        logits, changes = self.regions.box_predictor(self.regions.box_head(pooled_RCPP))
        return logits.float(), changes.float()

    def _masked(self, pooled_RCPP: Tensor) -> tuple[Tensor]:
        """The logits of a mask for each class: (R, 1 + K, 28, 28)."""
        return (self.regions.mask_predictor(self.regions.mask_head(pooled_RCPP)).float(),)

    def _detections(self, levels: list[Tensor], boxes: list[Tensor], shapes: list[tuple[int, int]], side: int) -> Tensor:
        logits, changes = self._classified(pooled(levels[:LEVELS], boxes, side, BOX_CELLS))
        kept, scores, labels = self.regions.postprocess_detections(logits, changes, boxes, shapes)
        (masks,) = self._masked(pooled(levels[:LEVELS], kept, side, MASK_CELLS))
        drawn = maskrcnn_inference(masks, labels)
        detections = logits.new_zeros((len(boxes), DETECTIONS, TOLD + MASK_SIDE**2))
        for row, (box, score, label, mask) in enumerate(zip(kept, scores, labels, drawn, strict=True)):
            told = torch.cat([score[:, None], label[:, None] - 1, box, mask.flatten(1)], dim=1)
            detections[row, : len(told)] = told
        return detections

    def _truth(self, rows: Tensor, side: int) -> _Truth:
        labels, masks = unpacked(rows, side)
        return _Truth(boxes_of(masks), labels, masks)


def _cut(masks_GSS: Tensor, boxes_N4: Tensor, matched_N: Tensor) -> Tensor:
    """The part of an object's mask in each box: (N, 28, 28), 0 or 1."""
    cut = boxes_N4.new_zeros((len(boxes_N4), MASK_SIDE, MASK_SIDE))
    for number in matched_N.unique().tolist():
        chosen = (matched_N == number).nonzero()[:, 0]
        part = roi_align(masks_GSS[number][None].to(boxes_N4), boxes_N4[chosen], MASK_SIDE, 1.0)[:, 0]
        cut = cut.index_copy(0, chosen, part)
    return (cut >= 0.5).to(boxes_N4)
